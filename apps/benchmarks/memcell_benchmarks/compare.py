"""``memcell bench compare``: the same comparison serially and on worker processes, and what it cost.

Both are run as a person would, in processes of their own, so that starting, importing and preparing the
data are counted. Imports no torch.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from memcell.errors import MemcellError

#: What is compared: small networks, trained long enough for a run to be a second or more.
SETTINGS = [
    *["--policy", "carry,reset", "--data.subjects", "6", "--data.minutes", "10"],
    *["--batch-size", "4", "--patience", "0", "--device", "cpu", "--no-report"],
    *["--no-reshuffled"],
]


#: Of Linux, <sys/prctl.h>.
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a comparison took.

    Args:
        runs: Runs done.
        seconds: Wall clock.
        cpu: CPU time of all processes, seconds.
        training: CPU time of the training loops alone, seconds.
        beside: CPU time of runs beside it: a network made, scored and written, seconds.
        processes: CPU time of the processes that ran runs, until their last one ended, seconds.
        repeated: Updates that were done more than once, of all runs.
        records: Run to its record without the time it took.
    """

    runs: int
    seconds: float
    cpu: float
    training: float
    beside: float
    processes: float
    repeated: int
    records: dict[str, Any]


@click.command("compare")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Workers.")
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(1), help="A setting.")
@click.option(
    "--epochs", default=60, show_default=True, type=click.IntRange(1), help="Of each run."
)
@click.option(
    "--draw-data",
    default="once",
    show_default=True,
    type=click.Choice(["once", "per-seed"]),
    help="Of the comparisons: data prepared once, or anew for each seed.",
)
@click.option("--json", "json_file", metavar="FILE", help="Also write the numbers there.")
def command(jobs: int, seeds: int, epochs: int, draw_data: str, json_file: str | None) -> int:
    """Time a small comparison serially and on --jobs worker processes.

    Prints runs a minute, the share of all CPU time that the training loops had, what runs took beside
    them and what all else did (starting, data, baselines, workers), the speedup, how many updates were done
    twice, and whether both gave the same records; the exit code is 1 where not.
    """
    args = [*SETTINGS, "--seeds", str(seeds), "--epochs", str(epochs), "--min-updates", "200"]
    args += ["--draw-data", draw_data]
    with tempfile.TemporaryDirectory() as folder:
        serial = _cost([*args, "--out", f"{folder}/serial"], Path(folder) / "serial")
        _say("serial", serial)
        workers = _cost(
            [*args, "--jobs", str(jobs), "--out", f"{folder}/jobs"], Path(folder) / "jobs"
        )
        _say(f"{jobs} workers", workers)
    same = serial.records == workers.records
    click.echo(f"speedup: {serial.seconds / workers.seconds:.2f} with {jobs} workers")
    click.echo(f"same records: {'yes' if same else 'NO'}")
    if json_file:
        numbers = {
            name: {k: v for k, v in vars(cost).items() if k != "records"}
            for name, cost in (("serial", serial), ("workers", workers))
        }
        Path(json_file).write_text(json.dumps({"jobs": jobs, **numbers}, indent=2) + "\n")
    return int(not same or bool(serial.repeated or workers.repeated))


def _say(name: str, cost: Cost) -> None:
    click.echo(
        f"{name}: {cost.runs} runs in {cost.seconds:.1f} s, {60 * cost.runs / cost.seconds:.1f} a minute; "
        f"{cost.cpu:.1f} CPU s, {100 * cost.training / cost.cpu:.1f} % of them in training, "
        f"{100 * cost.training / cost.processes:.1f} % of those of the processes that ran runs, "
        f"{cost.beside:.1f} s beside it in runs, {cost.cpu - cost.training - cost.beside:.1f} s in all else; "
        f"{cost.repeated} updates done twice"
    )


def _cost(args: Sequence[str], out: Path) -> Cost:
    _adopt()
    before, began = _cpu(), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "memcell", "compare", "microsleep", *args],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - began
    _wait_for_all()
    cpu = _cpu() - before
    if done.returncode:
        raise MemcellError(f"the comparison failed: {done.stderr.strip() or done.stdout.strip()}")
    records: dict[str, Any] = {}
    training, beside, repeated = 0.0, 0.0, 0
    processes: dict[int, float] = {}
    for path in sorted(out.glob("runs/*/record.json")):
        record = json.loads(path.read_text())
        begun = json.loads((path.parent / "work.json").read_text())
        training += sum(b["training"] for b in begun)
        for process in (b["process"] for b in begun):
            processes[process["id"]] = max(process["seconds"], processes.get(process["id"], 0.0))
        beside += sum(b["all"] - b["training"] for b in begun)
        counted = sum(
            b["to_update"] - b["from_update"] for b in begun if b["from_update"] is not None
        )
        repeated += counted - record["updates"]
        records[path.parent.name] = {k: v for k, v in record.items() if k != "cpu_seconds"}
    return Cost(
        runs=len(records), seconds=seconds, cpu=cpu, training=training, beside=beside,
        processes=sum(processes.values()),
        repeated=repeated, records=records,
    )  # fmt: skip


def _adopt() -> None:
    """Become the parent of processes whose own parent ended before them, so that their time is counted too.

    Workers are forked from a process that may outlive the command by a moment. Linux alone has this.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wait_for_all() -> None:
    """Wait for every process that was begun here, or adopted: only then is its time in `_cpu`."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def _cpu() -> float:
    """Return CPU seconds of all child processes that have ended, with their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
