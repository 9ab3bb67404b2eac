"""The table on the screen: one block a size, every ratio to torch.nn.LSTM of that size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from memcell_benchmarks.rows import PEER_IN_BFLOAT16, BenchmarkRow

#: How the columns are read, printed once.
LEGEND = (
    "xLSTM: time / torch.nn.LSTM's of the same size in the same rounds, fastest against fastest; then the "
    "median of the ratios round by round, and their range. Below 1 is faster.",
    "GFLOP/s: the cell's own matrix products / time of forward and backward; %mm: of torch.mm's rate at the "
    "step's largest product (%packed: of memcell's packed kernel's).",
    "error: largest relative error of outputs, gradients, statistics, inference and steps against the eager "
    "loop in float64, over at most 40 steps.",
)
LEGEND_OF_BFLOAT16 = (
    "bfloat16: weights and what they are multiplied with rounded to it, all else float32; %packed is of that "
    "kernel's rate. xbf16: fastest against fastest of torch.nn.LSTM wholly in bfloat16."
)
#: Columns of names, and those of a screen.
NAMES, SCREEN = 3, 80
Column = tuple[str, Callable[[BenchmarkRow, BenchmarkRow], str]]


def block(rows: Sequence[BenchmarkRow], peer: BenchmarkRow, kinds: Iterable[str]) -> str:
    """Return the table of one size; ``peer`` is the first row, torch.nn.LSTM."""
    bfloat16 = next((row for row in rows if row.backend == PEER_IN_BFLOAT16), None)
    ran = [row for row in rows if row.times or row.error is not None or not row.reason]
    columns = [c for c in _columns(tuple(kinds), bfloat16) if any(c[1](row, peer) for row in ran)]
    lines = [[title for title, _ in columns]]
    lines += [[show(row, peer) for _, show in columns] for row in ran]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    text = []
    for band in _bands(widths):
        text += [
            "  ".join(
                # names to the left, numbers to the right
                line[i].ljust(widths[i]) if i < NAMES else line[i].rjust(widths[i])
                for i in band
            ).rstrip()
            for line in lines
        ]
    return "\n".join([str(peer.size), *(f"  {line}" for line in text), *_not_run(rows)])


def _bands(widths: Sequence[int]) -> list[list[int]]:
    """Return which columns stand beside each other on a screen, each time behind the names."""
    names = list(range(NAMES))
    bands = [[*names]]
    for i in range(NAMES, len(widths)):
        if 2 + sum(widths[k] + 2 for k in [*bands[-1], i]) - 2 > SCREEN and len(bands[-1]) > NAMES:
            bands.append([*names])
        bands[-1].append(i)
    return bands


def _not_run(rows: Sequence[BenchmarkRow]) -> list[str]:
    """Name what did not run, or not wholly, with the reason: a line for the same of several cells."""
    cells: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.reason:
            cells.setdefault((row.backend, row.reason), []).append(str(row.subject))
    return [f"  {backend}: {why} ({', '.join(c)})" for (backend, why), c in cells.items()]


def _torch(row: BenchmarkRow) -> str:
    return "torch bfloat16" if row.backend == PEER_IN_BFLOAT16 else "torch"


def _columns(kinds: tuple[str, ...], bfloat16: BenchmarkRow | None) -> list[Column]:
    found: list[Column] = [
        ("cell", lambda row, _: row.subject.cell_label if row.subject else "nn.LSTM"),
        ("norm", lambda row, _: row.subject.normalizer if row.subject else "-"),
        ("backend", lambda row, _: row.backend if row.subject else _torch(row)),
    ]
    if "train" in kinds:
        found += _timed("train", "train ms", 1e3, bfloat16)
    if "infer" in kinds:
        found += _timed("infer", "infer ms", 1e3, bfloat16)
    if "step" in kinds:
        found += _timed("step", "step us", 1e6, bfloat16)
    if "memory" in kinds:
        found.append(("MiB", lambda row, _: _number(row.memory)))
        found.append(("xLSTM", lambda row, peer: _over(row.memory, peer.memory)))
    if "first-use" in kinds:
        found.append(("first s", lambda row, _: _number(row.first_use)))
        found.append(("again s", lambda row, _: _number(row.again)))
    if "train" in kinds:
        found.append(("GFLOP/s", lambda row, _: _number(row.gflops)))
        found.append(("%mm", lambda row, _: _percent(row.gflops, row.product_gflops)))
        found.append(("%packed", lambda row, _: _percent(row.gflops, row.packed_gflops)))
    found.append(("error", _error))
    return found


def _timed(kind: str, title: str, unit: float, bfloat16: BenchmarkRow | None) -> list[Column]:
    def least(row: BenchmarkRow, _: BenchmarkRow) -> str:
        return _number(row.times[kind].least * unit) if kind in row.times else ""

    def ratio(row: BenchmarkRow, peer: BenchmarkRow) -> str:
        return f"{row.times[kind].ratio(peer.times[kind]):.2f}" if kind in row.times else ""

    def median(row: BenchmarkRow, peer: BenchmarkRow) -> str:
        return f"{row.times[kind].median_ratio(peer.times[kind]):.2f}" if kind in row.times else ""

    def spread(row: BenchmarkRow, peer: BenchmarkRow) -> str:
        if kind not in row.times or row is peer:
            return ""
        low, high = row.times[kind].ratio_spread(peer.times[kind])
        return f"{low:.2f}-{high:.2f}"

    def ratio_in_bfloat16(row: BenchmarkRow, _: BenchmarkRow) -> str:
        return "" if bfloat16 is None else ratio(row, bfloat16)

    return [
        (title, least),
        ("xLSTM", ratio),
        ("median", median),
        ("range", spread),
        ("xbf16", ratio_in_bfloat16),
    ]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _over(mine: float | None, theirs: float | None) -> str:
    return "" if mine is None or not theirs else f"{mine / theirs:.2f}"


def _percent(mine: float | None, most: float | None) -> str:
    return "" if mine is None or not most else f"{100 * mine / most:.0f}"


def _error(row: BenchmarkRow, _: BenchmarkRow) -> str:
    if row.error is None:
        return ""
    return f"{row.error:.0e}{' WRONG' if row.wrong else ''}"
