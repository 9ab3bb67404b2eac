"""The matrix kernels as tables of C functions: of floats, and of bfloat16 numbers by each instruction."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import NamedTuple

import torch

from memcell_compiler.build.target import Target
from memcell_compiler.build.unit import load, symbol
from memcell_compiler.c import source_file

#: What multiplies bfloat16 numbers, the fastest first, and what its kernels are compiled with besides.
BFLOAT16_FLAGS = {
    "amx": ("-mavx512bf16", "-mamx-tile", "-mamx-bf16"),
    "vdpbf16ps": ("-mavx512bf16",),
}
_FILES = {
    "amx": ("packing.c", "rounding.c", "amx.c"),
    "vdpbf16ps": ("packing.c", "kernels.c", "rounding.c", "bfloat16.c"),
}


class Kernels(NamedTuple):
    """Addresses of the matrix kernels that a program is run with: tables of ``struct kernels`` of c/base.h.

    Args:
        loop: For the program.
        weights: For packing its weights.
        shared: Whether threads may share the columns of a product (c/share.h).
    """

    loop: int
    weights: int
    shared: bool


def bfloat16_source(instruction: str) -> str:
    """Return the source of the kernels that multiply bfloat16 numbers by an instruction."""
    return "\n".join(map(source_file, _FILES[instruction]))


def float_source() -> str:
    """Return the source of the kernels that multiply float32 or float64 numbers."""
    return "\n".join(map(source_file, ("packing.c", "kernels.c")))


@cache
def bfloat16_library(target: Target, instruction: str, flags: tuple[str, ...]) -> ctypes.CDLL:
    """Return the kernels that multiply bfloat16 numbers by an instruction.

    Args:
        target: The instruction set.
        instruction: One of `BFLOAT16_FLAGS`.
        flags: Its flags there.

    Raises:
        Unsupported: There is no compiler, or it failed.
    """
    return load(bfloat16_source(instruction), torch.float32, target, flags)


@cache
def kernel_library(dtype: torch.dtype, target: Target) -> ctypes.CDLL:
    """Return the matrix kernels, compiled once a machine and loaded once a process."""
    return load(float_source(), dtype, target)


@cache
def bfloat16_tables(target: Target, instruction: str, flags: tuple[str, ...]) -> Kernels:
    """Return the tables of a `bfloat16_library`."""
    library = bfloat16_library(target, instruction, flags)
    loop, weights = (_table(library, f"bfloat16_{name}") for name in ("kernels", "weights"))
    return Kernels(loop, weights, shared=False)


@cache
def float_tables(dtype: torch.dtype, target: Target) -> Kernels:
    """Return the tables of the kernels that multiply float32 or float64 numbers."""
    address = _table(kernel_library(dtype, target), "kernels")
    return Kernels(address, address, shared=True)


def _table(library: ctypes.CDLL, name: str) -> int:
    function = symbol(library, name)
    function.restype = ctypes.c_void_p
    return int(function())
