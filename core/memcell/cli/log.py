"""A log file of a command: what it printed and when, how it ended, where an unexpected error was raised."""

from __future__ import annotations

import shlex
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from memcell.errors import UsageError
from memcell.version import __version__


class Log:
    """A file that each printed line is added to, with the time in UTC; drawn progress is not among them.

    Args:
        path: The file; what is in it stays.
        args: What was typed after ``memcell``.

    Raises:
        UsageError: It cannot be written.
    """

    def __init__(self, path: Path, args: Sequence[str]) -> None:
        try:
            self._file: IO[str] = path.open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise UsageError(
                f"--log got '{path}', which cannot be written ({error.strerror}); type a file in a folder "
                "that is there"
            ) from error
        self._begun = time.monotonic()
        self._unfinished: dict[str, str] = {}
        self._put("began", f"memcell {__version__}: memcell {shlex.join(args)}")

    def add(self, stream: str, text: str) -> None:
        """Add what was printed; a line is written when it ends.

        Args:
            stream: ``"out"`` or ``"err"``.
            text: Any piece of it.
        """
        *whole, rest = (self._unfinished.get(stream, "") + text).split("\n")
        for line in whole:
            self._put(stream, line.rstrip("\r"))
        self._unfinished[stream] = rest

    def failed(self, error: BaseException) -> None:
        """Add where an unexpected error was raised."""
        for line in "".join(traceback.format_exception(error)).splitlines():
            self._put("trace", line)

    def end(self, code: int) -> None:
        """Add how the command ended, and close the file."""
        for stream in [s for s, rest in self._unfinished.items() if rest]:
            self.add(stream, "\n")
        self._put("ended", f"with {code} after {time.monotonic() - self._begun:.1f} s")
        self._file.close()

    def _put(self, kind: str, line: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._file.write(f"{now} {kind:<5} {line}\n")
        self._file.flush()  # a command that is killed leaves what it said
