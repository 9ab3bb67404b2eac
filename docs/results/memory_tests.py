"""Tests behind memory.md that no report makes: they read what probes and checkpoints of runs hold.

python docs/results/memory_tests.py OUT    (OUT as in memory-study.sh)

Every test is a two-sided sign-flip test over seeds: a seed gives one number, whatever it is made of, so that
measurements within a run are not taken for independent ones. Holm's correction spans the rows of a table.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import f as f_distribution

from memcell.compare.records import RunRecord
from memcell.compare.report.differences import Pair, PairedDifference, differences, paired
from memcell.compare.report.folder import read_comparison
from memcell.compare.report.measures import BEST, UPDATES, measure
from memcell.probes.estimate import known, mean, rank_correlation
from memcell.statistics.bootstrap import interval
from memcell.statistics.paired import holm, sign_flip
from memcell.training.checkpoint import join_tensors, load_checkpoint
from memcell_plugins.probes.order_measures import periodicity

#: Name and one number a seed.
Row = tuple[str, Sequence[float]]


def p_text(p: float) -> str:
    """Return p as the tables have it."""
    return f"{p:.3f}" if p >= 0.002 else f"{p:.0e}"


def table(
    title: str, what: str, rows: Sequence[Row], form: str = "+.4f", untested: Sequence[Row] = ()
) -> None:
    """Print mean, interval and corrected p of each row; ``untested`` are described alone."""
    kept = [(name, known(values)) for name, values in rows if len(known(values)) > 1]
    descriptive = [(name, known(values)) for name, values in untested if len(known(values)) > 1]
    if not kept and not descriptive:
        return
    ps = [p_text(float(p)) for p in holm([sign_flip(values).p for _, values in kept])]
    print(f"\n{title}\n\n| | n | {what}: mean over seeds (95 % interval) | p |\n|---|---|---|---|")
    for (name, values), p in zip(
        [*descriptive, *kept], ["" for _ in descriptive] + ps, strict=True
    ):
        low, high = interval(values)
        mid = f"{np.mean(values):{form}} ({low:{form}} to {high:{form}})"
        print(f"| {name} | {len(values)} | {mid} | {p} |")


def records(folder: Path) -> list[RunRecord]:
    """Return the records of a comparison, by setting and seed."""
    found = [RunRecord.read(path) for path in sorted(folder.glob("runs/*/record.json"))]
    return sorted(found, key=lambda r: (tuple(r.setting.values()), r.seed))


def settings(folder: Path) -> Iterator[tuple[str, list[RunRecord]]]:
    """Return the records of each setting, by seed."""
    for setting, group in itertools.groupby(
        records(folder), lambda r: ", ".join(r.setting.values())
    ):
        yield setting, list(group)


def probed(folder: Path, record: RunRecord, probe: str, kind: str) -> list[dict[str, Any]]:
    """Return what a probe wrote in a run: its ``"values"``, or its ``"summary"``, with the update."""
    path = folder / "runs" / record.id / "probes.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        {**line[kind], "update": line["update"]}
        for line in lines
        if line["probe"] == probe and kind in line
    ]


def staleness(folder: Path) -> None:
    """Print what a carried state was off by, and what that cost."""
    names = ("S", "dL_stale", "dL_zero", "gradient_distance")
    found: dict[str, list[Row]] = {name: [] for name in names}
    for setting, runs in settings(folder):
        for name in names:
            values = [
                mean(mean(v[name]) if isinstance(v[name], list) else v[name] for v in lines)
                for r in runs
                if (lines := probed(folder, r, "staleness", "values"))
            ]
            found[name].append((setting, [v for v in values if v is not None]))
    for name in names:
        rows = found[name]
        # S and the angle are positive by their definition
        tested = rows if name.startswith("dL") else []
        descriptive = [] if tested else rows
        table(f"{folder.name}: {name}", name, tested, "+.5f", descriptive)


def neighbours(folder: Path) -> None:
    """Print whether staleness costs more where labels change or neighbouring windows differ.

    A seed gives one number for each cell: the mean over learning rates.
    """
    causes = ("transitions", "transitions_batch", "distance")
    plain: dict[str, dict[int, list[float]]] = {}
    held: dict[str, dict[int, list[float]]] = {}
    for r in records(folder):
        cell = next(iter(r.setting.values()))
        lanes = lanes_of(probed(folder, r, "staleness", "values"))
        if not lanes["dL_stale"]:
            continue
        for cause in (*causes, "lag"):
            rho = rank_correlation(lanes["dL_stale"], lanes[cause])[0]
            if rho is not None:
                of = plain.setdefault(f"{cell}: {cause}", {})
                of.setdefault(r.seed, []).append(rho)
        slopes = _partial(lanes)
        for cause, value in zip(causes, slopes or (), strict=False):
            held.setdefault(f"{cell}: {cause}", {}).setdefault(r.seed, []).append(value)
    rows = [(name, [float(np.mean(v)) for v in of.values()]) for name, of in plain.items()]
    tested = [row for row in rows if not row[0].endswith("lag")]
    descriptive = [row for row in rows if row[0].endswith("lag")]
    title = f"{folder.name}: dL_stale against its causes"
    table(title, "Spearman's correlation", tested, "+.3f", descriptive)
    rows = [(name, [float(np.mean(v)) for v in of.values()]) for name, of in held.items()]
    title = f"{folder.name}: the same with lag, update and each other held (regression of ranks)"
    table(title, "standardized slope", rows, "+.3f")


def lanes_of(lines: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """Return cost and causes of each lane of each measurement where all are known."""
    names = ("dL_stale", "transitions", "transitions_batch", "distance", "lag", "update")
    found: dict[str, list[float]] = {name: [] for name in names}
    for line in lines:
        for k, cost in enumerate(line["dL_stale"]):
            row = [line[n][k] if isinstance(line[n], list) else line[n] for n in names]
            if cost is not None and all(v is not None for v in row):
                for name, value in zip(names, row, strict=True):
                    found[name].append(float(value))
    return found


def _partial(lanes: dict[str, list[float]]) -> list[float] | None:
    """Return the slopes of rank(dL_stale) on the ranks of the causes, all of variance 1."""
    from scipy.stats import rankdata

    names = ("transitions", "transitions_batch", "distance", "lag", "update")
    columns = [rankdata(lanes[n]) for n in names]
    if len(columns[0]) < 20 or any(c.std() == 0 for c in columns[:3]):
        return None
    x = np.column_stack([(c - c.mean()) / (c.std() or 1.0) for c in columns])
    y = rankdata(lanes["dL_stale"])
    return [float(b) for b in np.linalg.lstsq(x, (y - y.mean()) / y.std(), rcond=None)[0]]


def between(folder: Path, axis: str, value: str, reference: str) -> None:
    """Print one value of an axis against another that is not the comparison's reference."""
    comparison = read_comparison(folder)
    measured = measure(comparison)
    pair = Pair(axis, (value,), (reference,))
    inference = measured.inferences[-1]
    rows: list[Row] = []
    for name, policy in ((comparison.main_score, inference), (BEST, ""), (UPDATES, "")):
        both = paired(measured.values[name, policy], pair)
        rows.append((name, [a - b for a, b in both.values()]))
    table(f"{folder.name}: {value} less {reference}", "difference", rows, "+.3f")


def lines(folder: Path) -> None:
    """Print the main lines of the report, as docs/results/memory.md has them."""
    comparison = read_comparison(folder)
    measured = measure(comparison)
    inference = measured.inferences[0]
    keys = ((comparison.main_score, inference), (BEST, ""), (UPDATES, ""))
    found: dict[tuple[str, ...], dict[tuple[str, str], PairedDifference]] = {}
    for d in differences(comparison, measured):
        if d.unit == "seeds" and (d.measure, d.inference) in keys:
            key = (d.setting, d.reference, d.within)
            found.setdefault(key, {})[d.measure, d.inference] = d
    print(f"\n{folder.name} (scores inferred with {inference})\n")
    print(
        "| against | n | score | validation loss, nats | updates to target |\n|---|---|---|---|---|"
    )
    for (setting, reference, within), of in found.items():
        cells = [_cell(of[key]) for key in keys]
        tail = f" ({within})" if within else ""
        print(f"| {setting} / {reference}{tail} | {of[keys[0]].n} | {' | '.join(cells)} |")


def _cell(d: PairedDifference) -> str:
    verdict = "" if d.verdict == "undecided" else f" **{d.verdict}**"
    if d.measure == UPDATES:
        mid, low, high = (f"{np.exp(v):.2f}" for v in (d.difference, d.low, d.high))
        return f"× {mid} ({low} to {high}; p {p_text(d.p_holm)}){verdict}"
    mid, low, high = (f"{v:+.3f}" for v in (d.difference, d.low, d.high))
    return f"{mid} ({low} to {high}; p {p_text(d.p_holm)}){verdict}"


def orders(folder: Path, reference: str) -> None:
    """Print recency, anticipation and periodicity, by themselves and against a reference order."""
    measures: dict[str, Callable[[dict[str, Any]], float | None]] = {
        "recency, nats": lambda s: s["recency"]["difference"],
        "anticipation": lambda s: s["anticipation"]["difference"],
    }
    of_all: dict[str, dict[str, dict[int, float | None]]] = {
        name: {
            setting: {
                r.seed: of(found[-1])
                for r in runs
                if (found := probed(folder, r, "order", "summary"))
            }
            for setting, runs in settings(folder)
        }
        for name, of in measures.items()
    }
    of_all["periodicity"] = {
        setting: {r.seed: period(folder, r) for r in runs} for setting, runs in settings(folder)
    }
    for name, each in of_all.items():
        own: list[Row] = [(setting, known(values.values())) for setting, values in each.items()]
        rows: list[Row] = [] if name == "periodicity" else own
        usual = each[reference]
        for setting, values in each.items():
            if setting != reference:
                apart = [
                    v - usual[s]
                    for s, v in values.items()
                    if v is not None and usual.get(s) is not None
                ]
                rows.append((f"{setting} less {reference}", apart))
        descriptive = own if name == "periodicity" else []
        table(f"{folder.name}: {name}", name, rows, "+.3f", descriptive)


def period(folder: Path, record: RunRecord) -> float | None:
    """Return the correlation of losses with those at the same place of the next epoch."""
    text = (folder / "runs" / record.id / "metrics.jsonl").read_text(encoding="utf-8")
    losses = [line for line in map(json.loads, text.splitlines()) if "loss" in line]
    epochs = [[x["loss"] for x in g] for _, g in itertools.groupby(losses, lambda x: x["epoch"])]
    found: float | None = periodicity(epochs, np.random.default_rng(0))["correlation"]
    return found


def weights(folder: Path, record: RunRecord) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the weights at the end of training, not the best, as one vector."""
    tensors, meta = load_checkpoint(folder / "runs" / record.id / "checkpoint.safetensors")
    state = join_tensors(meta["network"], tensors)
    return np.concatenate([state[k].double().flatten().numpy() for k in sorted(state)])


def repeats(folder: Path) -> None:
    """Print how alike the second and the third epoch move the weights: the same order, or a new one."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for r in records(folder):
        found.setdefault((r.setting["sampler"], r.seed), {})[r.setting["epochs"]] = r
    alike: dict[str, dict[int, float]] = {}
    for (sampler, seed), of in found.items():
        if set(of) >= {"1", "2", "3"}:
            v = [weights(folder, of[k]) for k in ("1", "2", "3")]
            a, b = v[1] - v[0], v[2] - v[1]
            cosine = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            alike.setdefault(sampler, {})[seed] = cosine
    descriptive: list[Row] = [(sampler, list(of.values())) for sampler, of in alike.items()]
    once, anew = alike["shuffle_once"], alike["reshuffle"]
    apart = [once[s] - anew[s] for s in once if s in anew]
    title = f"{folder.name}: cosine of what epochs 2 and 3 did to the weights"
    table(title, "cosine", [("shuffle_once less reshuffle", apart)], "+.3f", descriptive)


def spread(folder: Path) -> None:
    """Print what weights and orders each do to the result: crossed, one run a cell."""
    comparison = read_comparison(folder)
    main = comparison.main_score
    print(f"\n{folder.name}: spread over initial weights and over orders\n")
    print("| order, measure | weights x orders | SD between weights | F, p | SD between orders | F, p | "
          "SD of the rest |\n|---|---|---|---|---|---|---|")  # fmt: skip
    groups: dict[str, list[RunRecord]] = {}
    for r in records(folder):
        groups.setdefault(r.setting.get("sampler", "reshuffle"), []).append(r)
    for sampler, runs in groups.items():
        values: dict[str, Callable[[RunRecord], float]] = {
            main: lambda r: r.scores["reset"][main],
            "best validation loss": lambda r: min(loss for _, loss in r.validation),
        }
        for name, of in values.items():
            cells = {(r.seed, r.setting["order_seed"]): of(r) for r in runs}
            print(f"| {sampler}, {name} | {_two_ways(cells)} |")
        _distances(folder, sampler, runs)


def _two_ways(cells: dict[tuple[int, str], float]) -> str:
    """Analysis of variance of a table with one value a cell: rows, columns, what is left."""
    rows, columns = (sorted({key[k] for key in cells}, key=str) for k in (0, 1))
    rows = [r for r in rows if all((r, c) in cells for c in columns)]
    # rows are seeds and columns words, which one name for both hides
    y = np.array([[cells[r, c] for c in columns] for r in rows])  # type: ignore[index]
    n, m = y.shape
    by_row, by_column = y.mean(1, keepdims=True), y.mean(0, keepdims=True)
    rest = y - by_row - by_column + y.mean()
    error = float((rest**2).sum() / ((n - 1) * (m - 1)))
    words = [f"{n} x {m}"]
    for means, k, other in ((by_row, n, m), (by_column, m, n)):
        square = other * float(means.var(ddof=1))
        ratio = square / error
        p = float(f_distribution.sf(ratio, k - 1, (n - 1) * (m - 1)))
        words += [f"{max(0.0, (square - error) / other) ** 0.5:.4f}", f"{ratio:.1f}, {p_text(p)}"]
    return " | ".join([*words, f"{error**0.5:.4f}"])


def _distances(folder: Path, sampler: str, runs: Sequence[RunRecord]) -> None:
    v = {(r.seed, r.setting["order_seed"]): weights(folder, r) for r in runs}
    kinds = ("the same weights, other orders", "other weights, the same order")
    apart: dict[str, list[float]] = {kind: [] for kind in kinds}
    for a, b in itertools.combinations(v, 2):
        if (a[0] == b[0]) != (a[1] == b[1]):
            kind = list(apart)[int(a[1] == b[1])]
            apart[kind].append(float(np.linalg.norm(v[a] - v[b])))
    for kind, values in apart.items():
        if values:
            ends = f"{np.min(values):.3f} to {np.max(values):.3f}"
            print(
                f"| {sampler}: distance of final weights, {kind} | {len(values)} pairs | "
                f"{np.mean(values):.3f} ({ends}) | | | | |"
            )


def stuck(folder: Path) -> None:
    """Print gradient and curvature as last measured, and one setting against the other."""
    names = ("gradient_ratio", "smallest", "largest", "loss")
    found: dict[str, dict[str, dict[int, float]]] = {n: {} for n in names}
    for setting, runs in settings(folder):
        last = {r.seed: probed(folder, r, "stuck", "values")[-1] for r in runs}
        share = [last[r.seed]["update"] / r.updates for r in runs]
        below = sum(v["smallest"] < -v["residual"] for v in last.values() if "smallest" in v)
        print(
            f"\n{folder.name}, {setting}: last measured after {np.mean(share):.0%} of the updates; smallest "
            f"eigenvalue below 0 by more than its residual in {below} of {len(last)} runs"
        )
        for name in names:
            found[name][setting] = {s: v[name] for s, v in last.items() if v.get(name) is not None}
    for name in names:
        descriptive: list[Row] = [
            (setting, list(of.values())) for setting, of in found[name].items()
        ]
        (first, a), *others = found[name].items()
        rows: list[Row] = [
            (f"{setting} less {first}", [b[s] - a[s] for s in b if s in a]) for setting, b in others
        ]
        table(f"{folder.name}: {name}", name, rows, "+.3f", descriptive)


def slopes(folder: Path) -> None:
    """Print the slopes of the tanhs early and late, and how they go with the result."""
    main = read_comparison(folder).main_score
    first: dict[str, dict[str, dict[int, float]]] = {}
    for setting, runs in settings(folder):
        for r in runs:
            looks = probed(folder, r, "cell_state", "values")
            for when, look in (("first", looks[0]), ("last", looks[-1])):
                for name, slope in look["slope"].items():
                    key = f"{when} look, {name}"
                    first.setdefault(key, {}).setdefault(setting, {})[r.seed] = slope
            flow = probed(folder, r, "gradient_flow", "summary")[-1]["factor"]["0"]
            key = "factor of the error flow a step"
            first.setdefault(key, {}).setdefault(setting, {})[r.seed] = flow
            first.setdefault(main, {}).setdefault(setting, {})[r.seed] = r.scores["reset"][main]
    rows: list[Row] = []
    descriptive: list[Row] = []
    for name, of in first.items():
        for setting, values in of.items():
            descriptive.append((f"{name}, gamma {setting}", list(values.values())))
        (a, x), (b, y) = list(of.items())[:2]
        rows.append((f"{name}, gamma {b} less {a}", [y[s] - x[s] for s in y if s in x]))
    table(f"{folder.name}: slope of tanh", "slope, factor or score", rows, "+.3f", descriptive)
    for setting in next(iter(first.values())):
        of = first["first look, 0.tanh 1"][setting]
        score = first[main][setting]
        rho, n = rank_correlation(list(of.values()), [score[s] for s in of])
        print(f"\nwithin gamma {setting}: Spearman's correlation of first slope and {main} over {n} seeds: "
              f"{'-' if rho is None else format(rho, '+.2f')}")  # fmt: skip


def flow(folder: Path, lags: Sequence[int] = (1, 5, 10, 20, 30)) -> None:
    """Print error against lag: geometric means over seeds."""
    print(f"\n{folder.name}: error flow\n\n| cell, part of the state | runs | lag "
          + " | ".join(map(str, lags)) + " |\n|---|---|" + "---|" * len(lags))  # fmt: skip
    for setting, runs in settings(folder):
        summaries = [s for r in runs for s in probed(folder, r, "gradient_flow", "summary")]
        measured = [s["flow"] for s in summaries if s["measurements"]]
        for part in [name for name in measured[0] if "." in name]:
            rows = [f[part] for f in measured if f[part] is not None]
            cells = []
            for q in lags:
                at = [row[q] for row in rows if len(row) > q and row[q]]
                cells.append(f"{np.exp(np.mean(np.log(at))):.3g}" if at else "-")
            print(f"| {setting}, {part.partition('.')[2]} | {len(rows)} | {' | '.join(cells)} |")


STUDY: dict[str, Sequence[Callable[[Path], None]]] = {
    "staleness-sleep": (staleness, neighbours),
    "staleness-recall": (staleness, neighbours),
    "norms-digits": (lambda f: between(f, "normalizer", "batch", "batch_shared"),),
    "norms-mnist": (lines,),
    "gamma-slopes": (lines, slopes),
    "order-digits": (lambda f: orders(f, "reshuffle"),),
    "turns-digits": (lines, lambda f: orders(f, "reshuffle")),
    "repeat-digits": (repeats,),
    "spread-digits": (spread,),
    "stuck-digits": (lines, stuck),
    "stuck-sleep": (stuck,),
    "stuck-recall": (stuck,),
    "flow-sleep": (flow,),
}


def main(out: Path, *only: str) -> None:
    """Print every table whose comparison is there."""
    for name, makers in STUDY.items():
        if (out / name / "comparison.json").exists() and (not only or name in only):
            for make in makers:
                make(out / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
