"""The standard output kept for what a command itself writes, so that a program can read it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO, UnsupportedOperation
from typing import IO


@contextmanager
def own_output() -> Iterator[IO[str]]:
    """Yield a stream onto the standard output, and let all else that is printed there go to standard error.

    Libraries print when they are imported or read a strange file. What Python code prints is caught, and what
    compiled code writes to file descriptor 1.
    """
    ours = sys.stdout
    if ours is None:  # a process without any
        yield StringIO()
        return
    ours.flush()
    try:
        real = ours.fileno() == 1
        sys.stderr.fileno()
    except (AttributeError, OSError, UnsupportedOperation):
        real = False
    if not real:  # somebody reads the output within this process
        with redirect_stdout(sys.stderr):
            yield ours
        return
    kept = os.dup(1)
    out = os.fdopen(
        kept, "w", buffering=1, encoding=ours.encoding, errors=ours.errors, closefd=True
    )
    os.dup2(sys.stderr.fileno(), 1)
    try:
        with redirect_stdout(sys.stderr):
            yield out
            out.flush()
    finally:
        os.dup2(kept, 1)
        with suppress(
            OSError
        ):  # the reader went away: said by the flush above, or by what failed before it
            out.close()
