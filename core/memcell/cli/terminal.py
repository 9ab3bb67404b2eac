"""Everything that is printed: one line a message, and nothing that a terminal would obey."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import click

from memcell.cli.log import Log
from memcell.escape import Lines, line, lines


def echo(message: object = "", err: bool = False, nl: bool = True) -> None:
    """Print a message on one line; `memcell.escape.Lines` on as many as it has.

    Args:
        message: The text.
        err: On standard error.
        nl: End it with a line break.
    """
    text = lines(message) if isinstance(message, Lines) else line(message)
    click.echo(text, err=err, nl=nl)


@contextmanager
def guarded(log: Log | None = None) -> Iterator[None]:
    """While entered, let nothing reach standard output and error that a terminal would obey.

    Also what a library or a plugin prints. What the stream's encoding has no character for is written as an
    escape and ends nothing.

    Args:
        log: Gets every line as well.
    """
    before = sys.stdout, sys.stderr
    for name, stream in zip(("stdout", "stderr"), before, strict=True):
        if stream is not None:  # as where nobody gave a terminal
            setattr(sys, name, _Guarded(stream, name.removeprefix("std"), log))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextmanager
def hushed() -> Iterator[None]:
    """While entered, print nothing on standard error: no notes, no progress. A log has the notes still."""
    before = sys.stderr
    if isinstance(before, _Guarded):
        sys.stderr = before.silenced()
    try:
        yield
    finally:
        sys.stderr = before


class _Guarded:
    """A text stream that escapes what it is given.

    Args:
        stream: Where it goes.
        kind: ``"out"`` or ``"err"``.
        log: Gets it too.
        silent: Nothing goes to the stream.

    Attributes:
        unguarded: The same, for those who draw on a terminal by its commands, and escape by themselves.
    """

    def __init__(
        self, stream: TextIO, kind: str = "out", log: Log | None = None, silent: bool = False
    ) -> None:
        self.unguarded: TextIO = getattr(stream, "unguarded", stream)
        self._kind, self._log, self._silent = kind, log, silent

    def silenced(self) -> Any:
        """Return the same without anything reaching the stream."""
        return _Guarded(self.unguarded, self._kind, self._log, silent=True)

    def isatty(self) -> bool:
        """Whether somebody looks at it while it is written: progress is drawn there."""
        return not self._silent and self.unguarded.isatty()

    def write(self, text: str) -> int:
        """Write a text."""
        encoding = self.unguarded.encoding or "utf-8"
        # a carriage return before a line break is Windows' way to end a line
        cleaned = "\r\n".join(lines(part) for part in text.split("\r\n"))
        if self._log is not None:
            self._log.add(self._kind, cleaned)
        if not self._silent:
            self.unguarded.write(cleaned.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, texts: Any) -> None:
        """Write several."""
        for text in texts:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)
