"""The recordings named on the command line of ``predict``, under unique names.

The only place that knows how the data room opens a file.
"""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from memcell.errors import DataError
from memcell.files.names import file_names
from memcell_data.datasets.finding import below, chosen, is_label_file, lies_beside, what_was_sought
from memcell_data.datasets.recognise import is_sleep_powers
from memcell_data.datasets.sleep_powers import open_night
from memcell_data.formats.fif_parts import without_later_parts
from memcell_data.formats.reader import SUFFIXES, is_recording, open_recording, stem
from memcell_data.recording import Recording


@dataclass(frozen=True, kw_only=True)
class RecordingFile:
    """A recording to predict.

    Args:
        path: The file.
        name: What it is called to a person; unique among those asked for together, and the name of a file
            everywhere.
        results: What its results are called, where that is another name (BIDS entities).
        viewed: The report scrolls through it.
    """

    path: Path
    name: str
    results: str = ""
    viewed: bool = False

    @property
    def place(self) -> str:
        """The name of its results in their folder."""
        return self.results or self.name

    def open(self, unit: str = "") -> Recording:
        """Open the recording; its samples are read later.

        Args:
            unit: Of EDF channels whose own is blank or unknown.

        Raises:
            DataError: The file is not a recording.
        """
        if is_sleep_powers(self.path):
            return replace(open_night(self.path), name=self.name)
        return open_recording(self.path, name=self.name, unit=unit)


def find_sources(paths: Sequence[str], but_not_in: Path | None = None) -> list[RecordingFile]:
    """Return the recordings in files, folders (with subfolders) and glob patterns.

    Two files of the same name in different folders get their folders' names in front, so that no
    result overwrites another.

    Args:
        paths: What was typed.
        but_not_in: A folder of results: what was exported there is no recording that a folder or glob
            stands for. Paths are absolute, for whoever does the work may stand elsewhere.

    Raises:
        DataError: A path does not exist, or a folder or glob holds no recording; names it.
    """
    files: dict[Path, None] = {}
    for text in paths:
        found = [p.absolute() for p in _expand(text)]
        if but_not_in is not None and not Path(text).expanduser().is_file():
            found = [p for p in found if but_not_in not in p.parents]
            if not found:
                raise DataError(
                    f"'{text}' lies in --out '{but_not_in}', and what lies there are results; type an --out "
                    "that holds no recordings."
                )
        files.update(dict.fromkeys(found))
    if not files:
        raise DataError("no recording was given; type the path of a file, a folder or a glob.")
    listed = without_later_parts(files)
    names = file_names(_names(listed))
    return [RecordingFile(path=p, name=n) for p, n in zip(listed, names, strict=True)]


def recordings_now(text: str, but_not_in: Path) -> list[Path]:
    """Return the recordings that a folder or glob holds now, absolute; none where it holds none.

    Args:
        text: What was typed.
        but_not_in: A folder of results, as for `find_sources`.
    """
    try:
        found = [p.absolute() for p in _expand(text)]
    except (DataError, OSError):
        return []
    return [p for p in without_later_parts(found) if but_not_in not in p.parents]


def _expand(text: str) -> list[Path]:
    path = Path(text).expanduser()
    if path.is_file() or (path.is_dir() and is_recording(path)):
        return [path]
    if path.is_symlink() and not path.exists():
        return [path]  # its content was not fetched, which is said of it by name
    known = ", ".join(SUFFIXES)
    if path.is_dir():
        found = chosen(p for p in below(path) if _is_one(p))
        if not found and any(is_label_file(p) for p in below(path)):
            raise DataError(what_was_sought(path))
        if not found:
            raise DataError(
                f"folder '{text}' holds no recording ({known}); type a folder that does, or a file."
            )
        return found
    if glob.has_magic(text):
        # Path.glob refuses an absolute pattern, so it starts from the root.
        matches = sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))))
        found = chosen(p for p in matches if (p.is_file() and not lies_beside(p)) or _is_one(p))
        if not found:
            raise DataError(f"no file matches '{text}'; check the pattern and its quotes.")
        return found
    raise DataError(f"'{text}' does not exist; type the path of a file, a folder or a glob.")


def _is_one(path: Path) -> bool:
    """Return whether a file in a folder is a recording; a hypnogram is a label file."""
    if path.suffix.lower() == ".npz":
        return is_sleep_powers(path)
    return is_recording(path) and not is_label_file(path)


def _names(files: Sequence[Path]) -> list[str]:
    """Return unique names: the stem, prefixed with as many parent folders as needed, or the full name."""
    whole = [p.absolute() for p in files]
    names = [stem(p) for p in whole]
    for depth in range(1, max(len(p.parts) for p in whole)):
        count = Counter(names)
        if max(count.values()) == 1:
            return names
        for i, p in enumerate(whole):
            if count[names[i]] > 1:
                folders = [part for part in p.parts[-1 - depth : -1] if part != p.anchor]
                names[i] = "_".join([*folders, stem(p)])
    # The same stem in the same folder: the ending tells them apart.
    count = Counter(names)
    return [
        n if count[n] == 1 else f"{n}-{p.suffix.lstrip('.')}"
        for n, p in zip(names, whole, strict=True)
    ]
