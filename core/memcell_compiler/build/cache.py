"""Compiled objects and plans on disk: a store (`memcell.files.store`) whose objects are loaded as code.

A folder that somebody else owns, or could replace by way of a folder above it, is not used at all: one of
this process's own is, which is said once. What nobody has asked for in `KEPT_DAYS` is deleted when something
new is stored.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import re
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

from memcell.files.places import cache_folder
from memcell.files.store import DiskStore, checked_object, opened_folder
from memcell.files.trusted import Distrusted, make_private, open_folder, reason_against

#: Versions of torch, of the compiler and of this package leave behind what no later one asks for.
KEPT_DAYS = 60
_OURS = re.compile(r".*\.(json|plan|so)", re.DOTALL)


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
    found = _store(where).open(key, kind)
    if found is None:
        return None
    found.file.close()
    return found.path


def read(path: Path) -> bytes:
    """Return the content of an object that `fetch` or `lookup` named, checked against its name.

    Raises:
        OSError: It is not what it was, or somebody else could have changed it.
    """
    with opened_folder(path.parent) as folder:
        return checked_object(path.name, folder)


def load(path: Path) -> ctypes.CDLL:
    """Load an object that `fetch` or `lookup` named, by way of the folder that was checked.

    Raises:
        OSError: As `read`; or the system does not load it.
    """
    with opened_folder(path.parent) as folder:
        checked_object(path.name, folder)
        # not by its path, which leads through folders again; the name, which holds the digest, has to be
        # part of it: the loader takes two objects of one name for the same
        held = Path(f"/proc/self/fd/{folder}/{path.name}")
        return ctypes.CDLL(str(held if held.exists() else path))


def store(key: str, build: Callable[[Path], None], where: Path, kind: str = "so") -> Path:
    """Build an object, put it into the folder, and return its path."""
    place = _store(where)
    path = place.put(key, kind, build)
    place.sweep()
    return path


def _store(where: Path) -> DiskStore:
    return DiskStore(folder=where, names=_OURS, kept_days=KEPT_DAYS, workspace="build-", mode=0o700)


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
            folder = Path(tempfile.mkdtemp(prefix="memcell-native-"))
            atexit.register(_remove, folder, os.getpid())
            against = reason_against(folder)
            if against:
                raise Distrusted(f"{reason}; nor is there a safe temporary folder: {against}")
            _own_folder = folder
            warnings.warn(
                f"compiled code is not kept, and made anew by each process: {reason}. Set XDG_CACHE_HOME to "
                "a folder that you alone can write to, below folders of yours or of the system",
                stacklevel=3,
            )
        return _own_folder


def _remove(path: Path, pid: int) -> None:
    if os.getpid() == pid:  # not in a process that was forked from the one that uses it
        shutil.rmtree(path, ignore_errors=True)
