"""The command: measures what was asked for and prints a line for each number, with its goal."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from memcell.errors import MemcellError, UsageError, unknown

#: What can be measured.
KINDS = {
    "prepare": "reading and filtering against MNE's and scipy's, and its memory",
    "features": "features of clean signal",
    "predict": "a whole prediction, by stage",
    "files": "memory against the number of recordings, and what each of many short ones takes",
    "workers": "two worker processes against one",
    "live": "one step of a stream",
    "alarm": "from a sample to an alarm's LSL marker at a receiver",
}


@click.command("microsleep")
@click.option(
    "--hours",
    default=8.0,
    show_default=True,
    type=click.FloatRange(0.005, 1000),
    help="Length of the recording that is measured, of 4 channels at 200 Hz, made on the spot.",
)
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Each work is done so often, in turn with what it is compared with; the smallest counts.",
)
@click.option(
    "--what",
    default=",".join(KINDS),
    show_default=True,
    metavar="NAME,…",
    help="; ".join(f"{name}: {text}" for name, text in KINDS.items()) + ".",
)
@click.option(
    "--files", default=50, show_default=True, type=click.IntRange(10), help="Recordings of 'files'."
)
@click.option("--json", "json_file", metavar="FILE", help="Also write all numbers there.")
def command(hours: float, rounds: int, what: str, files: int, json_file: str | None) -> None:
    """Measure the way from a recording to events: CPU time and memory of every stage.

    All times are CPU seconds of one process with one thread, so that what else the machine does counts as
    little as it can; imports and first uses are left out and printed apart. The network is a 2-layer
    LSTM of 64 that was never trained: its speed is that of a trained one.
    """
    wanted = [w.strip() for w in what.split(",") if w.strip()]
    for name in wanted:
        if name not in KINDS:
            raise UsageError(unknown("part of the benchmark", name, KINDS))
    found: dict[str, Any] = {"hours": hours, "rounds": rounds, **_machine()}
    click.echo(
        f"{found['cpu']}, {found['cores']} cores, load {found['load']:.1f}; one thread a process, CPU time "
        f"of the process, the smallest of {rounds} in turn; {hours:g} h of 4 channels at 200 Hz; weights "
        "untrained"
    )
    from memcell_benchmarks.microsleep import parts

    with tempfile.TemporaryDirectory(prefix="memcell-bench-") as folder:
        given = parts.Given(folder=Path(folder), hours=hours, rounds=rounds, files=files)
        for name in wanted:
            part: Callable[[parts.Given], tuple[dict[str, Any], list[str]]] = getattr(parts, name)
            try:
                found[name], lines = part(given)
            except RuntimeError as error:
                raise MemcellError(f"{name}: {error}") from None
            for line in lines:
                click.echo(line)
    if json_file:
        Path(json_file).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _machine() -> dict[str, Any]:
    from memcell_benchmarks.machine import _cpu_name

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {"cpu": _cpu_name(), "cores": os.cpu_count(), "load": load}
