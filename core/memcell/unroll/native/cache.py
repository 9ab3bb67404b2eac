"""Compiled objects and plans on disk, safe for several processes and against damage.

``KEY.json`` names an object file and its SHA-256; the object's own name holds its digest, so that an entry
is never half of one build and half of another. Both are written beside and moved into place. What does not
match its digest, or does not belong to this user, is built again and never loaded. What nobody has asked for
in `KEPT_DAYS` is deleted when something new is stored.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: Versions of torch, of the compiler and of this package leave behind what no later one asks for.
KEPT_DAYS = 60
_DAY = 24 * 60 * 60
_DIGITS = 16
_KINDS = (".json", ".plan", ".so")


def folder() -> Path:
    """Return where compiled objects are kept: ``$XDG_CACHE_HOME/memcell/native``."""
    base = os.environ.get("XDG_CACHE_HOME")
    root = Path(base) if base else Path.home() / ".cache"
    return root / "memcell" / "native"


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
    entry = where / f"{key}.json"
    try:
        digest = json.loads(entry.read_text())["sha256"]
        path = where / f"{key}-{digest[:_DIGITS]}.{kind}"
        if not (_ours(entry) and _ours(path)):
            return None
        if _digest(path) != digest:
            return None
        _used(entry, path)
        return path
    except (OSError, ValueError, KeyError, TypeError):
        return None


def store(key: str, build: Callable[[Path], None], where: Path, kind: str = "so") -> Path:
    """Build an object, put it into the folder, and return its path."""
    with tempfile.TemporaryDirectory(dir=where, prefix="build-") as work:
        made = Path(work) / f"unit.{kind}"
        build(made)
        digest = _digest(made)
        path = where / f"{key}-{digest[:_DIGITS]}.{kind}"
        made.replace(path)
        entry = Path(work) / "entry.json"
        entry.write_text(json.dumps({"sha256": digest}))
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


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _ours(path: Path) -> bool:
    status = path.stat(follow_symlinks=False)
    return not hasattr(os, "getuid") or status.st_uid == os.getuid()


_own_folder: Path | None = None
_lock = threading.Lock()


def writable_folder(where: Path | None = None) -> Path:
    """Return the folder, made where it is missing; one of this process's own where it cannot be used."""
    global _own_folder
    try:
        where = where or folder()
        where.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(where, os.W_OK) and _ours(where):
            return where
    except (OSError, RuntimeError):  # RuntimeError: this user has no home
        pass
    with _lock:
        if _own_folder is None:
            _own_folder = Path(tempfile.mkdtemp(prefix="memcell-native-"))
        return _own_folder
