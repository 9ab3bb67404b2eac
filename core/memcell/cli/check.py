"""``memcell data check PATHS…``: what each file is, what is wrong with it, and whether it can be used."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import IO

import click

from memcell.applications.checking import (
    CheckedChannel,
    Checker,
    Comparing,
    FileReport,
    worst_first,
)
from memcell.applications.datasets import find_checker
from memcell.cli.check_jobs import CheckTask, in_order
from memcell.cli.completion import PLACE
from memcell.cli.own_output import own_output
from memcell.cli.terminal import echo
from memcell.errors import UsageError
from memcell.escape import line, table
from memcell.files.atomic import write_atomic
from memcell.plugins import default_registry
from memcell.progress import progress

#: Columns of ``--out``; ``n/a`` where nothing is known (BIDS).
COLUMNS = (
    "path",
    "status",
    "format",
    "seconds",
    "n_channels",
    "channels",
    "n_gaps",
    "gap_seconds",
    "annotations",
    "reason",
    "findings",
)
MOST_DESCRIPTIONS = 12
#: Width of the list of channels, columns.
_COLUMNS = 80
_UNITS = ("uV", "mV", "V", "nV")


@click.command()
@click.argument("paths", metavar="PATHS…", type=PLACE, nargs=-1, required=True)
@click.option(
    "--channels",
    default="",
    metavar="NAMES",
    help="Names or type words (eeg, eog, …) with commas: a file in which one of them cannot be used is "
    "refused. Without it a file is refused where none can.",
)
@click.option(
    "--unit",
    type=click.Choice([*_UNITS, *(f"all:{unit}" for unit in _UNITS)]),
    help="Unit of EDF channels whose own is blank or unknown (a BIDS channels.tsv is read by itself); all:mV "
    "is the unit of all channels, whatever the file says.",
)
@click.option(
    "--labels",
    metavar="PATH",
    type=PLACE,
    help="A label file, or a folder of label files named like the recordings; without it those beside each "
    "recording, then the annotations inside it.",
)
@click.option(
    "--read/--headers-only",
    "samples",
    default=True,
    help="Look at the samples too (flat, clipped, missing, amplitude), or only at headers and labels.",
)
@click.option(
    "--jobs",
    type=int,
    default=0,
    metavar="N",
    help="Look on N processes of this machine (Dask); one after the other when left out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file.")
@click.option("--out", metavar="FILE", type=PLACE, help="Write a tab-separated table as well.")
def check(
    paths: tuple[str, ...],
    channels: str,
    unit: str | None,
    labels: str | None,
    samples: bool,
    jobs: int,
    as_json: bool,
    out: str | None,
) -> int:
    """Say of recordings what they are, what is wrong with them, and whether they can be used.

    PATHS are files, folders (searched with their subfolders), globs and BIDS data sets. A broken file is
    reported and the others go on. Names and birth dates in headers are never shown.

    The exit code is 0 when all files can be used, 1 when some are refused, and 2 for a path that does not
    exist or holds no recording.
    """
    if jobs < 0:
        raise UsageError(f"--jobs got {jobs}; 1 or more expected")
    names = tuple(word.strip() for word in channels.split(",") if word.strip())
    typed = {name: word for name, word in (("unit", unit), ("labels", labels)) if word}
    # As JSON the output is for a program, and no library may print into it.
    with own_output() if as_json else nullcontext(sys.stdout) as output:
        counted, rows, together = _checked(paths, samples, names, typed, jobs, as_json, output)
    if out:
        write_atomic(Path(out), table(rows))
    for text in together:
        echo(text, err=as_json)
    n = counted.total()
    total = f"{n} file{'s' if n != 1 else ''}"
    listed = ", ".join(f"{k} {status}" for status, k in sorted(counted.items(), reverse=True))
    echo(f"{total}: {listed}", err=as_json)
    return int(counted["refused"] > 0)


def _checked(
    paths: tuple[str, ...],
    samples: bool,
    names: tuple[str, ...],
    given: dict[str, str],
    jobs: int,
    as_json: bool,
    output: IO[str],
) -> tuple[Counter[str], list[Sequence[str]], list[str]]:
    """Write the report of each file.

    Returns:
        How many there are of each status, the rows of ``--out``, and what the files show together.
    """
    registry = default_registry()
    todo: dict[Path, Checker] = {}
    tasks: list[CheckTask] = []
    for typed in paths:
        checker = find_checker(registry, typed)
        for path in checker.files(typed):
            if path not in todo:
                todo[path] = checker
                tasks.append(
                    CheckTask(
                        path=path,
                        typed=typed,
                        samples=samples,
                        channels=names,
                        given=tuple(given.items()),
                    )
                )
    counted: Counter[str] = Counter()
    reports: dict[int, list[FileReport]] = {}
    rows: list[Sequence[str]] = [COLUMNS]
    with progress("checking", len(todo)) as bar:

        def take(report: FileReport) -> None:
            counted[report.status] += 1
            reports.setdefault(id(todo[report.path]), []).append(report)
            rows.append(_row(report))
            texts = [json.dumps(report.facts())] if as_json else map(line, _block(report))
            click.echo("\n".join(texts), file=output)
            bar.advance(1, report.path.name)

        in_order(tasks, todo, jobs, take)
    checkers = {id(c): c for c in todo.values()}
    together = [line for k, own in reports.items() for line in _together(checkers[k], own)]
    return counted, rows, together


def _together(checker: Checker, reports: Sequence[FileReport]) -> list[str]:
    """Return what several files together show, in lines."""
    if len(reports) < 2 or not isinstance(checker, Comparing):
        return []
    try:
        found = worst_first(checker.compare(reports))
    except Exception as error:
        # as for one file: what was said of each stands
        return [f"held against each other: the checker itself failed with {type(error).__name__}"]
    typed = [f for f in found if f.severity != "nothing"]
    if not typed:
        return ["held against each other: nothing found"] if found else []
    return ["held against each other:", *(f"    - {f.severity}: {f}" for f in typed)]


def _block(report: FileReport) -> list[str]:
    """Return a report as a person reads it."""
    head = [str(report.path), report.format, _length(report.seconds), report.status]
    lines = ["  ".join(part for part in head if part)]
    if report.refused:
        lines.append(f"    refused: {report.refused}")
    if report.channels:
        lines += fill(
            f"channels: {'; '.join(_channels(report.channels))}",
            width=_COLUMNS,
            initial_indent=" " * 4,
            subsequent_indent=" " * 8,
            break_long_words=False,
            break_on_hyphens=False,
        ).splitlines()
    if report.annotations:
        lines.append(f"    labels: {_counted(report)}")
    lines += [f"    - {finding}" for finding in report.findings if finding != report.refused]
    return lines


def _channels(channels: tuple[CheckedChannel, ...]) -> list[str]:
    """Return channels that follow each other and are alike as one part each."""
    parts = []
    for (kind, unit, rate), same in groupby(channels, key=lambda c: (c.kind, c.unit, c.rate)):
        names = ", ".join(c.name for c in same)
        parts.append(f"{names} ({kind}, {unit or 'unit not told'}, {rate:g} Hz)")
    return parts


def _counted(report: FileReport) -> str:
    ordered = sorted(report.annotations.items(), key=lambda item: (-item[1], item[0]))
    listed = [f"{n} x '{description}'" for description, n in ordered[:MOST_DESCRIPTIONS]]
    more = len(ordered) - len(listed)
    return ", ".join([*listed, *([f"and {more} more descriptions"] if more > 0 else [])])


def _length(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}"


def _row(report: FileReport) -> list[str]:
    known = sum(length for _, length in report.gaps)
    cells = [
        str(report.path),
        report.status,
        report.format,
        "" if report.seconds is None else f"{report.seconds:g}",
        str(len(report.channels)),
        "; ".join(_channels(report.channels)),
        str(len(report.gaps)),
        f"{known:g}",
        "; ".join(f"{d}: {n}" for d, n in sorted(report.annotations.items())),
        report.refused,
        " | ".join(report.findings),
    ]
    return [" ".join(cell.split()) or "n/a" for cell in cells]
