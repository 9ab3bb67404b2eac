"""Entries on disk that can be made again, kept from one process to the next: the one store of both caches.

``KEY.json`` names an object file and its SHA-256; the object's own name holds its digest, so that an entry
is never half of one making and half of another. Both are written aside and moved into place, so several
processes need no lock: each moves an entry that is whole. What does not match its digest, or could have been
written by another user, counts as not there; a folder that somebody else owns, or could replace by way of a
folder above it, is not read (`memcell.files.trusted`).

Compiled code (`memcell_compiler.build.cache`) and features of recordings (`memcell_eeg.store`) lie in such
stores, each in its own folder below `memcell.files.places.cache_folder`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from memcell.files.trusted import open_file, open_folder

_DAY = 24 * 60 * 60
#: Of a digest, in an object's name.
_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class StoreEntry:
    """An entry whose object is as it was made.

    Args:
        path: Of the object.
        file: The object, open at its start; whoever asked closes it.
        about: What was said of it when it was stored.
    """

    path: Path
    file: IO[bytes]
    about: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class DiskStore:
    """A folder of entries.

    Args:
        folder: Where; it is there when something is put into it.
        names: What entries' files are called; others are left alone.
        kept_days: An entry that nobody has asked for in so long is removed.
        workspace: What the folders that entries are made in begin with; one that a killed process left is
            removed after a day.
        mode: Permissions of objects; None for what the person gives to files.
    """

    folder: Path
    names: re.Pattern[str]
    kept_days: float
    workspace: str
    mode: int | None = None

    def open(self, key: str, kind: str) -> StoreEntry | None:
        """Return an entry, or None where there is no sound one.

        Args:
            key: Which.
            kind: Ending of the object's name.
        """
        entry = self.folder / f"{key}.json"
        try:
            with opened_folder(self.folder) as folder:
                with opened_file(entry.name, folder) as file:
                    header = json.loads(file.read())
                digest, about = header["sha256"], header.get("about", {})
                if "about" in header and header["about_sha256"] != _of_json(about):
                    return None
                path = self.folder / f"{key}-{digest[:_DIGITS]}.{kind}"
                found = os.fdopen(open_file(path.name, folder), "rb")
                try:
                    if _of_file(found) != digest:
                        found.close()
                        return None
                except BaseException:
                    found.close()
                    raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        _used(entry, path)
        return StoreEntry(path=path, file=found, about=about)

    def put(
        self,
        key: str,
        kind: str,
        build: Callable[[Path], None],
        about: Mapping[str, Any] | None = None,
    ) -> Path:
        """Make an entry and return the path of its object.

        Args:
            key: Which.
            kind: Ending of the object's name.
            build: Writes the object to a path.
            about: What is to be said of it: plain values, as JSON has them.

        Raises:
            OSError: The folder cannot be written, or the disk is full.
        """
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=self.workspace) as work:
            staged = Path(work) / f"unit.{kind}"
            build(staged)
            if self.mode is not None:
                staged.chmod(self.mode)
            with staged.open("rb") as file:
                digest = _of_file(file)
            path = self.folder / f"{key}-{digest[:_DIGITS]}.{kind}"
            staged.replace(path)
            header: dict[str, Any] = {"sha256": digest}
            if about is not None:
                header |= {"about": about, "about_sha256": _of_json(about)}
            entry = Path(work) / "entry.json"
            entry.write_text(json.dumps(header))
            if self.mode is not None:
                entry.chmod(self.mode & 0o666)
            entry.replace(self.folder / f"{key}.json")
        return path

    def sweep(self) -> None:
        """Remove what nobody has asked for in a long time, and what processes that were killed left."""
        now = time.time()
        # another process may be at it too
        with suppress(OSError), os.scandir(self.folder) as found:
            for each in list(found):
                days = (now - each.stat(follow_symlinks=False).st_mtime) / _DAY
                if each.name.startswith(self.workspace) and each.is_dir(follow_symlinks=False):
                    if days > 1:
                        shutil.rmtree(each.path, ignore_errors=True)
                elif self.names.fullmatch(each.name) and days > self.kept_days:
                    Path(each.path).unlink(missing_ok=True)

    def size(self) -> int:
        """Return how many bytes the entries take; 0 also where there are none."""
        total = 0
        with suppress(OSError), os.scandir(self.folder) as found:
            for each in found:
                if self.names.fullmatch(each.name):
                    with suppress(OSError):
                        total += each.stat(follow_symlinks=False).st_size
        return total


def checked_object(name: str, folder: int) -> bytes:
    """Return the content of an object in a folder that is open, checked against its name.

    Raises:
        OSError: It is not what it was, or somebody else could have changed it.
    """
    with opened_file(name, folder) as file:
        content = file.read()
    if Path(name).stem.rpartition("-")[2] != hashlib.sha256(content).hexdigest()[:_DIGITS]:
        raise OSError(f"'{name}' is not what it was when it was built")
    return content


@contextmanager
def opened_folder(path: Path) -> Iterator[int]:
    """Yield a descriptor of a folder that nobody else can change (`memcell.files.trusted.open_folder`)."""
    handle = open_folder(path)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def opened_file(name: str, folder: int) -> Iterator[IO[bytes]]:
    """Yield a plain file in such a folder (`memcell.files.trusted.open_file`)."""
    with os.fdopen(open_file(name, folder), "rb") as file:
        yield file


def _used(*paths: Path) -> None:
    """Note that files were asked for, to the day."""
    with suppress(OSError):  # another user's folder, a disk that is only read
        for path in paths:
            if time.time() - path.stat().st_mtime > _DAY:
                path.touch()


def _of_file(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()


def _of_json(about: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
