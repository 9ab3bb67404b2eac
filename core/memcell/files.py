"""Files that are whole or not there: written beside their place, flushed to the disk, renamed."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from memcell.errors import DiskError, MemcellError

#: What is wrong with the disk and not with this one file.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


class Growing:
    """A file that is being written."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path

    def write(self, content: bytes | str) -> None:
        """Add to the file.

        Raises:
            MemcellError: It cannot be written; names the file.
        """
        with _named(self._path):
            self._file.write(content.encode("utf-8") if isinstance(content, str) else content)

    def rewrite(self, at: int, content: bytes) -> None:
        """Replace bytes that were written before, such as a header's count."""
        with _named(self._path):
            end = self._file.tell()
            self._file.seek(at)
            self._file.write(content)
            self._file.seek(end)


@contextmanager
def growing(path: Path) -> Iterator[Growing]:
    """Yield a file to write piece by piece; it stands at its place, whole, when the block ends well.

    A reader sees the old one or the new one, also after a crash.

    Raises:
        DiskError: The disk is full, or must not be written; names the file.
        MemcellError: The file cannot be written for another reason.
    """
    temporary: Path | None = None
    try:
        with _named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=_beside(path.name))
            temporary = Path(name)
        file = os.fdopen(handle, "wb")
        try:
            yield Growing(file, path)
            with _named(path):
                file.flush()
                os.fsync(file.fileno())
        finally:
            with suppress(OSError):  # what could not be written was said by then
                file.close()
        with _named(path):
            # mkstemp gives 0600; a result is readable as any other file of the person.
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            _sync_folder(path.parent)
    except BaseException:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old one or the new one, also after a crash.

    Raises:
        DiskError: The disk is full, or must not be written; names the file.
        MemcellError: The file cannot be written for another reason.
    """
    with growing(path) as file:
        file.write(content)


def make_folder(path: Path) -> None:
    """Make a folder with its parents.

    Raises:
        MemcellError: It cannot be made, or is a file; names it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MemcellError(f"cannot make the folder '{path}': {error.strerror or error}") from error


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except OSError as error:
        kind = DiskError if error.errno in _OF_THE_DISK else MemcellError
        raise kind(f"cannot write '{path}': {error.strerror or error}") from error


def _beside(name: str) -> str:
    """Return how a temporary name begins: hidden, and short enough where the name itself just fits."""
    return f".{name[:200]}."


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
