"""Mixed precision: torch's autocast to bfloat16, and what it means on a CPU.

Under autocast generated C multiplies bfloat16 numbers (`memcell_compiler.runtime.products`) where the CPU is
faster so; on another CPU it goes on in float32, and `without_bfloat16` says why. A layer that runs on another
backend runs under torch's own autocast.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from memcell.backends.backend import Backend
from memcell.recurrent.cell import Cell
from memcell_compiler.backend import NativeBackend
from memcell_compiler.build.bfloat16 import without_bfloat16 as without_bfloat16


def mixed_precision(device: torch.device, asked: bool) -> torch.autocast:
    """Return what runs a network in bfloat16 where that is safe, if it was asked for.

    On a device that `stays_float32`, all of it does.

    Args:
        device: Where the network is.
        asked: Whether it was.
    """
    enabled = asked and stays_float32(device) is None
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def stays_float32(device: torch.device) -> str | None:
    """Return why mixed precision changes nothing on a device, None where it does."""
    return without_bfloat16() if device.type == "cpu" else None


def mixed_if_faster(
    device: torch.device, asked: bool, what: str, say: Callable[[str], None]
) -> bool:
    """Return whether mixed precision, if it was asked for, changes anything on a device; say why not.

    Args:
        device: Where the network is.
        asked: Whether it was.
        what: What is run, as in "this run is in float32".
        say: Receives the line for the person.
    """
    why = stays_float32(device) if asked else None
    if why is not None:
        say(f"--mixed-precision: {why}; {what} in float32")
    return asked and why is None


def in_bfloat16(cell: Cell) -> bool:
    """Whether autocast asks for a cell in bfloat16 on the CPU; float64 is left alone by it."""
    if not torch.is_autocast_enabled("cpu"):
        return False
    weight = next(cell.parameters(), None)
    return (
        weight is not None
        and weight.is_cpu
        and weight.dtype is torch.float32
        and torch.get_autocast_dtype("cpu") is torch.bfloat16
    )


def phrase(backend: Backend, cell: Cell) -> str:
    """Return where a cell runs, after "it runs", and what autocast makes of it."""
    if not in_bfloat16(cell):
        return backend.phrase
    if not isinstance(backend, NativeBackend):
        return f"{backend.phrase} under torch's autocast to bfloat16"
    why = without_bfloat16()
    return (
        f"{backend.phrase} in float32 ({why})"
        if why
        else f"{backend.phrase}, its products in bfloat16"
    )
