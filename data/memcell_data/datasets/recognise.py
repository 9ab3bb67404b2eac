"""Which data set a path holds, told from names and first lines alone, so that ``--data PATH`` just works."""

from __future__ import annotations

import re
from pathlib import Path

EYES_FILE = re.compile(r"^S(\d{3})R(0[12])\.edf$", re.IGNORECASE)
SLEEP_POWERS_FILE = re.compile(r"^(SC4\d{2})\d\w0\.npz$", re.IGNORECASE)
PSG_FILE = re.compile(r"^(SC4\d{2})\d\w{2}-PSG\.edf$", re.IGNORECASE)
HYPNOGRAM_FILE = re.compile(r"^SC4\d{3}\w{2}-Hypnogram\.edf$", re.IGNORECASE)
EYE_STATE_NAMES = ("eeg-eye-state.csv", "eeg-eye-state.arff", "EEG Eye State.arff")
_NO_RECORDING = ("file_sets.mat",)
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


def sleep_power_files(path: Path) -> list[Path]:
    """Return the nights of ``sleep-edf-powers`` that a path stands for: itself, or those in its folder."""
    found = [path] if path.is_file() else sorted(path.glob("*.npz"), key=lambda p: p.name)
    return [p for p in found if SLEEP_POWERS_FILE.match(p.name)]


def is_sleep_powers(path: Path) -> bool:
    """Whether a path is a night of Sleep-EDF as band powers, or a folder with some."""
    return bool(sleep_power_files(Path(path)))


def psg_files(path: Path) -> list[Path]:
    """Return the nights of ``sleep-edf`` that a path stands for: itself, or those in and below it."""
    found = [path] if path.is_file() else sorted(path.rglob("*.[eE][dD][fF]"), key=lambda p: p.name)
    return [p for p in found if PSG_FILE.match(p.name)]


def is_sleep_edf(path: Path) -> bool:
    """Whether a path is a night of Sleep-EDF as recorded, or a folder with some."""
    return bool(psg_files(Path(path)))


def is_bids(path: Path) -> bool:
    """Whether a path is a folder organised as BIDS: one with ``dataset_description.json``."""
    return (Path(path) / "dataset_description.json").is_file()


def mwt_files(path: Path) -> list[Path]:
    """Return the files of ``mwt`` that a path stands for: itself, or those in it and its subfolders."""
    found = [path] if path.is_file() else sorted(path.rglob("*.mat"), key=lambda p: p.name)
    return [p for p in found if p.suffix.lower() == ".mat" and p.name.lower() not in _NO_RECORDING]


def is_mwt(path: Path) -> bool:
    """Whether a path is a ``.mat`` file with a variable ``Data``, or a folder whose first one is."""
    files = mwt_files(Path(path))
    return bool(files) and _holds_data(files[0])


def _holds_data(path: Path) -> bool:
    # scipy is imported only where there is a .mat file to look into
    from scipy.io import whosmat

    try:
        return any(name == "Data" and kind == "struct" for name, _, kind in whosmat(path))
    except Exception:
        return False
