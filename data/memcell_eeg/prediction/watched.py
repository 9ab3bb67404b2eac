"""Recordings that come into folders: which are there now, what their files are like, and names that stay."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from memcell.files.names import file_names
from memcell_data.formats.reader import companions, stem
from memcell_eeg.prediction.sources import RecordingFile, recordings_now

#: What a file is like: its name, size and time of change.
_Look = tuple[str, int, int]


class WatchedFiles:
    """The recordings of folders, look by look.

    Args:
        out: A folder of results, which holds no recordings.
        before: Names of results that are there, by the recording's file.
    """

    def __init__(self, out: Path, before: Mapping[Path, str]) -> None:
        self._out = out
        self._names: dict[Path, str] = dict(before)

    def look(self, paths: Sequence[str]) -> list[tuple[RecordingFile, object]]:
        """Return the recordings that are there now, each with what its files are like."""
        files = dict.fromkeys(p for text in paths for p in recordings_now(text, self._out))
        beside = _Beside()
        found: list[tuple[RecordingFile, object]] = []
        for path in files:
            marks = beside.of(path)
            if marks:  # else it went while we looked, or leads nowhere
                found.append((RecordingFile(path=path, name=self._name(path)), marks))
        return found

    def _name(self, path: Path) -> str:
        """Return a name that no other file has, the same at every look."""
        if path not in self._names:
            taken = set(self._names.values())
            folders = [part for part in path.parts[:-1] if part != path.anchor]
            ways = [
                stem(path),
                *("_".join([*folders[-n:], stem(path)]) for n in range(1, len(folders) + 1)),
            ]
            ways += [f"{stem(path)}-{path.suffix.lstrip('.')}"]
            names = [file_names([way])[0] for way in ways]
            free = next((name for name in names if name not in taken), None)
            n = 2
            while free is None:
                free, n = (None if f"{names[-1]}-{n}" in taken else f"{names[-1]}-{n}"), n + 1
            self._names[path] = free
        return self._names[path]


class _Beside:
    """The files of a look, folder by folder: a recording may have its samples in a file beside it."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, list[_Look]]] = {}

    def of(self, path: Path) -> tuple[_Look, ...]:
        """Return what the files of a recording are like; nothing where it is not there."""
        if path.is_dir():  # a recording that is a folder
            parts = [_look(p, str(p.relative_to(path))) for p in sorted(path.rglob("*"))]
            return tuple(part for part in parts if part)
        own = _look(path, path.name)
        if own is None:
            return ()
        others = self._listed(path.parent).get(path.stem, ())
        parts = [_look(part, part.name) for part in companions(path)]
        found = {other[0]: other for other in (*others, *(part for part in parts if part))}
        found.pop(path.name, None)
        return (own, *(found[name] for name in sorted(found)))

    def _listed(self, folder: Path) -> dict[str, list[_Look]]:
        if folder not in self._folders:
            found: dict[str, list[_Look]] = {}
            try:
                with os.scandir(folder) as entries:
                    for entry in sorted(entries, key=lambda e: e.name):
                        look = _look(Path(entry.path), entry.name)
                        if look and not Path(entry.path).is_dir():
                            found.setdefault(Path(entry.name).stem, []).append(look)
            except OSError:
                pass
            self._folders[folder] = found
        return self._folders[folder]


def _look(path: Path, name: str) -> _Look | None:
    """Return what a file is like, that which a link leads to; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return name, status.st_size, status.st_mtime_ns
