"""Where data sets and caches are kept, and how a file is put there so that it is whole or absent."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memcell.files.atomic import beside, remove_leftovers


def data_folder() -> Path:
    """Return the folder for fetched data sets.

    ``$XDG_DATA_HOME/memcell`` where that variable is set, else the platform's usual place
    (``~/.local/share/memcell``, ``~/Library/Application Support/memcell`` or
    ``%LOCALAPPDATA%/memcell``).
    """
    return _place("XDG_DATA_HOME", ".local/share", "Library/Application Support")


def cache_folder() -> Path:
    """Return the folder for what can be made again.

    ``$XDG_CACHE_HOME/memcell`` where that variable is set, else the platform's usual place
    (``~/.cache/memcell``, ``~/Library/Caches/memcell`` or ``%LOCALAPPDATA%/memcell``).
    """
    return _place("XDG_CACHE_HOME", ".cache", "Library/Caches")


def _place(variable: str, linux: str, mac: str) -> Path:
    named = os.environ.get(variable)
    if named:
        return Path(named).expanduser() / "memcell"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "memcell"
    return Path.home() / (mac if sys.platform == "darwin" else linux) / "memcell"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and rename it there when the block ends well.

    Two processes may write the same file at once: each writes its own, and the last rename stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    temporary, handle = beside(path, path.suffix)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)
