"""Reading the files of a prediction that its report needs.

Ten thousand recordings are read in seconds: the summary whole, events of the first `MOST_EVENT_FILES`,
probabilities of the first `DRAWN` only, and of those no more than `MOST_BYTES`. What is left out is
counted, so that the page can say so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import MemcellError, RunFolderError
from memcell.files.reading import read_lines
from memcell_eeg.export.outputs import (
    events_path,
    place_of,
    probability_path,
    read_sidecar,
    sidecar_path,
)
from memcell_eeg.export.views import view_path
from memcell_eeg.reports.reading import TableRow, as_object, read_json, read_tsv, value

#: Recordings with a strip of their own.
DRAWN = 30


#: Event files that are read for the durations.
MOST_EVENT_FILES = 10_000


#: Of probability files, read in all.
MOST_BYTES = 40_000_000


#: The engine's own file about a prediction.
ABOUT = "prediction.json"


DONE = ("done", "done before")


Spans = list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A recording to draw.

    Args:
        row: Of the summary.
        times: ``[n]`` start of each step, s; empty where the probabilities were not read.
        probability: ``[n]``.
        events: (onset, duration), s.
        why: Why the probabilities are missing; empty where they are here.
    """

    row: TableRow
    times: NDArray[np.float64]
    probability: NDArray[np.float64]
    events: Spans
    why: str = ""

    @property
    def step(self) -> float:
        """Seconds of a step; NaN if unknown."""
        return float(np.min(np.diff(self.times))) if len(self.times) > 1 else math.nan

    @property
    def gaps(self) -> Spans:
        """(from, to) of the gaps, s."""
        if len(self.times) < 2:
            return []
        apart = np.diff(self.times)
        at = np.flatnonzero(apart > 1.5 * self.step)
        return [(float(self.times[i] + self.step), float(self.times[i + 1])) for i in at]

    @property
    def end(self) -> float:
        """Where the recording ends, s."""
        if len(self.times):
            return float(self.times[-1]) + (self.step if self.step == self.step else 0.0)
        hours = value(self.row, "hours")
        last = max((a + d for a, d in self.events), default=0.0)
        return max(last, 3600 * hours if hours == hours else 0.0)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The contents of a prediction's folder.

    Args:
        folder: Where it lies.
        rows: The summary, a row a recording.
        about: What the engine wrote of the run that predicted; empty where it did not.
        origin: ``GeneratedBy`` of the first sidecar; empty where there is none.
        strips: The first recordings that were done.
        more: Those after them that have a view.
        durations: Seconds of every event that was read.
        event_files: Of so many recordings.
        unread: Recordings listed as done whose events cannot be read.
    """

    folder: Path
    rows: list[TableRow]
    about: dict[str, Any]
    origin: dict[str, Any]
    strips: list[Strip]
    durations: NDArray[np.float64]
    event_files: int
    unread: list[str] = field(default_factory=list)
    more: list[Strip] = field(default_factory=list)

    @property
    def done(self) -> list[TableRow]:
        """The recordings that have results."""
        return [r for r in self.rows if r.get("status") in DONE]

    @property
    def failed(self) -> list[TableRow]:
        """Those that have none."""
        return [r for r in self.rows if r.get("status") not in DONE]


def read_prediction(folder: Path) -> Prediction:
    """Read a prediction's folder.

    Raises:
        RunFolderError: Its summary does not say which recordings it is of.
    """
    rows = read_tsv(folder / "summary.tsv")
    if rows and "recording" not in rows[0]:
        raise RunFolderError(f"'{folder / 'summary.tsv'}' has no column 'recording'")
    done = [r for r in rows if r.get("status") in DONE]
    durations: list[float] = []
    strips: list[Strip] = []
    more: list[Strip] = []
    unread: list[str] = []
    origin: dict[str, Any] = {}
    budget = MOST_BYTES
    read = 0
    for row in done[:MOST_EVENT_FILES]:
        name = place_of(row)
        if not name:
            unread.append(row["recording"])
            continue
        found = _events(events_path(folder, name))
        events = found or []
        if found is None:
            unread.append(row["recording"])
        else:
            read += 1
        durations += [d for _, d in events]
        if not origin:
            sidecar = read_sidecar(sidecar_path(folder, name)) or {}
            origin = as_object(sidecar.get("GeneratedBy"))
        drawn = len(strips) < DRAWN
        if drawn or view_path(folder, row["recording"]).is_file():
            times, p, why, budget = _probabilities(probability_path(folder, name), budget)
            strip = Strip(row=row, times=times, probability=p, events=events, why=why)
            (strips if drawn else more).append(strip)
    return Prediction(
        folder=folder, rows=rows, about=read_json(folder / ABOUT), origin=origin, strips=strips,
        durations=np.array(durations), event_files=read, unread=unread, more=more,
    )  # fmt: skip


def _events(path: Path) -> Spans | None:
    """Return (onset, duration) of a recording's events; None if the file cannot be read."""
    try:
        head, *lines = read_lines(path)
        heads = head.split("\t")
        onset, duration = heads.index("onset"), heads.index("duration")
        cells = [line.split("\t") for line in lines]
        pairs = [(float(c[onset]), float(c[duration])) for c in cells if len(c) == len(heads)]
    except (MemcellError, ValueError):
        return None
    return [(a, d) for a, d in pairs if math.isfinite(a) and math.isfinite(d)]


def _probabilities(
    path: Path, budget: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], str, int]:
    """Return times, probabilities, the reason if they are missing, and the remaining number of bytes."""
    nothing = np.empty(0)
    try:
        size = path.stat(follow_symlinks=False).st_size
        if size > budget:
            return (
                nothing,
                nothing,
                "its probabilities are not drawn, to keep this page quick to make: events only",
                budget,
            )
        lines = read_lines(path)
        heads = next(lines, "").split("\t")
        columns = heads.index("onset"), heads.index("probability")
        table = np.loadtxt(lines, delimiter="\t", usecols=columns, ndmin=2)
    except (OSError, MemcellError, ValueError):
        return nothing, nothing, "its probability file cannot be read: events only", budget
    known = np.isfinite(table).all(axis=1)
    return table[known, 0], table[known, 1], "", budget - size
