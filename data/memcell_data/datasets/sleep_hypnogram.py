"""A Sleep-EDF hypnogram: an expert's stage of each 30 s, from the annotations of an EDF+ file.

Rechtschaffen and Kales 1968 stages 3 and 4 are one (N3), as in the AASM's manual of 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.formats.edf.header import read_header
from memcell_data.formats.edf.times import read_times
from memcell_data.recording import Interval

EPOCH = 30.0

#: Annotation to stage: 0 wake, 1 N1, 2 N2, 3 N3, 4 REM; -1 not scored.
STAGES = {
    "Sleep stage W": 0,
    "Sleep stage 1": 1,
    "Sleep stage 2": 2,
    "Sleep stage 3": 3,
    "Sleep stage 4": 3,
    "Sleep stage R": 4,
    "Sleep stage ?": -1,
    "Movement time": -1,
}
NAMES = ("W", "N1", "N2", "N3", "REM")
WAKE = tuple(word for word, stage in STAGES.items() if stage == 0)
SLEEP = tuple(word for word, stage in STAGES.items() if stage > 0)

#: Stage to its annotations.
STAGE_WORDS = {
    name: tuple(word for word, stage in STAGES.items() if stage == number)
    for number, name in enumerate(NAMES)
}


@dataclass(frozen=True, kw_only=True)
class Hypnogram:
    """The sleep stages that an expert scored.

    Args:
        path: The file.
        intervals: As annotated, in order of onset, seconds from the recording's start.
        times: ``[n_epochs]`` start of each scored epoch (neither ``?`` nor movement), s.
        stages: ``[n_epochs]`` its stage, 0 to 4.
    """

    path: Path
    intervals: tuple[Interval, ...]
    times: NDArray[np.float64]
    stages: NDArray[np.int64]

    @property
    def end(self) -> float:
        """Seconds at which the last annotation ends."""
        return max(i.onset + i.duration for i in self.intervals)


def hypnogram_of(night: Path) -> Path:
    """Return the hypnogram beside a night: the one whose name shares the first six characters.

    Args:
        night: Its recording or its powers.

    Raises:
        DataError: There is none, or more than one.
    """
    ending = "-hypnogram.edf"
    found = sorted(
        p
        for p in night.parent.iterdir()
        if p.name.casefold().endswith(ending) and p.name[:6].casefold() == night.name[:6].casefold()
    )
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise DataError(
            f"{night}: expected one hypnogram beside it, {night.name[:6]}??-Hypnogram.edf; found {names}"
        )
    return found[0]


def read_hypnogram(path: Path) -> Hypnogram:
    """Read a hypnogram.

    Raises:
        DataError: It cannot be read, an annotation is no sleep stage or not made of whole epochs,
            or two of them overlap; names the file and the annotation.
    """
    intervals = read_times(read_header(path, labels_only=True)).annotations
    if not intervals:
        raise DataError(f"{path}: has no annotation; expected sleep stages")
    times: list[float] = []
    stages: list[int] = []
    end = 0.0
    for number, i in enumerate(intervals, start=1):
        where = (
            f"{path}: annotation {number} ('{i.label}', {i.onset:g} s, lasting {i.duration:g} s)"
        )
        if i.label not in STAGES:
            raise DataError(f"{where} is no sleep stage; expected one of {', '.join(STAGES)}")
        epochs = round(i.duration / EPOCH)
        if abs(epochs * EPOCH - i.duration) > 1e-3 or (i.onset % EPOCH) > 1e-3:
            raise DataError(f"{where} is not made of whole epochs of {EPOCH:g} s")
        if i.onset < end - 1e-3:
            raise DataError(f"{where} begins before the one before it ends ({end:g} s)")
        end = i.onset + i.duration
        if STAGES[i.label] >= 0:
            times += [i.onset + EPOCH * k for k in range(epochs)]
            stages += [STAGES[i.label]] * epochs
    return Hypnogram(
        path=path,
        intervals=intervals,
        times=np.array(times, dtype=np.float64),
        stages=np.array(stages, dtype=np.int64),
    )
