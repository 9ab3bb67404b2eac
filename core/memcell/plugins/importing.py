"""The import of somebody's module, so that it changes nothing for the others, and what it did is said."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import IO, Any

#: An import that takes longer is named: every command pays for it.
SLOW_SECONDS = 1.0
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_MOST = 300


class PluginWarning(UserWarning):
    """What a plugin did beside what was asked of it."""


@contextmanager
def watched(origin: str) -> Iterator[None]:
    """Keep what is printed inside from standard output, put back what is changed, and say both by name.

    Printed is what Python code prints and what compiled code writes to file descriptor 1. Put back are the
    working directory, handlers of signals, and the global random numbers of Python, numpy and torch (of
    those that were imported before).

    Args:
        origin: Whose code it is, in words.
    """
    messages: list[str] = []
    began, before = time.monotonic(), _Surroundings()
    printed = StringIO()
    with warnings.catch_warnings(record=True) as warned, _descriptor() as written:
        try:
            with redirect_stdout(printed):
                yield
        finally:
            seconds = time.monotonic() - began
            messages += before.put_back()
            text = _line(printed.getvalue() + _content(written))
    if text:
        messages.append(f"it printed: {text}")
    messages += [f"it warned: {_line(str(w.message))}" for w in warned]
    if seconds > SLOW_SECONDS:
        messages.append(
            f"it took {seconds:.1f} s, which every command pays: import what is heavy where it is used"
        )
    for message in messages:
        warnings.warn(f"while {origin} was imported {message}", PluginWarning, stacklevel=3)


class _Surroundings:
    """What an import must leave as it is."""

    def __init__(self) -> None:
        self.folder = _folder()
        self.main = threading.current_thread() is threading.main_thread()
        self.handlers = {
            n: signal.getsignal(getattr(signal, n)) for n in _SIGNALS if hasattr(signal, n)
        }
        # who draws while other threads run cannot be told, and what they drew must not come again
        self.alone = threading.active_count() == 1
        self.python = random.getstate()
        self.numpy: Any = sys.modules.get("numpy.random")
        self.torch: Any = sys.modules.get("torch")
        self.numbers = self.numpy.get_state() if self.numpy else None
        # in the middle of torch's own import it has no generator yet
        drawn = getattr(self.torch, "get_rng_state", None)
        self.drawn = None if drawn is None else drawn()

    def put_back(self) -> list[str]:
        """Return what was changed, in words."""
        messages = []
        if self.folder and _folder() != self.folder:
            with suppress(OSError):
                os.chdir(self.folder)
            messages.append("it changed the working directory; that was put back")
        for name, handler in self.handlers.items():
            number = getattr(signal, name)
            if self.main and handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
                messages.append(f"it took the signal {name}; that was given back")
        if not (self.alone and threading.active_count() == 1):
            return messages
        moved = []
        if random.getstate() != self.python:
            random.setstate(self.python)
            moved.append("Python's")
        if self.numpy and repr(self.numpy.get_state()) != repr(self.numbers):
            self.numpy.set_state(self.numbers)
            moved.append("numpy's")
        if self.drawn is not None and not self.torch.equal(self.torch.get_rng_state(), self.drawn):
            self.torch.set_rng_state(self.drawn)
            moved.append("torch's")
        if moved:
            messages.append(
                f"it moved {' and '.join(moved)} global random numbers; they were put back"
            )
        return messages


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was deleted
        return ""


@contextmanager
def _descriptor() -> Iterator[IO[bytes] | None]:
    """Let file descriptor 1 write into a file for a while; None where there is none to be had."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        kept = os.dup(1)
    except (OSError, ValueError):
        yield None
        return
    try:
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), 1)
            try:
                yield file
            finally:
                os.dup2(kept, 1)
    finally:
        os.close(kept)


def _content(file: IO[bytes] | None) -> str:
    if file is None:
        return ""
    file.seek(0)
    return file.read(1 << 16).decode("utf-8", "replace")


def _line(text: str) -> str:
    return " ".join(text.split())[:_MOST]
