"""Which data set a path holds, told from names and first lines alone, so that ``--data PATH`` just works."""

from __future__ import annotations

import re
from pathlib import Path

EYES_FILE = re.compile(r"^S(\d{3})R(0[12])\.edf$", re.IGNORECASE)
EYE_STATE_NAMES = ("eeg-eye-state.csv", "eeg-eye-state.arff", "EEG Eye State.arff")
_FIRST_CHANNELS = ("af3", "f7", "f3", "fc5")


def is_eye_state(path: Path) -> bool:
    """Whether a path is the EEG Eye State table, or a folder that holds it under its usual name."""
    path = Path(path)
    if path.is_dir():
        return any((path / name).is_file() for name in EYE_STATE_NAMES)
    if path.suffix.lower() not in (".csv", ".arff") or not path.is_file():
        return False
    with path.open(encoding="latin-1") as file:
        start = file.read(2000).casefold()
    if path.suffix.lower() == ".csv":
        names = [cell.strip(' "') for cell in start.split("\n")[0].split(",")]
    else:
        names = re.findall(r"@attribute\s+'?([\w-]+)", start)
    return tuple(names[:4]) == _FIRST_CHANNELS or names[:4] == ["v1", "v2", "v3", "v4"]


def is_eyes(path: Path) -> bool:
    """Whether a path is a baseline run of the EEG Motor Movement set, or a folder with some."""
    path = Path(path)
    if path.is_dir():
        return any(EYES_FILE.match(p.name) for p in (*path.glob("*.edf"), *path.glob("S*/*.edf")))
    return bool(EYES_FILE.match(path.name)) and path.is_file()
