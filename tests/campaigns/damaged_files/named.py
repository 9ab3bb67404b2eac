"""Whether each named defect ends as it should: read rightly and said, or refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from memcell.errors import DataError
from memcell_data.checks.check import Check
from memcell_data.formats.reader import open_recording

from .defects import DEFECTS, Defect
from .samples import values


def judge(folder: Path) -> dict[str, list[str]]:
    """Make every named defect and return what is not as it should be, by its name."""
    found = {}
    for number, defect in enumerate(DEFECTS):
        home = folder / f"{number:02d}"
        home.mkdir(parents=True)
        found[defect.name] = faults_of(defect, home)
    return found


def faults_of(defect: Defect, folder: Path) -> list[str]:
    """Make one defect in an empty folder and return what is not as it should be.

    Args:
        defect: One of `DEFECTS`.
        folder: Where to write it.
    """
    path = defect.make(folder)
    report = Check().check(path, samples=True, channels=["O1"])
    said = " ".join([report.refused, *report.findings])
    try:
        signal = open_recording(path).read(["O1"])
    except DataError as error:
        return _of_refusal(defect, path, str(error), report.refused)
    faults = []
    if defect.refused:
        faults.append("is read and should be refused")
    if report.refused:
        faults.append(f"is read, and the check refuses it: {report.refused}")
    whole = Check().check(path, samples=True)
    said += " ".join(["", *signal.warnings, *whole.findings])
    faults += [f"'{word}' is not said: {said}" for word in defect.said if word not in said]
    if signal.values.shape != (1, defect.samples) or len(signal.segments) != defect.segments:
        faults.append(
            f"{signal.values.shape[1]} samples in {len(signal.segments)} segments are read"
        )
    elif defect.apart is not None:
        apart = float(np.abs(signal.values[0] - values()[0, : defect.samples]).max())
        if apart > defect.apart:
            faults.append(f"values are {apart:g} uV off")
    return faults


def _of_refusal(defect: Defect, path: Path, message: str, checked: str) -> list[str]:
    if not defect.refused:
        return [f"is refused and should be read: {message}"]
    faults = [f"'{word}' is not said: {message}" for word in defect.refused if word not in message]
    faults += [
        f"'{word}' is not in the check's: {checked}"
        for word in defect.refused
        if word not in checked
    ]
    if path.name not in message or "\n" in message:
        faults.append(f"is no line that names the file: {message}")
    return faults
