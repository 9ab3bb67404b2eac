"""Ctrl-C, SIGTERM and SIGHUP, turned into a question that the loop asks after each update."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from memcell.errors import MemcellError


class Interrupted(MemcellError):
    """Training was stopped by the person; the checkpoint is written."""

    exit_code = 130


class Interrupts:
    """While entered, the first signal only sets ``requested``; a second Ctrl-C or SIGTERM stops at once.

    SIGHUP, sent where a terminal or a connection closes, asks to stop and never stops at once, since it comes
    from several sides then; where it is ignored (``nohup``) it stays so. Outside the main thread, where
    Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._typed = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
            if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
                self._previous[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._hung_up)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._typed:
            raise KeyboardInterrupt
        self.requested = self._typed = True

    def _hung_up(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
