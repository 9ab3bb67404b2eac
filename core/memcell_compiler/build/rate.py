"""How fast this machine's matrix kernel is: the floor that a generated loop is measured against."""

from __future__ import annotations

import ctypes
import time

import torch

from memcell_compiler.build.target import chosen
from memcell_compiler.build.unit import Kernels, kernels

_SAMPLES = 7
_SECONDS = 0.03

_long, _pointer = ctypes.c_long, ctypes.c_void_p
_SIZE = ctypes.CFUNCTYPE(_long, _long, _long)
_PACK = ctypes.CFUNCTYPE(None, _long, _long, _pointer, _long, _long, _pointer, _long, _long)
_COMBINE = ctypes.CFUNCTYPE(None, _long, _long, _long, _pointer, _long, _pointer, _long, _long)


class _KernelTable(ctypes.Structure):
    """``struct kernels``."""

    _fields_ = (
        ("packed_size", _pointer),
        ("pack", _pointer),
        ("multiply", _pointer),
        ("combine", _pointer),
    )


class _ProductPart(ctypes.Structure):
    """``struct segment``."""

    _fields_ = (
        ("depth", _long),
        ("a", _pointer),
        ("lda", _long),
        ("packed", _pointer),
        ("start", _long),
        ("total", _long),
    )


class PackedProduct:
    """A product ``[rows, inner] x [inner, columns]`` in place; called with how often it is done.

    Args:
        left: ``[rows, inner]``, or ``[inner, rows]`` where it lies transposed.
        right: ``[inner, columns]``; it is packed here.
        products: What is multiplied: bfloat16, where that is not of the factors' type.
        turned: The left factor lies transposed, as in a gradient of weights.

    Attributes:
        out: ``[rows, columns]``; of a ``turned`` product the sum over all calls.

    Raises:
        Unsupported: There is no compiler.
    """

    def __init__(
        self,
        left: torch.Tensor,
        right: torch.Tensor,
        products: torch.dtype | None = None,
        turned: bool = False,
    ) -> None:
        dtype, (inner, columns) = left.dtype, right.shape
        rows = left.shape[1] if turned else left.shape[0]
        tables: Kernels = kernels(dtype, chosen(), products)
        table = _KernelTable.from_address(tables.loop)
        packing = table if turned else _KernelTable.from_address(tables.weights)
        size = inner * -(-columns // 16) * 16
        if not turned:
            size = _SIZE(packing.packed_size)(inner, columns)
        self._packed = torch.zeros(size + 64, dtype=dtype)
        packed = -(-self._packed.data_ptr() // 64) * 64
        _PACK(packing.pack)(inner, columns, right.data_ptr(), columns, 0, packed, 0, inner)
        self._left, self.out = left, torch.zeros(rows, columns, dtype=dtype)
        self._segment = _ProductPart(inner, left.data_ptr(), left.shape[1], packed, 0, inner)
        self._combine = _COMBINE(table.combine)
        segment, added = ctypes.addressof(self._segment), int(turned)
        out = self.out.data_ptr()
        self._arguments = (rows, columns, 1, segment, added, out, columns, added)
        self.flops = 2.0 * rows * inner * columns

    def __call__(self, calls: int = 1) -> None:
        """Multiply, so many times."""
        for _ in range(calls):
            self._combine(*self._arguments)


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
    product = PackedProduct(left, right, products)
    # a call through ctypes costs microseconds: tiny products are not timed for ever
    calls = min(5000, max(1, int(_SECONDS * 5e10 / product.flops)))
    best = min(_sample(product, calls) for _ in range(_SAMPLES))
    return product.flops * calls / best / 1e9


def _sample(product: PackedProduct, calls: int) -> float:
    begun = time.process_time()
    product(calls)
    return time.process_time() - begun
