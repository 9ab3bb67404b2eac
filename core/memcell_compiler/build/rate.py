"""How fast this machine's matrix kernel is: the floor that a generated loop is measured against."""

from __future__ import annotations

import time

import torch

from memcell_compiler.build.kernels import kernels
from memcell_compiler.build.packed import PackedProduct
from memcell_compiler.build.target import chosen

_SAMPLES = 7
_SECONDS = 0.03


def packed_gflops(
    rows: int,
    inner: int,
    columns: int,
    dtype: torch.dtype,
    products: torch.dtype | None = None,
) -> float:
    """Return GFLOP/s of ``[rows, inner] x [inner, columns]`` with a packed right factor.

    One thread, the fastest of a few samples by process time; the right factor is packed before.

    Args:
        rows: Of the left factor.
        inner: Its columns.
        columns: Of the right factor.
        dtype: float32 or float64.
        products: bfloat16, where that is what is multiplied.

    Raises:
        Unsupported: There is no compiler.
    """
    left, right = torch.rand(rows, inner, dtype=dtype), torch.rand(inner, columns, dtype=dtype)
    product = PackedProduct(left, right, kernels(dtype, chosen(), products))
    # a call through ctypes costs microseconds: tiny products are not timed for ever
    calls = min(5000, max(1, int(_SECONDS * 5e10 / product.flops)))
    best = min(_sample(product, calls) for _ in range(_SAMPLES))
    return product.flops * calls / best / 1e9


def _sample(product: PackedProduct, calls: int) -> float:
    begun = time.process_time()
    product(calls)
    return time.process_time() - begun
