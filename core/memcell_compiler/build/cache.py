"""Compiled objects and plans on disk, safe for several processes and against damage.

``KEY.json`` names an object file and its SHA-256; the object's own name holds its digest, so that an entry
is never half of one build and half of another. Both are written beside and moved into place. What does not
match its digest, or could have been written by another user, is built again and never loaded; a folder that
somebody else owns, or could replace by way of a folder above it, is not used at all
(`memcell.files.trusted`). What nobody has asked for in `KEPT_DAYS` is deleted when something new is stored.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from memcell.files.places import cache_folder
from memcell.files.trusted import Distrusted, make_private, open_file, open_folder, reason_against

#: Versions of torch, of the compiler and of this package leave behind what no later one asks for.
KEPT_DAYS = 60
_DAY = 24 * 60 * 60
_DIGITS = 16
_KINDS = (".json", ".plan", ".so")


def folder() -> Path:
    """Return where compiled objects are kept: ``native`` in the user's cache folder."""
    return cache_folder() / "native"


def fetch(key: str, build: Callable[[Path], None], where: Path | None = None) -> Path:
    """Return the object of a key, built where there is no sound one.

    Args:
        key: Hash of all that the object depends on.
        build: Writes the object to a path.
        where: The folder.
    """
    place = writable_folder(where)
    found = lookup(key, place)
    return found if found is not None else store(key, build, place)


def lookup(key: str, where: Path, kind: str = "so") -> Path | None:
    """Return the object of a key, or None where there is no sound one.

    Args:
        key: As in `fetch`.
        where: The folder.
        kind: Ending of the object's name.
    """
    try:
        with _opened(where) as folder:
            digest = json.loads(_content(f"{key}.json", folder))["sha256"]
            name = f"{key}-{digest[:_DIGITS]}.{kind}"
            if _digest(_content(name, folder)) != digest:
                return None
        _used(where / f"{key}.json", where / name)
        return where / name
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read(path: Path) -> bytes:
    """Return the content of an object that `fetch` or `lookup` named, checked against its name.

    Raises:
        OSError: It is not what it was, or somebody else could have changed it.
    """
    with _opened(path.parent) as folder:
        return _checked(path.name, folder)


def load(path: Path) -> ctypes.CDLL:
    """Load an object that `fetch` or `lookup` named, by way of the folder that was checked.

    Raises:
        OSError: As `read`; or the system does not load it.
    """
    with _opened(path.parent) as folder:
        _checked(path.name, folder)
        # not by its path, which leads through folders again; the name, which holds the digest, has to be
        # part of it: the loader takes two objects of one name for the same
        held = Path(f"/proc/self/fd/{folder}/{path.name}")
        return ctypes.CDLL(str(held if held.exists() else path))


def store(key: str, build: Callable[[Path], None], where: Path, kind: str = "so") -> Path:
    """Build an object, put it into the folder, and return its path."""
    with tempfile.TemporaryDirectory(dir=where, prefix="build-") as work:
        made = Path(work) / f"unit.{kind}"
        build(made)
        made.chmod(0o700)
        digest = _digest(made.read_bytes())
        path = where / f"{key}-{digest[:_DIGITS]}.{kind}"
        made.replace(path)
        entry = Path(work) / "entry.json"
        entry.write_text(json.dumps({"sha256": digest}))
        entry.chmod(0o600)
        entry.replace(where / f"{key}.json")
    _forget(where)
    return path


def _used(*paths: Path) -> None:
    """Note that files were asked for, to the day."""
    with suppress(OSError):  # another user's folder, a disk that is only read
        for path in paths:
            if time.time() - path.stat().st_mtime > _DAY:
                path.touch()


def _forget(where: Path) -> None:
    """Delete what nobody has asked for in a long time, and what builds that were killed left."""
    with suppress(OSError):  # another process may be at it too
        for path in list(where.iterdir()):
            days = (time.time() - path.stat(follow_symlinks=False).st_mtime) / _DAY
            if path.is_dir() and path.name.startswith("build-") and days > 1:
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix in _KINDS and days > KEPT_DAYS:
                path.unlink(missing_ok=True)


@contextmanager
def _opened(where: Path) -> Iterator[int]:
    handle = open_folder(where)
    try:
        yield handle
    finally:
        os.close(handle)


def _content(name: str, folder: int) -> bytes:
    with os.fdopen(open_file(name, folder), "rb") as file:
        return file.read()


def _checked(name: str, folder: int) -> bytes:
    content = _content(name, folder)
    if Path(name).stem.rpartition("-")[2] != _digest(content)[:_DIGITS]:
        raise OSError(f"'{name}' is not what it was when it was built")
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


_own_folder: Path | None = None
_lock = threading.Lock()


def writable_folder(where: Path | None = None) -> Path:
    """Return the folder, made where it is missing; one of this process's own where it cannot be used.

    It cannot where this user may not write to it, and where somebody else could put something into it. The
    person is told once which of them it is.

    Raises:
        Distrusted: Somebody else could change what is in the folder for temporary files, too.
    """
    try:
        where = where or folder()
        make_private(where)
        os.close(open_folder(where))
        if os.access(where, os.W_OK):
            return where
        reason = f"'{where}' is not to be written"
    except OSError as error:
        reason = str(error)
    except RuntimeError:
        reason = "this user has no home"
    return _folder_of_process(reason)


def _folder_of_process(reason: str) -> Path:
    """Return a folder that ends with this process."""
    global _own_folder
    with _lock:
        if _own_folder is None:
            made = Path(tempfile.mkdtemp(prefix="memcell-native-"))
            atexit.register(_remove, made, os.getpid())
            against = reason_against(made)
            if against:
                raise Distrusted(f"{reason}; nor is there a safe temporary folder: {against}")
            _own_folder = made
            warnings.warn(
                f"compiled code is not kept, and made anew by each process: {reason}. Set XDG_CACHE_HOME to "
                "a folder that you alone can write to, below folders of yours or of the system",
                stacklevel=3,
            )
        return _own_folder


def _remove(path: Path, pid: int) -> None:
    if os.getpid() == pid:  # not in a process that was forked from the one that uses it
        shutil.rmtree(path, ignore_errors=True)
