"""Work begun before its result is wanted: the compiler is a process of its own and takes another core."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable

_lock = threading.Lock()
_under_way: dict[tuple[int, Hashable], threading.Thread] = {}  # by process: a fork has no threads


def begin(key: Hashable, work: Callable[[], object]) -> None:
    """Start some work on a thread, unless it is under way.

    Args:
        key: What it is, for `finished`.
        work: Leaves its result where it is looked for afterwards. What it raises is dropped: whoever
            wants the result does the work again and says why it fails.
    """

    def quietly() -> None:
        try:
            work()
        except Exception:
            return

    with _lock:
        if (os.getpid(), key) not in _under_way:
            thread = threading.Thread(target=quietly, name="memcell-native-prefetch")
            try:
                thread.start()
            except RuntimeError:  # no more threads: whoever wants the result does the work
                return
            _under_way[os.getpid(), key] = thread


def finished(key: Hashable) -> None:
    """Wait for work that is under way."""
    with _lock:
        thread = _under_way.get((os.getpid(), key))
    if thread is None or thread is threading.current_thread():
        return
    thread.join()
    with _lock:
        _under_way.pop((os.getpid(), key), None)
