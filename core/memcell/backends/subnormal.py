"""Subnormal numbers as zeros, for a while: some processors take 150 cycles for each of them.

Generated code sets the mode itself, on each of its threads (`memcell_compiler/c/flush.h`). Here it is set for
what torch computes on the calling thread.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushed() -> Iterator[None]:
    """Let subnormal numbers count as zero in what this thread computes inside; the mode is given back.

    Torch's other threads keep theirs (`torch.set_flush_denormal` reaches one thread only). Where the
    person has set the mode, or a part of it, it stays as it is.
    """
    if torch.compiler.is_compiling() or any(_flushes()):
        yield
        return
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _flushes() -> tuple[bool, bool]:
    """Return whether this thread's subnormal results and operands count as zero.

    Torch cannot be asked; Python's own numbers are computed in the same mode.
    """
    return sys.float_info.min * 0.5 == 0.0, _LEAST * 2.0**100 == 0.0


#: The smallest subnormal number: by its bits, for arithmetic may flush it.
(_LEAST,) = struct.unpack("<d", bytes([1, 0, 0, 0, 0, 0, 0, 0]))
