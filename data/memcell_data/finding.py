"""From a path that a person typed to the recordings that it stands for, and to the labels beside each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from memcell_data.fif_parts import without_later_parts
from memcell_data.reader import SUFFIXES, is_recording, stem
from memcell_data.recognise import HYPNOGRAM_FILE

# Folders of a BIDS data set that hold no recordings of its own.
_NOT_RAW = ("derivatives", "sourcedata", "code", "stimuli")
# What belongs to a recording of another name's ending, or says something about one.
_BESIDE = (".eeg", ".vmrk", ".dat", ".fdt", ".tsv", ".csv", ".json", ".txt", ".md", ".html")
_SPLIT = re.compile(r"_split-\d+")
_BIDS_SUFFIX = re.compile(r"_(eeg|ieeg)$")


def recordings_in(given: Path) -> list[Path]:
    """Return the recordings that a file, a folder (with its subfolders) or a glob stands for, sorted.

    A single file is itself, whatever it is. In a folder with ``dataset_description.json`` (BIDS) what is
    derived from the recordings is left out, a Sleep-EDF hypnogram is no recording anywhere, and a later part
    of a split FIF file belongs to the first.
    """
    if given.is_file() or (given.is_dir() and given.suffix.lower() == ".mff"):
        return [given]
    found = below(given) if given.is_dir() else globbed(given)
    return chosen(p for p in found if is_recording(p) and not HYPNOGRAM_FILE.match(p.name))


def chosen(found: Iterable[Path]) -> list[Path]:
    """Return found recordings, sorted, without later parts of others and second names (links) of others."""
    listed = without_later_parts(sorted(found))
    real = {p for p in listed if not p.is_symlink()}
    targets = {p.resolve() for p in real}
    kept = []
    for path in listed:
        if path not in real and path.exists():
            target = path.resolve()
            if target in targets:
                continue
            targets.add(target)
        kept.append(path)
    return kept


def below(folder: Path) -> Iterable[Path]:
    """Yield what lies in a folder and its subfolders; see `recordings_in` about BIDS.

    Links to folders are followed, each folder once; hidden folders (``.git`` with the files of git-annex) are
    left out.
    """
    bids = (folder / "dataset_description.json").is_file()
    seen: set[Path] = set()
    for at, folders, files in os.walk(folder, followlinks=True):
        real = Path(at).resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(at) / name for name in (*folders, *files))
        if bids and Path(at) == folder:
            folders[:] = [name for name in folders if name not in _NOT_RAW]
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not name.endswith(".mff")
        )


def lies_beside(path: Path) -> bool:
    """Whether a file holds samples or labels of another one, or says something about one."""
    return path.suffix.lower() in _BESIDE


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
    named = _BIDS_SUFFIX.sub("", name)
    candidates = [
        folder / f"{named}_events.tsv",
        folder / f"{_SPLIT.sub('', named)}_events.tsv",  # one table for all parts
        folder / f"{name}.tsv",
        folder / f"{name}.csv",
    ]
    if folder.resolve() != path.parent.resolve():  # beside a recording, .edf is a recording
        candidates.append(folder / f"{name}.edf")
    return next((c for c in candidates if c.is_file()), None)
