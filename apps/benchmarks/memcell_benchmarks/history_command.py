"""``memcell bench history``: how the ratios of ``memcell bench cells`` went from release to release."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from memcell.errors import UsageError
from memcell.escape import Lines, line
from memcell.files.atomic import write_atomic
from memcell_benchmarks.history import KINDS, HistoryEntry, means, read, runs

PICTURES = (".png", ".svg", ".pdf")


@click.command("history")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", metavar="PICTURE", help=f"Also plot it there ({', '.join(PICTURES)}).")
def command(file: Path, out: str | None) -> None:
    """Show the history of speed in FILE, a column for each run.

    'memcell bench cells --append FILE' adds a run. A number is the geometric mean over sizes of time /
    torch.nn.LSTM's; below 1 is faster. Only runs with the same processor, threads and type are compared.
    """
    picture = None if out is None else Path(out)
    if picture is not None and picture.suffix not in PICTURES:
        raise UsageError(f"--out got '{out}'; a name that ends in {', '.join(PICTURES)} expected")
    groups = list(grouped(read(file)))
    for title, history in groups:
        click.echo(Lines(f"{line(title)}\n{as_text(history)}\n"))
    if picture is not None:
        write_atomic(picture, plotted(groups, picture.suffix[1:]))
        click.echo(f"picture: {picture}")


def grouped(history: Sequence[HistoryEntry]) -> Iterator[tuple[str, list[HistoryEntry]]]:
    """Yield what may be compared: a title, and the measurements of one setting and one kind."""
    for setting in dict.fromkeys(m.setting for m in history):
        cpu, isa, threads, dtype, device = setting
        for kind in KINDS:
            chosen = [m for m in history if m.setting == setting and m.kind == kind]
            if chosen:
                where = f"{threads} thread{'s' * (threads != '1')}" if device == "cpu" else device
                yield f"{kind}: {cpu}, {isa}, {where}, {dtype}", chosen


def as_text(history: Sequence[HistoryEntry]) -> str:
    """Return a table with a row for each contender."""
    rows = [["", *(version for version, _, _ in runs(history))]]
    rows += [["commit", *(commit or "-" for _, commit, _ in runs(history))]]
    rows += [["date", *(date[:10] for _, _, date in runs(history))]]
    rows += [
        [name, *("-" if math.isnan(v) else f"{v:.2f}" for v in values)]
        for name, values in means(history).items()
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            line(text).rjust(width) if i else line(text).ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def plotted(groups: Sequence[tuple[str, list[HistoryEntry]]], form: str) -> bytes:
    """Return a picture with a panel for each group: runs from left to right, a line for each contender."""
    from matplotlib import rc_context

    from memcell.reports.matplotlib_style import MARKERS, finish, look, new_figure

    # the same input gives the same bytes
    with rc_context({"svg.hashsalt": "memcell", "svg.fonttype": "none"}):
        figure, axes = new_figure(len(groups), height=4.0)
        for ax, (title, history) in zip(axes, groups, strict=True):
            labels = [f"{version}\n{commit}" for version, commit, _ in runs(history)]
            at = range(len(labels))
            for i, (name, values) in enumerate(means(history).items()):
                marker = MARKERS[(i + i // len(MARKERS)) % len(MARKERS)]
                ax.plot(at, values, label=line(name), marker=marker, **look(i))
            ax.axhline(1, color="#77777F", linewidth=1)
            ax.set_yscale("log", base=2)
            ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            ax.set_xticks(at, labels)
            ax.margins(x=0.1)
            finish(ax, line(title), "", "time / torch.nn.LSTM's")
            ax.legend(
                fontsize=9, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.2)
            )
        data = io.BytesIO()
        undated = (
            {"Date": None} if form == "svg" else {"CreationDate": None} if form == "pdf" else {}
        )
        figure.savefig(data, format=form, metadata=undated)
    return data.getvalue()
