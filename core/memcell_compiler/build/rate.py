"""How fast this machine's matrix kernel is: the floor that a generated loop is measured against."""

from __future__ import annotations

import ctypes
import time

import torch

from memcell_compiler.build.target import chosen
from memcell_compiler.build.unit import kernel_library

_SAMPLES = 7
_SECONDS = 0.03


def packed_gflops(rows: int, inner: int, columns: int, dtype: torch.dtype) -> float:
    """Return GFLOP/s of ``[rows, inner] x [inner, columns]`` with a packed right factor.

    One thread, the fastest of a few samples by process time; the right factor is packed before.

    Args:
        rows: Of the left factor.
        inner: Its columns.
        columns: Of the right factor.
        dtype: float32 or float64.

    Raises:
        Unsupported: There is no compiler.
    """
    library = kernel_library(dtype, chosen())
    for name in ("packed_size", "multiply"):
        getattr(library, name).restype = ctypes.c_long
    size = library.packed_size(ctypes.c_long(inner), ctypes.c_long(columns))
    packed = torch.rand(size + 64, dtype=dtype)
    left, out = torch.rand(rows, inner, dtype=dtype), torch.zeros(rows, columns, dtype=dtype)
    args = (
        ctypes.c_long(rows),
        ctypes.c_long(columns),
        ctypes.c_long(inner),
        ctypes.c_void_p(left.data_ptr()),
        ctypes.c_long(inner),
        ctypes.c_void_p(-(-packed.data_ptr() // 64) * 64),
        ctypes.c_void_p(out.data_ptr()),
        ctypes.c_long(columns),
        ctypes.c_long(0),
    )
    flops = 2.0 * rows * inner * columns
    # a call through ctypes costs microseconds: tiny products are not timed for ever
    calls = min(5000, max(1, int(_SECONDS * 5e10 / flops)))
    best = min(_sample(library, args, calls) for _ in range(_SAMPLES))
    return flops * calls / best / 1e9


def _sample(library: ctypes.CDLL, args: tuple[object, ...], calls: int) -> float:
    begun = time.process_time()
    for _ in range(calls):
        library.multiply(*args)
    return time.process_time() - begun
