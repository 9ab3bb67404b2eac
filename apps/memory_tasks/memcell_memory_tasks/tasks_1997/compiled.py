"""``real_time.c``, compiled when first wanted and kept in the cache; None where there is no compiler."""

from __future__ import annotations

import ctypes
import hashlib
import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.recurrent.refusals import Unsupported
from memcell_compiler.build.cache import fetch, load
from memcell_compiler.build.compiler import FLAGS, find_compiler

_SOURCE = Path(__file__).with_name("real_time.c")
LONGS = ctypes.POINTER(ctypes.c_long)
_DOUBLES = ctypes.POINTER(ctypes.c_double)

#: Fields of the C structure ``net`` in order.
_LONGS = ("inputs", "cells", "blocks", "outputs", "squash_in", "squash_out")
_ARRAYS = ("w", "out", "bias", "direct", "trained", "cell_part", "gate_part")
_WORKSPACE = ("of_cell", "of_in", "v", "act", "s", "h", "read", "slope", "e", "back")


class Net(ctypes.Structure):
    """The structure ``net`` of `real_time.c`."""

    _fields_ = (
        *((name, ctypes.c_long) for name in _LONGS),
        ("rate", ctypes.c_double),
        *((name, _DOUBLES) for name in _ARRAYS),
        ("seen", LONGS),
        *((name, _DOUBLES) for name in _WORKSPACE),
    )


@cache
def learner() -> Any:
    """Return the C function ``learn``, or None where it cannot be had."""
    try:
        compiler = find_compiler()
        text = _SOURCE.read_bytes()
        told = repr((compiler.command, compiler.version, FLAGS, platform.machine()))
        key = hashlib.sha256(text + told.encode()).hexdigest()
        library = load(fetch(key, lambda path: compiler.compile(_SOURCE, path, ())))
    except (Unsupported, OSError):
        return None
    learn = library.learn
    learn.restype = None
    return learn


def pointer(array: NDArray[np.float64] | None) -> Any:
    """Return where an array's numbers are; null for None."""
    return None if array is None else array.ctypes.data_as(_DOUBLES)
