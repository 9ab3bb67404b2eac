"""Runs a program on several threads, the caller's among them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_lock = threading.Lock()
_pools: dict[
    tuple[int, int], ThreadPoolExecutor
] = {}  # by process (a fork has no threads) and size


def run(work: Callable[[int], None], threads: int) -> None:
    """Call ``work(0)`` … ``work(threads - 1)`` at the same time.

    ctypes releases the interpreter's lock in a call, so they do run at the same time. One call at a time:
    programs whose threads wait for each other need all of theirs.
    """
    if threads == 1:
        work(0)
        return
    with _lock:
        key = (os.getpid(), threads)
        if key not in _pools:
            _pools[key] = ThreadPoolExecutor(threads - 1, thread_name_prefix="memcell-native")
        others = [_pools[key].submit(work, i) for i in range(1, threads)]
        work(0)
        for other in others:
            other.result()
