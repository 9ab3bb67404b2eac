"""The matrix kernels that a program is run with: once a machine compiled, once a process loaded."""

from __future__ import annotations

from functools import cache

import torch

from memcell.recurrent.refusals import Unsupported
from memcell_compiler.build.bfloat16 import bfloat16_here
from memcell_compiler.build.tables import (
    BFLOAT16_FLAGS,
    Kernels,
    bfloat16_source,
    bfloat16_tables,
    float_source,
    float_tables,
)
from memcell_compiler.build.target import Target
from memcell_compiler.build.unit import begin_unit


def kernels(dtype: torch.dtype, target: Target, products: torch.dtype | None = None) -> Kernels:
    """Return the matrix kernels (kept for the process).

    Args:
        dtype: Of all numbers that a program hands over and gets.
        target: The instruction set.
        products: What is multiplied: bfloat16, where that is not of the same type.

    Raises:
        Unsupported: There is no compiler, or this CPU multiplies no bfloat16 numbers.
    """
    if products is not torch.bfloat16:
        return float_tables(dtype, target)
    instruction, why = bfloat16_here()
    if instruction is None:
        raise Unsupported(f"no products of bfloat16 numbers: {why}")
    return bfloat16_tables(target, instruction, BFLOAT16_FLAGS[instruction])


@cache
def begin_kernels(dtype: torch.dtype, target: Target, products: torch.dtype | None = None) -> None:
    """Begin to compile the matrix kernels, unless they are in the cache; once a process."""
    if products is not torch.bfloat16:
        begin_unit(float_source(), dtype, target)
        return
    instruction = bfloat16_here().instruction
    if instruction is not None:
        begin_unit(bfloat16_source(instruction), dtype, target, BFLOAT16_FLAGS[instruction])
