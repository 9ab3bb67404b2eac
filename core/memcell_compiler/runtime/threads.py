"""Runs a program on several threads, the caller's among them."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import torch

from memcell.recurrent.refusals import Unsupported
from memcell_compiler.build.target import TARGETS
from memcell_compiler.build.unit import load, symbol
from memcell_compiler.c import source_file

_lock = threading.Lock()
_pools: dict[
    tuple[int, int], ThreadPoolExecutor
] = {}  # by process (a fork has no threads) and size
_process = os.getpid()


def run_program(
    program: Any, window: int, arrays: Sequence[Any], packed: int, scratch: Sequence[int]
) -> None:
    """Run a program on as many threads as there are addresses of scratch.

    On a team of the OpenMP runtime that torch uses, so that its waiting workers do not take the cores that
    the program needs; where that runtime is not known, or gives fewer threads, on threads of our own.

    Args:
        program: The C function.
        window: Address of the window.
        arrays: C array of addresses, one for each thread.
        packed: Address of the packed weights.
        scratch: Addresses, one for each thread.
    """
    threads = len(scratch)
    if threads == 1:
        program(window, arrays[0], packed, scratch[0], 0)
        return
    entries = openmp()
    if entries is not None:
        address = ctypes.cast(program, ctypes.c_void_p)
        rooms = (ctypes.c_void_p * threads)(*scratch)
        each = (ctypes.c_void_p * threads)(*(ctypes.addressof(a) for a in arrays))
        try:
            together = _together()
        except Unsupported:  # its unit could not be had: threads of our own need none
            together = None
        found = ctypes.addressof(entries)
        if together is not None and together(found, address, window, each, packed, rooms) == 0:
            return
    run(lambda i: program(window, arrays[i], packed, scratch[i], i), threads)


class OpenMP(ctypes.Structure):
    """``struct openmp`` of c/team.c: entries of the OpenMP runtime that torch has loaded."""

    _fields_ = (
        ("parallel", ctypes.c_void_p),
        ("number", ctypes.c_void_p),
        ("count", ctypes.c_void_p),
    )


def openmp() -> OpenMP | None:
    """Return the runtime's entries; None where torch has none that is known, and in a forked process.

    Its workers do not live on in a fork, and a team of them would wait for ever there.
    """
    return _openmp() if os.getpid() == _process else None


@cache
def _openmp() -> OpenMP | None:
    try:
        process = ctypes.CDLL(None)
        names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
        found = [ctypes.cast(getattr(process, name), ctypes.c_void_p).value for name in names]
    except (
        AttributeError,
        OSError,
        TypeError,
    ):  # TypeError: systems without a name for the process
        return None
    return OpenMP(*found)


@cache
def _together() -> Any:
    library = load(source_file("team.c"), torch.float32, TARGETS["baseline"])
    function = symbol(library, "together")
    function.argtypes, function.restype = (ctypes.c_void_p,) * 6, ctypes.c_long
    return function


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
