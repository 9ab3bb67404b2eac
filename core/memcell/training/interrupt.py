"""Ctrl-C and SIGTERM, turned into a question that the loop asks after each update."""

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
    """While entered, the first signal only sets ``requested``; a second one stops at once.

    Outside the main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
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
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
