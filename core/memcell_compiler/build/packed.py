"""One product with a packed right factor, as programs call it."""

from __future__ import annotations

import ctypes

import torch

from memcell_compiler.build.tables import Kernels

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
        ("fetches", _long),
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
        ("ahead", _pointer),
    )


class PackedProduct:
    """A product ``[rows, inner] x [inner, columns]`` in place; called with how often it is done.

    Args:
        left: ``[rows, inner]``, or ``[inner, rows]`` where it lies transposed.
        right: ``[inner, columns]``; it is packed here.
        tables: The kernels.
        turned: The left factor lies transposed, as in a gradient of weights.

    Attributes:
        out: ``[rows, columns]``; of a ``turned`` product the sum over all calls.
    """

    def __init__(
        self, left: torch.Tensor, right: torch.Tensor, tables: Kernels, turned: bool = False
    ) -> None:
        dtype, (inner, columns) = left.dtype, right.shape
        rows = left.shape[1] if turned else left.shape[0]
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
