"""The history of speed: a table to which each release adds its ratios to torch.nn.LSTM.

One line a measurement, tab-separated, in the order in which runs were added. Ratios and not seconds are kept,
since torch's own LSTM is timed in the same rounds and takes out most of what a machine does to both. Even so
only runs on one kind of processor with the same settings are compared. Imports neither torch nor matplotlib.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import memcell
from memcell.errors import MemcellError
from memcell.escape import table
from memcell.files.atomic import write_atomic

#: What is measured against torch.nn.LSTM, as in the JSON of ``memcell bench cells``.
KINDS = ("train", "infer", "step")


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """A ratio of one contender at one size, with the run that measured it.

    Args:
        version: Of memcell.
        commit: Of the checkout, ``-dirty`` where files were changed; empty for an installed package.
        date: When it was added, UTC.
        cpu: Name of the processor.
        isa: Instruction set of torch's kernels.
        torch: Its version.
        threads: Of torch.
        dtype: Of the numbers.
        device: ``cpu`` or ``cuda``.
        cell: The cell, with its options as they are typed.
        normalizer: Its name, or ``none``.
        backend: How the cell ran.
        size: As ``B32 H64 T128 I16``: lanes, width, steps, features.
        kind: One of `KINDS`.
        ratio: Time over torch.nn.LSTM's, fastest against fastest; below 1 is faster.
        median: Median of the ratios round by round.
    """

    version: str
    commit: str
    date: str
    cpu: str
    isa: str
    torch: str
    threads: str
    dtype: str
    device: str
    cell: str
    normalizer: str
    backend: str
    size: str
    kind: str
    ratio: float
    median: float

    @property
    def run(self) -> tuple[str, str, str]:
        """Version, commit and date."""
        return self.version, self.commit, self.date

    @property
    def setting(self) -> tuple[str, ...]:
        """What has to be the same for two ratios to be compared."""
        return self.cpu, self.isa, self.threads, self.dtype, self.device

    @property
    def contender(self) -> str:
        """Cell, normalizer and backend."""
        norm = "" if self.normalizer == "none" else f"+{self.normalizer}"
        return f"{self.cell}{norm} {self.backend}"


COLUMNS = tuple(f.name for f in fields(HistoryEntry))
_NUMBERS = ("ratio", "median")


def measurements(record: Mapping[str, Any], run: tuple[str, str, str]) -> list[HistoryEntry]:
    """Return the ratios of what ``memcell bench cells --json`` writes.

    Args:
        record: The JSON.
        run: Version, commit and date.
    """
    machine, options = record["machine"], record["options"]
    found = []
    for row in record["results"]:
        if row["cell"] is None or row["wrong"]:
            continue
        typed = ",".join(f"{k}={str(v).lower()}" for k, v in row["options"].items())
        for kind in KINDS:
            if kind not in row:
                continue
            found.append(
                HistoryEntry(
                    version=run[0],
                    commit=run[1],
                    date=run[2],
                    cpu=str(machine.get("gpu", machine["cpu"])),
                    isa=str(machine["isa"]),
                    torch=str(machine["torch"]),
                    threads=str(options["threads"]),
                    dtype=str(options["dtype"]),
                    device=str(options["device"]),
                    cell=f"{row['cell']}:{typed}" if typed else str(row["cell"]),
                    normalizer=str(row["normalizer"]),
                    backend=str(row["backend"]),
                    size=f"B{row['batch_size']} H{row['hidden_size']} T{row['time_steps']} "
                    f"I{row['input_size']}",
                    kind=kind,
                    ratio=round(row[kind]["ratio_of_least"], 4),
                    median=round(row[kind]["median_ratio"], 4),
                )
            )
    return found


def this_run() -> tuple[str, str, str]:
    """Return version, commit and the time."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return memcell.__version__, commit(Path(memcell.__file__).parent), now


def commit(folder: Path) -> str:
    """Return the commit of a checkout, with ``-dirty`` where it was changed; empty where it is none.

    Args:
        folder: A package's. A package installed below somebody's repository is not part of it.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "--short=10", "HEAD") + (
            "-dirty" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return ""


def read(path: Path) -> list[HistoryEntry]:
    """Return what a history holds.

    Raises:
        MemcellError: It is not there or is no history; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise MemcellError(
            f"there is no '{path}'; memcell bench cells --append {path} begins it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise MemcellError(f"cannot read '{path}': {error}") from error
    if not lines or tuple(lines[0].split("\t")) != COLUMNS:
        raise MemcellError(
            f"'{path}' is no history of speed: its first line should be {' '.join(COLUMNS)}"
        )
    found = []
    for number, line in enumerate(lines[1:], start=2):
        values: dict[str, Any] = dict(zip(COLUMNS, line.split("\t"), strict=False))
        try:
            values |= {name: float(values[name]) for name in _NUMBERS}
        except (KeyError, ValueError):
            raise MemcellError(
                f"'{path}', line {number}: {len(COLUMNS)} columns expected, ratios as numbers"
            ) from None
        if not all(values[name] > 0 and math.isfinite(values[name]) for name in _NUMBERS):
            raise MemcellError(f"'{path}', line {number}: a ratio is a number above 0")
        found.append(HistoryEntry(**values))
    return found


def append(path: Path, added: Iterable[HistoryEntry]) -> int:
    """Add measurements to a history, which is made where it is not there; return how many.

    Raises:
        MemcellError: What is there is no history, or it cannot be written.
    """
    new = list(added)
    old = read(path) if path.exists() else []
    write_atomic(path, table([COLUMNS, *(astuple(m) for m in (*old, *new))]))
    return len(new)


def runs(history: Iterable[HistoryEntry]) -> list[tuple[str, str, str]]:
    """Return the runs in the order in which they were added."""
    return list(dict.fromkeys(m.run for m in history))


def means(history: Sequence[HistoryEntry]) -> dict[str, list[float]]:
    """Return each contender's geometric mean of ratios, one number a run.

    Args:
        history: Of one setting and one kind. Sizes that a run of a contender lacks are left out of all its
            runs; a run that lacks the contender has nan.
    """
    order = runs(history)
    ratios: dict[str, dict[tuple[str, str, str], dict[str, float]]] = {}
    for m in history:
        ratios.setdefault(m.contender, {}).setdefault(m.run, {})[m.size] = m.ratio
    found = {}
    for contender, by_run in ratios.items():
        common = set.intersection(*(set(sizes) for sizes in by_run.values()))
        found[contender] = [
            _geometric([by_run[run][size] for size in sorted(common)])
            if run in by_run and common
            else math.nan
            for run in order
        ]
    return found


def _geometric(values: Sequence[float]) -> float:
    return math.exp(math.fsum(math.log(v) for v in values) / len(values))
