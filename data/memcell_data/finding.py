"""From a path that a person typed to the recordings that it stands for, and to the labels beside each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from memcell_data.reader import SUFFIXES, is_recording, stem
from memcell_data.recognise import HYPNOGRAM_FILE

# Folders of a BIDS data set that hold no recordings of its own.
_NOT_RAW = ("derivatives", "sourcedata", "code", "stimuli")
_BIDS_SUFFIX = re.compile(r"_(eeg|ieeg)$")


def recordings_in(given: Path) -> list[Path]:
    """Return the recordings that a file, a folder (with its subfolders) or a glob stands for, sorted.

    A single file is itself, whatever it is. In a folder with ``dataset_description.json`` (BIDS) what is
    derived from the recordings is left out, and a Sleep-EDF hypnogram is no recording anywhere.
    """
    if given.is_file() or (given.is_dir() and given.suffix.lower() == ".mff"):
        return [given]
    found = below(given) if given.is_dir() else globbed(given)
    return sorted(p for p in found if is_recording(p) and not HYPNOGRAM_FILE.match(p.name))


def below(folder: Path) -> Iterable[Path]:
    """Yield what lies in a folder and its subfolders; see `recordings_in` about BIDS."""
    bids = (folder / "dataset_description.json").is_file()
    for path in folder.rglob("*"):
        if not (bids and path.relative_to(folder).parts[0] in _NOT_RAW):
            yield path


def globbed(pattern: Path) -> list[Path]:
    """Return what matches a pattern; nothing where it is none."""
    parts = pattern.parts
    fixed = next((i for i, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
    if fixed == len(parts):
        return []
    return list(Path(*parts[:fixed]).glob(str(Path(*parts[fixed:]))))


def what_was_sought(given: Path) -> str:
    """Say in one line why a path stands for no recording."""
    folder = given.is_dir()
    what = "there is no recording in it" if folder else "nothing is there"
    tail = ", in all subfolders" if folder else ""
    return f"{given}: {what}; looked for files ending in {', '.join(SUFFIXES)}{tail}"


def label_file_beside(path: Path, folder: Path) -> Path | None:
    """Return a recording's label file: BIDS events, or a ``.tsv`` or ``.csv`` of the same name."""
    name = stem(path)
    candidates = [
        folder / f"{_BIDS_SUFFIX.sub('', name)}_events.tsv",
        folder / f"{name}.tsv",
        folder / f"{name}.csv",
    ]
    if folder.resolve() != path.parent.resolve():  # beside a recording, .edf is a recording
        candidates.append(folder / f"{name}.edf")
    return next((c for c in candidates if c.is_file()), None)
