"""Which instruction multiplies bfloat16 numbers on this machine: looked for when it is asked for, once."""

from __future__ import annotations

import ctypes
import warnings
from functools import cache
from typing import NamedTuple

import torch

from memcell.recurrent.refusals import Unsupported
from memcell_compiler.build import target as machine
from memcell_compiler.build.packed import PackedProduct
from memcell_compiler.build.tables import (
    BFLOAT16_FLAGS,
    Kernels,
    bfloat16_library,
    bfloat16_tables,
)
from memcell_compiler.build.target import Target
from memcell_compiler.build.unit import symbol

#: What ``tiles_refused`` of c/amx.c returns.
_REFUSED = {
    1: "this CPU has no tiles that multiply bfloat16 numbers (AMX)",
    2: "the system keeps no tiles of AMX for a process",
    3: "the system refuses this process the tiles of AMX",
}
#: Rows, depth and columns of the products that AMX is tried with, and whether the left factor lies
#: transposed: whole tiles and what is left of them; more than one piece of a depth, of rows, of columns.
_TRIED = (
    (1, 1, 1, False),
    (16, 32, 16, False),
    (37, 45, 51, False),
    (19, 1100, 33, False),
    (37, 45, 51, True),
    (270, 300, 65, True),
)
#: The largest difference, as a share of the sum of what was added up: bfloat16 has 8 bits.
_TOLERANCE = 2.0**-8


class Bfloat16(NamedTuple):
    """What multiplies bfloat16 numbers here.

    Args:
        instruction: ``"amx"`` or ``"vdpbf16ps"``; None where nothing does faster than float32.
        why: Why nothing does, then.
    """

    instruction: str | None
    why: str | None


def bfloat16_here() -> Bfloat16:
    """Return what multiplies bfloat16 numbers on this machine faster than float32.

    That is AMX where the CPU has it, the system allows it, and it gives the right products: before its first
    use in a process it multiplies a few small matrices. Without it, ``vdpbf16ps`` on AMD's CPUs, where it
    was measured (``python -m memcell_benchmarks.bfloat16``); on Intel's that takes twice as long as float32.
    A warning says where AMX is there and ``vdpbf16ps`` is what runs.

    Raises:
        Unsupported: ``MEMCELL_NATIVE_ISA`` names what this machine cannot run.
    """
    maker, instructions = machine.processor()
    if "avx512_bf16" not in instructions or "avx512" not in machine.available():
        return Bfloat16(
            None,
            "this CPU has no fast products of bfloat16 numbers; AMD's have them from Zen 4 on, Intel's "
            "where they have AMX",
        )
    tiles = {"amx_tile", "amx_bf16"} <= instructions
    return _found(machine.chosen(), maker, BFLOAT16_FLAGS["amx"] if tiles else None)


def without_bfloat16() -> str | None:
    """Return why no bfloat16 numbers are multiplied here; None where that is faster than float32.

    Raises:
        Unsupported: As `bfloat16_here`.
    """
    return bfloat16_here().why


@cache
def _found(target: Target, maker: str, tile_flags: tuple[str, ...] | None) -> Bfloat16:
    """Return what multiplies bfloat16 numbers; with flags the CPU says that it has tiles."""
    if target.name != "avx512":
        return Bfloat16(
            None, f"MEMCELL_NATIVE_ISA={target.name} has no products of bfloat16 numbers"
        )
    against = None if tile_flags is None else _against_tiles(target, tile_flags)
    if tile_flags is not None and against is None:
        return Bfloat16("amx", None)
    if maker == "AuthenticAMD":
        if against is not None:
            warnings.warn(f"bfloat16 numbers are multiplied by vdpbf16ps: {against}", stacklevel=2)
        return Bfloat16("vdpbf16ps", None)
    return Bfloat16(
        None,
        against
        or "only on AMD's CPUs are products of bfloat16 numbers outside AMX faster than float32's",
    )


def _against_tiles(target: Target, flags: tuple[str, ...]) -> str | None:
    """Return why AMX is not to be used; None where it is permitted and right."""
    try:
        library = bfloat16_library(target, "amx", flags)
        refused = symbol(library, "tiles_refused")
        refused.restype = ctypes.c_long
        if code := refused():
            return _REFUSED[code]
        error = largest_error(bfloat16_tables(target, "amx", flags))
    except Unsupported as e:
        return f"the kernels of AMX could not be had ({e})"
    if error <= _TOLERANCE:
        return None
    return f"AMX gives wrong products on this CPU (off by {error:.2g}); please report it"


@torch.no_grad()
def largest_error(tables: Kernels) -> float:
    """Return how far a few products of bfloat16 numbers are off, as a share of the sum of what is added up.

    Whole numbers first, of which every sum is exact whatever its order: if one is not, infinity.

    Args:
        tables: The kernels.
    """
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for rows, depth, columns, turned in _TRIED:
        for whole in (True, False):
            left, right = (
                torch.randint(-31, 32, shape, generator=generator).float()
                if whole
                else torch.randn(shape, generator=generator)
                for shape in ((rows, depth), (depth, columns))
            )
            product = PackedProduct(
                left.t().contiguous() if turned else left, right, tables, turned
            )
            product()
            a, b, found = (t.numpy().astype("float64") for t in (left, right, product.out))
            off = abs(found - a @ b)
            if whole and not (off == 0).all():
                return float("inf")
            share = float((off / (abs(a) @ abs(b))).max()) if not whole else 0.0
            largest = max(largest, share) if share == share else float("inf")
    return largest
