"""Files that are whole or not there: written beside their place, flushed to the disk, renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from memcell.errors import MemcellError


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old one or the new one, also after a crash.

    Raises:
        MemcellError: The disk is full, or writing is not permitted; names the file.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp gives 0600; a result is readable as any other file of the person.
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise MemcellError(f"cannot write '{path}': {error.strerror or error}") from error


def make_folder(path: Path) -> None:
    """Make a folder with its parents.

    Raises:
        MemcellError: It cannot be made, or is a file; names it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MemcellError(f"cannot make the folder '{path}': {error.strerror or error}") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # not every file system opens a folder; the rename is done all the same
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
