"""``signal.c``, compiled when first wanted and kept in the cache of compiled code; None where that cannot be.

Whoever calls a function of it has numpy or scipy code that gives the same numbers, for machines without a
compiler.
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import Unsupported
from memcell_compiler.build.cache import fetch, load
from memcell_compiler.build.compiler import FLAGS, find_compiler
from memcell_compiler.build.target import TARGETS, processor

_SOURCE = Path(__file__).with_name("signal.c")
#: A product and a sum are rounded each, as numpy and scipy do.
_FLAGS = ("-O3", "-ffp-contract=off")

_L, _D, _P = ctypes.c_long, ctypes.c_double, ctypes.c_void_p
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "decode": (None, [_P, _L, _L, _L, _L, _L, _D, _D, _D, _D, _P]),
    "finite": (_L, [_P, _L]),
    "still": (_L, [_P, _L, _L, _D, _L, _L]),
    "quiet": (_L, [_P, _L, _L, _L, _P, _L, _L, _L, _P, _L, _P, _P, _P]),
    "moves": (None, [_P, _L, _L, _L, _P, _P]),
    "wide": (_L, [_P, _L, _L, _D, _P]),
    "jumps": (None, [_P, _L, _L, _P]),
    "resample": (None, [_P, _L, _L, _L, _L, _P, _L, _L, _L, _P, _P]),
    "powers": (
        None,
        [_P, _L, _L, _L, _L, _L, _P, _L, _P, _P, _P, _L, _L, _P, _P],
    ),
    "normalize": (None, [_P, _L, _L, _P, _P, _P, _P, _L, _P, _P]),
    "sections": (None, [_P, _L, _L, _P, _L, _P]),
}


@cache
def functions() -> Any:
    """Return an object with the functions of ``signal.c`` without their prefix; None where there is none."""
    try:
        compiler = find_compiler()
        flags = (*_instructions(), *_FLAGS)
        parts = sorted(_SOURCE.parent.glob("*.h"))
        text = b"".join(path.read_bytes() for path in (_SOURCE, *parts))
        told = repr((compiler.command, compiler.version, FLAGS, flags, platform.machine()))
        key = hashlib.sha256(text + told.encode()).hexdigest()[:32]
        library = load(fetch(key, lambda path: compiler.compile(_SOURCE, path, flags)))
        found = type("Signal", (), {})()
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, f"memcell_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(found, name, function)
    except (Unsupported, OSError, AttributeError):
        return None
    return found


def _instructions() -> tuple[str, ...]:
    """Return the flags for the instructions that this processor says it has; torch is not imported for it."""
    has = processor()[1]
    for target in (TARGETS["avx512"], TARGETS["avx2"]):
        if all(f[2:] in has for f in target.flags if f.count("-") == 1):
            return target.flags
    return ()


def address(array: NDArray[Any]) -> int:
    """Return where an array's numbers begin; they have to follow each other.

    Raises:
        ValueError: They do not.
    """
    if not array.flags.c_contiguous:
        raise ValueError("the array's numbers do not follow each other")
    return int(array.__array_interface__["data"][0])


def has_rows(array: NDArray[Any]) -> bool:
    """Whether an array holds rows of doubles that follow each other; the rows may lie apart."""
    return (
        array.dtype == np.float64 and array.ndim == 2 and array.strides[1] == 8 <= array.strides[0]
    )


def is_row(array: NDArray[Any]) -> bool:
    """Whether an array holds doubles that follow each other."""
    return array.dtype == np.float64 and array.flags.c_contiguous
