"""The recordings that a typed path stands for, and the label files beside each."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from memcell.errors import DataError
from memcell_data.datasets.recognise import HYPNOGRAM_FILE
from memcell_data.formats.edf.header import read_header
from memcell_data.formats.fif_parts import without_later_parts
from memcell_data.formats.reader import SUFFIXES, is_recording, signal_file, stem
from memcell_data.labels.files import is_label_text
from memcell_data.labels.predicted import predicted_in
from memcell_data.tables.bids import sidecar_of

# Folders of a BIDS data set that hold no recordings of its own.
NOT_RAW = ("derivatives", "sourcedata", "code", "stimuli")
# What belongs to a recording of another name's ending, or says something about one.
_BESIDE = (".eeg", ".vmrk", ".dat", ".fdt", ".tsv", ".csv", ".json", ".txt", ".md", ".html")
_SPLIT = re.compile(r"_split-\d+")
_TABLES = (".tsv", ".csv", ".txt", ".xml")
_MAY_BE_NOTES = (".txt", ".xml")
_ENDINGS = (*_TABLES, ".edf", ".bdf")
_WORDS = (
    "annotations",
    "annotation",
    "annot",
    "hypnogram",
    "hyp",
    "hypno",
    "labels",
    "scoring",
    "stages",
    "events",
    "nsrr",
    "profusion",
)
_LABEL_EDF = re.compile(rf"[-_.](?:{'|'.join(_WORDS)})\.(?:edf|bdf)$", re.IGNORECASE)
_BIDS_SUFFIX = re.compile(r"_(eeg|ieeg)$")


def recordings_in(given: Path) -> list[Path]:
    """Return the recordings that a file, a folder (with its subfolders) or a glob stands for, sorted.

    A single file is itself, whatever it is, and so is a link whose content was not fetched. In a folder with
    ``dataset_description.json`` (BIDS) what is derived from the recordings is left out, label files in EDF
    (hypnograms) are no recordings anywhere, and a later part of a split FIF file belongs to the first.
    """
    if given.is_file() or (given.is_symlink() and not given.exists()):
        return [given]
    if given.is_dir() and given.suffix.lower() == ".mff":
        return [given]
    found = below(given) if given.is_dir() else globbed(given)
    return chosen(p for p in found if is_recording(p) and not is_label_file(p))


def chosen(found: Iterable[Path]) -> list[Path]:
    """Return found recordings, sorted, without later parts of others and second names (links) of others.

    Of hard links, which are all the file itself, the first name is kept.
    """
    listed = _once(without_later_parts(sorted(found)))
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


def _once(paths: Iterable[Path]) -> list[Path]:
    """Return paths without second names of a file that has several (hard links)."""
    seen: set[tuple[int, int]] = set()
    kept = []
    for path in paths:
        facts = path.lstat() if os.path.lexists(path) else None
        if facts is not None and stat.S_ISREG(facts.st_mode) and facts.st_nlink > 1:
            if (facts.st_dev, facts.st_ino) in seen:
                continue
            seen.add((facts.st_dev, facts.st_ino))
        kept.append(path)
    return kept


def is_label_file(path: Path) -> bool:
    """Whether an EDF file is named as the labels of a recording and holds annotations alone."""
    if HYPNOGRAM_FILE.match(path.name):
        return True
    if not _LABEL_EDF.search(path.name):
        return False
    try:
        return not read_header(path, labels_only=True).signals
    except DataError:
        return False


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
            folders[:] = [name for name in folders if name not in NOT_RAW]
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
    if folder and (labels := sum(1 for p in below(given) if is_label_file(p))):
        what = "hypnogram" if labels == 1 else "hypnograms"
        return (
            f"{given}: it holds {labels} {what} and no recording: give the folder of the recordings, and "
            "this one with --data.labels"
        )
    what = "there is no recording in it" if folder else "nothing is there"
    tail = ", in all subfolders" if folder else ""
    return f"{given}: {what}; looked for files ending in {', '.join(SUFFIXES)}{tail}"


class FolderListing:
    """The names in folders, each folder listed once, for whoever looks beside ten thousand recordings."""

    def __init__(self) -> None:
        self._found: dict[Path, dict[str, list[Path]]] = {}
        self._predictions: dict[Path, dict[Path, Path]] = {}

    def predicted(self, folder: Path, recording: Path) -> list[Path]:
        """Return what memcell predicted of a recording, where a folder holds its BIDS derivatives."""
        if folder not in self._predictions:
            self._predictions[folder] = predicted_in(folder)
        found = self._predictions[folder]
        own = [events for path, events in found.items() if path == recording.absolute()]
        return own or [events for path, events in found.items() if path.name == recording.name]

    def named(self, folder: Path, key: str) -> list[Path]:
        """Return the files of a folder that have a name but for its case."""
        if folder not in self._found:
            names: dict[str, list[Path]] = {}
            try:
                for path in sorted(folder.iterdir()):
                    names.setdefault(path.name.casefold(), []).append(path)
            except OSError:
                names = {}
            self._found[folder] = names
        return self._found[folder].get(key, [])


def label_file_beside(
    path: Path, folder: Path, listing: FolderListing | None = None
) -> Path | None:
    """Return a recording's label file: the first of `label_files_beside`, or None.

    A ``.txt`` may be what somebody noted, and XML a program's settings: where it holds no labels, annotations
    inside the recording count.
    """
    for found in label_files_beside(path, folder, listing):
        noted = found.suffix.lower() in _MAY_BE_NOTES
        if not noted or is_label_text(found) or not signal_file(path).annotations():
            return found
    # a BIDS table may lie in a folder above it
    return sidecar_of(path, "events.tsv") if folder.resolve() == path.parent.resolve() else None


def label_files_beside(
    path: Path, folder: Path, listing: FolderListing | None = None
) -> list[Path]:
    """Return what may be the label files of a recording in a folder, the one that is read first.

    BIDS events, then a ``.tsv``, ``.csv``, ``.txt`` or ``.xml`` of the recording's name, then the same with a
    word that says what it is (``NAME_annotations.csv``, ``NAME-Hypnogram.edf``). Case does not matter; a link
    whose content was not fetched counts as there.
    """
    name = stem(path)
    bids = _BIDS_SUFFIX.sub("", name)
    first = [
        f"{bids}_events.tsv",
        f"{_SPLIT.sub('', bids)}_events.tsv",  # one table for all parts
        *(f"{name}{ending}" for ending in _TABLES),
    ]
    first = list(dict.fromkeys(first))
    if folder.resolve() != path.parent.resolve():  # beside a recording, .edf is a recording
        first.append(f"{name}.edf")
    exact = [folder / n for n in first if os.path.lexists(folder / n)]
    if exact:
        return exact
    listing = listing or FolderListing()
    predicted = listing.predicted(folder, path)
    if len(predicted) == 1:
        return predicted
    # Only where there is none under its plain name is the folder listed.
    more = [f"{name}{dash}{word}{end}" for word in _WORDS for dash in "_-." for end in _ENDINGS]
    keys = dict.fromkeys(n.casefold() for n in [*first, *more])
    return [found for key in keys for found in listing.named(folder, key) if found != path]
