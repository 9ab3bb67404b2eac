"""``memcell labels convert|compare``: label files in other formats, and how well two people agree."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from memcell.applications.labels import (
    Agreement,
    AgreementRow,
    LabelOptions,
    LabelsWritten,
    find_label_tool,
)
from memcell.cli.completion import PLACE, Word
from memcell.cli.own_output import own_output
from memcell.cli.terminal import echo
from memcell.escape import line, table
from memcell.files.atomic import write_atomic
from memcell.plugins import default_registry

#: Columns of a table on the screen.
WIDTH = 80
_NAME, _CLASS = 24, 12
_MOST_NOTES = 8


def reading_options(command: Any) -> Any:
    """Add the options of reading label files to a command."""
    options = (
        click.option(
            "--recordings",
            metavar="PATH",
            type=PLACE,
            help="The recording, or the folder of the recordings, that the labels are of; without it they "
            "are looked for beside the labels.",
        ),
        click.option(
            "--epoch",
            type=click.FloatRange(min=0),
            default=0.0,
            metavar="SECONDS",
            help="How long a line of a hypnogram is; 0 takes what the file says, else 30 where that fits.",
        ),
        click.option(
            "--hypnogram",
            type=click.Choice(["auto", "yasa", "rk", "dreams"]),
            default="auto",
            help="What the numbers of a hypnogram mean, where 4 may be REM (yasa) or stage 4 (rk).",
        ),
        click.option("--overwrite", is_flag=True, help="Replace files that are there."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def labels() -> None:
    """Convert label files, and compare those of two people.

    Read are EDF+ annotations, BIDS events.tsv, csv and text of MNE and EDFbrowser, XML of EDFbrowser, of
    Compumedics Profusion and of NSRR, and hypnograms as text; each is told by its content.
    """


def _formats() -> Iterable[str]:
    return find_label_tool(default_registry()).formats


@labels.command()
@click.argument("inputs", metavar="IN…", type=PLACE, nargs=-1, required=True)
@click.option(
    "--to",
    required=True,
    metavar="FORMAT",
    type=Word(_formats),
    help="events (BIDS events.tsv), edf (EDF+ with annotations alone), mne-csv, mne-txt, edfbrowser-csv, "
    "edfbrowser-xml, yasa (hypnogram text, a stage a line).",
)
@click.option(
    "--out",
    metavar="PLACE",
    type=PLACE,
    help="A file, or a folder; beside each input without it.",
)
@reading_options
def convert(inputs: tuple[str, ...], to: str, out: str | None, **values: Any) -> int:
    """Write the labels of files, folders or recordings in another format.

    The exit code is 0 when all were written, and 1 when some were not.
    """
    tool = find_label_tool(default_registry())
    return show(tool.convert(inputs, to, out or "", options_of(values)))


@labels.command()
@click.argument("a", type=PLACE)
@click.argument("b", type=PLACE)
@click.option(
    "--step",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Length of a step; 0 takes the longest on whose grid all labels lie (30 s to 0.1 s).",
)
@click.option(
    "--background",
    default="",
    metavar="CLASS",
    help="The class of time that nobody labelled, such as wake; a class of its own ('none') without it. In a "
    "hypnogram such time was not scored, and is left out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each row.")
@click.option(
    "--out", metavar="FILE", type=PLACE, help="Write all rows as a table (or .json) as well."
)
@reading_options
def compare(
    a: str, b: str, step: float, background: str, as_json: bool, out: str | None, **values: Any
) -> int:
    """Say how well two people agree: kappa by step, F1 and kappa by event, for each class and recording.

    A and B are label files, or folders of them that are matched by the recording's name. A step has the
    class that covers most of it. Events match one to one where they overlap. The kappa of events is over the
    stretches that either marks and the pauses between them.

    The exit code is 1 when labels of two people cannot be read; files without a partner are named.
    """
    with own_output() if as_json else nullcontext(sys.stdout) as output:
        tool = find_label_tool(default_registry())
        found = tool.compare(a, b, options_of(values), step, background)
        if as_json:
            for row in found.rows:
                click.echo(json.dumps(row.facts()), file=output)
    for note in found.notes[:_MOST_NOTES]:
        echo(f"note: {note}", err=True)
    if len(found.notes) > _MOST_NOTES:
        echo(f"note: {len(found.notes) - _MOST_NOTES} more like these", err=True)
    for text in (*found.alone, *found.failed):
        echo(f"not compared: {text}", err=True)
    if out:
        _write(Path(out), found.rows)
    if not as_json:
        for text in _shown(found, a, b):
            echo(text)
    return int(bool(found.failed))


def options_of(values: dict[str, Any]) -> LabelOptions:
    """Return how label files are read, of what was typed."""
    return LabelOptions(
        recordings=values["recordings"] or "",
        epoch=values["epoch"],
        hypnogram=values["hypnogram"],
        overwrite=values["overwrite"],
    )


def show(written: Iterable[LabelsWritten]) -> int:
    """Print what was written, file by file; return the exit code."""
    done = failed = 0
    last: tuple[str, ...] = ()
    told: set[str] = set()
    for each in written:
        for note in each.notes:
            if note not in told:
                echo(f"note: {note}", err=True)
        told.update(each.notes)
        if each.refused:
            failed += 1
            echo(f"not written: {each.refused}", err=True)
        elif each.path is None:
            echo(f"{each.name}: {each.summary}")
        else:
            done += 1
            n = f"{each.labels} label{'s' if each.labels != 1 else ''}"
            echo(f"{each.name}: {n}{', ' if each.summary else ''}{each.summary} -> {each.path}")
        last = each.next or last
    if done + failed > 1:
        echo(f"{done} written" + (f", {failed} not" if failed else ""))
    for text in last:
        echo(text)
    return int(failed > 0)


def _shown(found: Agreement, a: str, b: str) -> list[str]:
    """Return the table of a comparison, 80 columns wide; of many recordings only those of all classes."""
    names = list(dict.fromkeys(row.recording for row in found.rows))
    many = len(names) > 1
    rows = [row for row in found.rows if not many or not row.recording or not row.label]
    names_of = f"{'agree':>6} {'kappa':>6} {'F1':>5} {'kappa':>6} {'A':>4} {'B':>4}"
    head = f"{'recording':<{_NAME}} {'class':<{_CLASS}} {names_of}"
    over = f"{'':<{_NAME + _CLASS + 1}} {'steps':>13} {'events':>23}"
    lines = [f"A: {line(a)}", f"B: {line(b)}", f"steps of {found.step:g} s", "", over, head]
    for row in rows:
        name = _cut(row.recording or "all", _NAME)
        label = _cut(row.label or "all classes", _CLASS)
        of_a, of_b, _ = row.events
        lines.append(
            f"{name:<{_NAME}} {label:<{_CLASS}} {_digits(row.agreement, 6)} {_digits(row.kappa, 6)} "
            f"{_digits(row.event_f1, 5)} {_digits(row.event_kappa, 6)} {of_a:>4} {of_b:>4}"
        )
    return lines


def _cut(text: str, width: int) -> str:
    text = line(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _digits(value: float, width: int) -> str:
    if math.isnan(value):
        return f"{'-':>{width}}"
    text = f"{value:.3f}"
    return f"{text.replace('0.', '.', 1) if abs(value) < 1 else text:>{width}}"


def _write(path: Path, rows: Sequence[AgreementRow]) -> None:
    facts = [row.facts() for row in rows]
    if path.suffix.lower() == ".json":
        write_atomic(path, json.dumps(facts, indent=2) + "\n")
        return
    names = list(facts[0])
    cells = [["n/a" if f[n] is None else _cell(f[n]) for n in names] for f in facts]
    write_atomic(path, table([names, *cells]))


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
