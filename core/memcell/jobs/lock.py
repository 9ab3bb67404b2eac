"""One process at a time in a folder; a lock that goes away with whoever holds it, however that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memcell.errors import MemcellError
from memcell.files.reading import open_plain

try:
    import fcntl
except ImportError:  # not on Windows: nobody is kept out there
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(path: Path, busy: str | None = None) -> Iterator[None]:
    """Hold the lock on a file while entered.

    Args:
        path: The file, made where it is not there; its folder exists.
        busy: What to say where somebody else holds it; None to wait for them.

    Raises:
        MemcellError: Somebody else holds it, or the file cannot be made.
    """
    try:
        handle = open_plain(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise MemcellError(f"cannot write '{path}': {error.strerror}") from error
    try:
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy is not None else 0))
            except BlockingIOError:
                raise MemcellError(busy or "") from None
            except OSError:
                pass  # a file system without locks: nobody is kept out
        yield
    finally:
        os.close(handle)
