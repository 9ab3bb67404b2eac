"""Commands that are run at alarms; the stream waits for none of them.

A command is started as it was typed, without a shell, in a process group of its own. It gets the facts of
its alarm as JSON on the standard input and as environment variables (``MEMCELL_ONSET`` and so on). At most
`MOST` run at once, each for a limited time; then it is ended, with the processes it started. What it prints
goes nowhere, but for the last line of its errors, which is shown when it fails the first time; later failures
are counted.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from memcell.errors import ConfigError, UsageError

#: Commands that run at once.
MOST = 4
#: Seconds between a request to end and the end.
_GRACE = 1.0
#: Seconds between two looks at a running command.
_LOOK = 0.05
#: Bytes of its errors that are kept.
_TAIL = 2000


def split(kind: str, command: str) -> list[str]:
    """Return the words of a command; none where none is asked for.

    Args:
        kind: The kind of event it was typed for.
        command: As typed.

    Raises:
        ConfigError: A quote is not closed.
    """
    try:
        return shlex.split(command, posix=os.name == "posix")
    except ValueError as error:
        raise ConfigError(f"'{_option(kind)}' got '{command}': {error}; close the quote.") from None


def check_program(kind: str, command: str) -> None:
    """Refuse a command whose program is not there.

    Raises:
        UsageError: It is not, or must not be run.
    """
    words = split(kind, command)
    if words and shutil.which(words[0]) is None:
        shell = " (what a shell understands is written sh -c '...')" if os.name == "posix" else ""
        raise UsageError(
            f"--{_option(kind)}: no program '{words[0]}' that may be run; type its path{shell}."
        )


def _option(kind: str) -> str:
    return f"on-{kind.replace('_', '-')}"


class Commands:
    """Runs commands, each in a thread that ends it in time.

    Args:
        words: The command of each kind of event.
        seconds: Longest time that a command may take.
    """

    def __init__(self, words: Mapping[str, Sequence[str]], seconds: float) -> None:
        self._words, self._seconds = words, seconds
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._running: set[threading.Thread] = set()
        self._news: deque[str] = deque()
        self._told: set[str] = set()
        self._counts = dict.fromkeys(("started", "failed", "out_of_time", "skipped"), 0)

    def start(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Start the command of a kind of event, if it has one, and return at once."""
        words = self._words.get(kind)
        if not words:
            return
        with self._lock:
            if len(self._running) >= MOST:
                self._problem(
                    kind,
                    "skipped",
                    f"{MOST} commands of alarms are still running: '{words[0]}' was not started",
                )
                return
            self._counts["started"] += 1
            thread = threading.Thread(
                target=self._run, args=(words, kind, dict(facts)), daemon=True
            )
            self._running.add(thread)
        thread.start()

    def news(self) -> list[str]:
        """Return what the user should be told since the last call."""
        with self._lock:
            found = list(self._news)
            self._news.clear()
        return found

    def summary(self) -> dict[str, int]:
        """Return how many commands were started, failed, were ended and were skipped."""
        with self._lock:
            return dict(self._counts)

    def close(self, seconds: float = 2.0) -> None:
        """Give running commands so many seconds, then end them."""
        until = time.monotonic() + seconds
        for last in (until, until + _GRACE + 1):
            with self._lock:
                threads = list(self._running)
            for thread in threads:
                thread.join(max(0.0, last - time.monotonic()))
            self._ending.set()

    def _run(self, words: Sequence[str], kind: str, facts: Mapping[str, Any]) -> None:
        try:
            self._one(words, kind, facts)
        except OSError as error:
            with self._lock:
                self._problem(
                    kind, "failed", f"'{words[0]}' cannot be run: {error.strerror or error}"
                )
        finally:
            with self._lock:
                self._running.discard(threading.current_thread())

    def _one(self, words: Sequence[str], kind: str, facts: Mapping[str, Any]) -> None:
        named = {f"MEMCELL_{n.upper()}": "" if v is None else str(v) for n, v in facts.items()}
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if os.name == "posix" else subprocess.DEVNULL,
            env={**os.environ, "MEMCELL_KIND": kind, **named},
            start_new_session=True,
        )
        assert process.stdin is not None
        with suppress(OSError), process.stdin as file:  # it need not read: a pipe holds so much
            file.write((json.dumps({"kind": kind, **facts}) + "\n").encode())
        said, cut = self._watch(process)
        code = process.wait()
        last = (said.decode(errors="replace").strip().splitlines() or [""])[-1][:200]
        with self._lock:
            if cut:
                self._problem(kind, "out_of_time", f"'{words[0]}' {cut}")
            elif code:
                why = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
                self._problem(kind, "failed", f"'{words[0]}' {why}" + (f": {last}" if last else ""))

    def _watch(self, process: subprocess.Popen[bytes]) -> tuple[bytes, str]:
        """Wait for a command with all it started; return its last errors, and why it was ended if it was."""
        until, said, errors = time.monotonic() + self._seconds, b"", process.stderr
        while process.poll() is None or _group(process, 0):
            if self._ending.is_set() or time.monotonic() > until:
                over = process.returncode is not None  # what is left was started by it
                _end(process)
                if errors is not None:
                    errors.close()
                if over:
                    return said, ""
                if self._ending.is_set():
                    return said, "was still running when the stream ended, and was ended with it"
                return said, f"ran for more than {self._seconds:g} s and was ended"
            said, errors = _read(said, errors)
        while errors is not None and select.select([errors], [], [], 0)[0]:
            said, errors = _read(said, errors)
        if errors is not None:
            errors.close()
        return said, ""

    def _problem(self, kind: str, problem: str, line: str) -> None:
        """Count a problem, and tell the first of its kind."""
        self._counts[problem] += 1
        if problem not in self._told:
            self._told.add(problem)
            self._news.append(
                f"note: --{_option(kind)}: {line}; the stream continues, and further ones are only counted"
            )


def _read(said: bytes, errors: IO[bytes] | None) -> tuple[bytes, IO[bytes] | None]:
    """Read what a command wrote, or wait a moment; None once it has closed its errors."""
    if errors is None or not select.select([errors], [], [], _LOOK)[0]:
        if errors is None:
            time.sleep(_LOOK)
        return said, errors
    more = os.read(errors.fileno(), 1 << 16)
    if more:
        return (said + more)[-_TAIL:], errors
    errors.close()
    return said, None


def _group(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to a command and all that it started; return whether anything is left of them."""
    if not hasattr(os, "killpg"):
        if number and process.poll() is None:
            process.terminate()
        return process.poll() is None
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # what is left runs as another user
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started: asked first, then made to."""
    _group(process, signal.SIGTERM)
    until = time.monotonic() + _GRACE
    while time.monotonic() < until and (process.poll() is None or _group(process, 0)):
        time.sleep(_LOOK)
    _group(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait()
