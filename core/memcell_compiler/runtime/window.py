"""What one call of a program is told besides its arrays: ``struct window`` of c/base.h."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from memcell.recurrent.step_masks import StepMasks


class Meeting(ctypes.Structure):
    """``struct meeting``: where threads wait for each other."""

    _fields_ = (("arrived", ctypes.c_long), ("round", ctypes.c_long))


class Window(ctypes.Structure):
    """``struct window``."""

    _fields_ = (
        ("steps", ctypes.c_long),
        ("lanes", ctypes.c_long),
        ("threads", ctypes.c_long),
        ("block", ctypes.c_long),
        ("chunk", ctypes.c_long),
        ("ring", ctypes.c_long),
        ("phase", ctypes.c_long),
        ("split", ctypes.c_long),
        ("resets", ctypes.c_void_p),
        ("any_reset", ctypes.c_void_p),
        ("valid", ctypes.c_void_p),
        ("all_valid", ctypes.c_void_p),
        ("returned", ctypes.c_void_p),
        ("kernels", ctypes.c_void_p),
        ("meeting", ctypes.c_void_p),
        ("shared", ctypes.c_void_p),
    )


class NativeMasks:
    """A window's step masks as programs read them.

    Args:
        masks: Resets and padding.
        return_steps: Numbers of steps, from 1, after which the state is returned, rising.
    """

    def __init__(self, masks: StepMasks, return_steps: Sequence[int]) -> None:
        self.resets = masks.resets.contiguous() if any(masks.any_reset) else None
        self.valid = None if all(masks.all_valid) else masks.valid.contiguous()
        steps = masks.time_steps
        flags = ctypes.c_uint8 * steps
        self.any_reset = flags.from_buffer_copy(bytes(masks.any_reset))
        self.all_valid = flags.from_buffer_copy(bytes(masks.all_valid))
        longs = ctypes.c_long * (steps + 1)
        self.returned = longs.from_buffer_copy(b"\xff" * ctypes.sizeof(longs))  # each -1
        for i, step in enumerate(return_steps):
            self.returned[step] = i

    @property
    def plain(self) -> bool:
        """Whether no lane is reset and none is padding."""
        return self.resets is None and self.valid is None

    def put(self, window: Window) -> None:
        """Set a window's pointers; they hold as long as this object."""
        window.resets = _address(self.resets)
        window.valid = _address(self.valid)
        window.any_reset = ctypes.addressof(self.any_reset)
        window.all_valid = ctypes.addressof(self.all_valid)
        window.returned = ctypes.addressof(self.returned)


def _address(tensor: Tensor | None) -> int | None:
    if tensor is None:
        return None
    assert tensor.dtype == torch.bool
    assert tensor.is_contiguous()
    return tensor.data_ptr()
