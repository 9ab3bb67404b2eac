"""Tables and output of a live stream that survive a full disk or a closed reader.

When writing fails the stream continues: it reports the failure once, keeps the rows in memory up to a limit,
and reports when they are written.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from memcell.errors import MemcellError, UsageError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

#: Largest backlog of each file or output, bytes: half a day of steps. The oldest rows are dropped first.
_KEPT = 4 << 20
#: Bytes that are written to a pipe atomically (POSIX).
_ATOMIC = 512
#: Interval at which a wait for a reader checks the stop request, s.
_LOOK = 0.2

Say = Callable[[str], object]


def quietly(say: Say) -> Say:
    """Return ``say`` guarded against a closed terminal or a broken pipe."""

    def guarded(line: str) -> None:
        with suppress(OSError, ValueError):  # ValueError: closed on this side
            say(line)

    return guarded


class Rows:
    """A bounded backlog of rows that could not be written yet; the oldest are dropped.

    Attributes:
        lost: Number of dropped rows.
    """

    def __init__(self) -> None:
        self._rows: deque[bytes] = deque()
        self._size = 0
        self.lost = 0

    def __bool__(self) -> bool:
        return bool(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: bytes) -> None:
        """Add a row."""
        self._rows.append(row)
        self._size += len(row)
        while self._size > _KEPT and len(self._rows) > 1:
            self.next()
            self.lost += 1

    def first(self) -> bytes:
        """Return the oldest row."""
        return self._rows[0]

    def next(self) -> bytes:
        """Remove and return the oldest row."""
        row = self._rows.popleft()
        self._size -= len(row)
        return row

    def replace_last(self, row: bytes) -> None:
        """Replace the newest row."""
        self._size += len(row) - len(self._rows[-1])
        self._rows[-1] = row

    def clear(self) -> None:
        """Remove all rows."""
        self._rows.clear()
        self._size = 0


class GrowingTable:
    """A table on disk that grows row by row and always consists of complete rows.

    Args:
        path: The file, which must not exist.
        header: The first line.
        say: Called with a message when writing fails, and when it works again.

    Raises:
        UsageError: The file exists.
        MemcellError: It cannot be created.
    """

    def __init__(self, path: Path, header: str, say: Say) -> None:
        self.path, self._say = path, say
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        try:
            self._file = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
        except FileExistsError:
            raise UsageError(
                f"'{path}' exists already; type another --out, or move it away."
            ) from None
        except OSError as error:
            raise MemcellError(f"cannot write '{path}': {error.strerror or error}") from error
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._size = 0
        self._waiting = Rows()
        #: Position and content of the last written row, and the row that should replace it.
        self._last: tuple[int, bytes] = (0, b"")
        self._instead: bytes | None = None
        self._trouble = False
        try:
            self._write(header.encode())
        except OSError as error:
            os.close(self._file)
            path.unlink(missing_ok=True)
            raise MemcellError(f"cannot write '{path}': {error.strerror or error}") from error

    def add(self, row: str) -> None:
        """Add a row."""
        self._waiting.add(row.encode())
        self._go_on()

    def replace_last(self, row: str) -> None:
        """Replace the last row."""
        if self._waiting:
            self._waiting.replace_last(row.encode())
        else:
            self._instead = row.encode()
        self._go_on()

    def sync(self) -> None:
        """Wait until the written rows are on the disk."""
        with suppress(OSError):  # a failure shows at the next row
            os.fsync(self._file)

    def close(self) -> bool:
        """Write the backlog and close; return whether all rows were written."""
        self._go_on()
        self.sync()
        with suppress(OSError):
            os.close(self._file)
        left = len(self._waiting) + (self._instead is not None)
        if left:
            self._say(f"'{self.path}' lacks its last {left} rows: they could not be written")
        return not left and not self._waiting.lost

    def _go_on(self) -> None:
        """Write the backlog, as far as the disk allows."""
        try:
            if self._instead is not None:
                self._rewrite(self._instead)
                self._instead = None
            while self._waiting:
                self._write(self._waiting.first())
                self._waiting.next()
        except OSError as error:
            if not self._trouble:
                self._trouble = True
                self._say(
                    f"cannot write '{self.path}': {error.strerror or error}; the stream continues, and its "
                    f"results are kept in memory until there is space"
                )
            return
        if self._trouble:
            self._trouble = False
            lost = self._waiting.lost
            loss = f"{lost} earlier rows were lost" if lost else "no row was lost"
            self._say(f"'{self.path}' can be written again; {loss}")

    def _write(self, row: bytes) -> None:
        try:
            _all_of(self._file, row, self._size)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)  # no partial row remains
            raise
        self._last = (self._size, row)
        self._size += len(row)

    def _rewrite(self, row: bytes) -> None:
        at, before = self._last
        try:
            _all_of(self._file, row, at)
        except OSError:
            with suppress(OSError):
                _all_of(self._file, before, at)  # needs no additional space
                os.ftruncate(self._file, at + len(before))
            raise
        self._size = at + len(row)
        os.ftruncate(self._file, self._size)
        self._last = (at, row)


def _all_of(file: int, content: bytes, at: int) -> None:
    while content:
        n = os.pwrite(file, content, at)
        if n == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        content, at = content[n:], at + n


def is_held(path: Path) -> bool:
    """Return whether a running stream is writing a table."""
    if fcntl is None:
        return False
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False


class Output:
    """The standard output, line by line: a terminal, a file, or a pipe whose reader may be slow or close it.

    Args:
        to: The stream to write to; None for none.
        say: Called with a message when writing fails, and when it works again.
        wait: Whether to wait for a slow reader rather than drop lines.
        stop: Whether to stop waiting.
    """

    def __init__(
        self,
        to: IO[str] | None,
        say: Say,
        wait: bool = False,
        stop: Callable[[], bool] = bool,
    ) -> None:
        self._to, self._say, self._wait, self._stop = to, say, wait, stop
        self._waiting = Rows()
        self._begun = b""  # the rest of a partially written line
        self._trouble = ""
        self._fd = _descriptor(to)
        self._poll = None
        if self._fd is not None and hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLOUT)

    def write(self, line: str) -> None:
        """Write a line; waits for a reader only with ``wait``."""
        if self._to is None:
            return
        self._waiting.add(line.encode())
        self._go_on(self._wait)

    def close(self, seconds: float = 2.0) -> bool:
        """Write the backlog within a time limit; return whether no line failed to be written."""
        until = time.monotonic() + seconds
        while (self._waiting or self._begun) and not self._trouble and time.monotonic() < until:
            self._go_on(False)
            time.sleep(0.01)
        if self._waiting.lost and not self._trouble:
            self._say(
                f"{self._waiting.lost} lines of the output were dropped: it was read too slowly"
            )
        left = self._waiting.lost + len(self._waiting) + bool(self._begun)
        if self._trouble and left:
            self._say(f"{left} lines of the output could not be written")
        return not (self._trouble and left)

    def _go_on(self, wait: bool) -> None:
        try:
            while self._waiting or self._begun:
                if not self._ready(wait):
                    return
                self._begun = self._put(self._begun or self._waiting.next())
        except OSError as error:
            self._failed(error)
            return
        if self._trouble:
            self._trouble = ""
            self._say("the output can be written again")

    def _failed(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        if error.errno in (errno.EPIPE, errno.EIO, errno.EBADF):
            # no reader; a later one begins with the next line
            self._waiting.clear()
            self._begun = b""
            what = f"the reader of the output has closed it ({reason}); the stream continues"
        else:
            what = f"the output cannot be written ({reason}); the stream continues"
        if not self._trouble:
            self._say(what)
        self._trouble = what

    def _ready(self, wait: bool) -> bool:
        """Return whether a line can be written without blocking."""
        if self._poll is None:
            return True
        while not self._poll.poll(0):
            if not wait or self._stop():
                return False
            self._poll.poll(1e3 * _LOOK)
        return True

    def _put(self, line: bytes) -> bytes:
        """Write a line and return the part that was not written."""
        if self._fd is None:
            assert self._to is not None
            self._to.write(line.decode())
            self._to.flush()
            return b""
        try:
            return line[os.write(self._fd, line[: self._atomic(line)]) :]
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO, errno.EBADF):
                self._begun = line  # to be written again
            raise

    def _atomic(self, line: bytes) -> int:
        """Return how many bytes of a line to write in one call: what a ready pipe takes without blocking."""
        return len(line) if self._poll is None else max(_ATOMIC, getattr(select, "PIPE_BUF", 0))


def _descriptor(to: IO[str] | None) -> int | None:
    """Flush a text file and return its descriptor; None if it has none."""
    if to is None or os.name != "posix":
        return None
    try:
        to.flush()
        return to.fileno()
    except (OSError, ValueError, AttributeError):
        return None
