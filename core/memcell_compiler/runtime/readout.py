"""A linear readout with its cross-entropy over a window: one pass of C forwards and one back.

For a small network: torch's own way there and back is a dozen operations, each of which takes longer than all
numbers of a window together. Products are plain loops here, so large readouts are better left to torch.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import torch
from torch import Tensor

from memcell_compiler.build.target import chosen
from memcell_compiler.build.unit import symbol, update_library
from memcell_compiler.runtime.pool import empty

#: Multiplications of a readout in a window up to which this is faster than torch.
SMALL = 1 << 22
#: As in c/update.c: rows of a block, and the most classes side by side.
ROWS, PANEL = 64, 16


class _Readout(ctypes.Structure):
    """``struct readout`` of c/update.c."""

    _fields_ = (
        *((name, ctypes.c_long) for name in ("rows", "width", "features", "classes")),
        *(
            (name, ctypes.c_void_p)
            for name in (
                *("hidden", "x", "weight", "bias", "skip", "target", "class_weight", "row_weight"),
                *("logits", "losses", "log_p", "d_logits", "packed", "d_hidden"),
                *("d_weight", "d_bias", "d_skip"),
            )
        ),
        ("total", ctypes.c_double),
    )


class ReadoutWeights(NamedTuple):
    """What a readout is made of: ``logits = W h + b``, and ``+ S x`` with a linear path.

    Args:
        weight: ``[C, H]``.
        bias: ``[C]``.
        skip: ``[C, F]``, or None.
    """

    weight: Tensor
    bias: Tensor
    skip: Tensor | None


class NativeReadout:
    """Runs readouts of one type of numbers.

    Args:
        dtype: float32 or float64.

    Raises:
        Unsupported: The C cannot be had.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        unit = update_library(dtype, chosen())
        self.dtype = dtype
        self._forward = symbol(unit, "readout_forward")
        self._forward.argtypes, self._forward.restype = (ctypes.c_void_p,), ctypes.c_long
        self._backward = symbol(unit, "readout_backward")
        self._backward.argtypes, self._backward.restype = (ctypes.c_void_p, ctypes.c_double), None

    def takes(self, hidden: Tensor, weights: ReadoutWeights) -> bool:
        """Whether a readout is one that this runs, and faster than torch."""
        weight, bias, skip = weights
        classes, width = weight.shape
        features = 0 if skip is None else skip.shape[1]
        rows = hidden.numel() // max(1, width)
        return (
            rows * classes * (width + features) <= SMALL
            and hidden.dtype is weight.dtype is bias.dtype is self.dtype
            and (skip is None or (skip.dtype is self.dtype and skip.is_contiguous()))
            and weight.is_contiguous()
            and bias.is_contiguous()
        )

    def run(
        self,
        hidden: Tensor,
        x: Tensor,
        weights: ReadoutWeights,
        targets: Tensor,
        step_weights: Tensor,
        class_weights: Tensor | None,
    ) -> ReadoutLoss:
        """Run forwards.

        Args:
            hidden: ``[T, B, H]``.
            x: ``[T, B, F]``, read by a linear path alone.
            weights: Those that it `takes`.
            targets: ``[T, B]`` integers; below 0 counts as class 0, for a step whose weight is 0.
            step_weights: ``[T, B]``, which losses are multiplied by.
            class_weights: ``[C]``, or None.

        Raises:
            IndexError: A target is no class.
        """
        return ReadoutLoss(self, hidden, x, weights, targets, step_weights, class_weights)

    def forward(self, readout: _Readout) -> int:
        """Run forwards; return the first row whose target is no class, -1 for none."""
        wrong: int = self._forward(ctypes.addressof(readout))
        return wrong

    def backward(self, readout: _Readout, share: float) -> None:
        """Run back."""
        self._backward(ctypes.addressof(readout), share)


class ReadoutLoss:
    """A window's logits and losses, and the way back; see `NativeReadout.run`.

    Attributes:
        logits: ``[T, B, C]``.
        losses: ``[T, B]``, weighted.
        total: Their sum.
    """

    def __init__(
        self,
        native: NativeReadout,
        hidden: Tensor,
        x: Tensor,
        weights: ReadoutWeights,
        targets: Tensor,
        step_weights: Tensor,
        class_weights: Tensor | None,
    ) -> None:
        dtype = native.dtype
        weight, bias, skip = weights
        classes, width = weight.shape
        rows = targets.numel()
        hidden, targets = hidden.contiguous(), targets.long().contiguous()
        step_weights = step_weights.to(dtype).contiguous()
        features, skip_at, x_at, class_weights_at = 0, None, None, None
        if skip is not None:
            x = x.to(dtype).contiguous()
            features, skip_at, x_at = skip.shape[1], skip.data_ptr(), x.data_ptr()
        if class_weights is not None:
            class_weights = class_weights.to(dtype).contiguous()
            class_weights_at = class_weights.data_ptr()
        self.logits = empty((*targets.shape, classes), dtype)
        self.losses = empty(targets.shape, dtype)
        # gradients of the logits of one block of rows, log-probabilities of whole blocks, packed weights
        block = classes * ROWS
        blocks = (1 + -(-rows // ROWS)) * block
        panels = -(-classes // PANEL) * PANEL
        room = empty((blocks + (1 + width + features) * panels,), dtype)
        at, size = room.data_ptr(), dtype.itemsize
        self._native, self._weights = native, weights
        self._readout = _Readout(
            *(rows, width, features, classes),
            *(hidden.data_ptr(), x_at, weight.data_ptr(), bias.data_ptr(), skip_at),
            *(targets.data_ptr(), class_weights_at, step_weights.data_ptr()),
            *(self.logits.data_ptr(), self.losses.data_ptr()),
            *(at + block * size, at, at + blocks * size),
        )
        #: What is pointed to.
        self._kept = (hidden, x, targets, step_weights, class_weights, room)
        wrong = native.forward(self._readout)
        if wrong >= 0:
            raise IndexError(
                f"target {int(targets.flatten()[wrong])} is none of the {classes} classes"
            )
        self.total = self._readout.total

    def backward(self, share: float) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the gradient of the summed losses times a share.

        Returns:
            That of ``hidden``, and that of each of the weights that take one, with the weights.
        """
        hidden, o, dtype = self._kept[0], self._readout, self._native.dtype
        d_hidden = empty(hidden.shape, dtype)
        found = [
            (w, torch.zeros(w.shape, dtype=dtype))
            for w in self._weights
            if w is not None and w.requires_grad
        ]
        places = {id(w): d.data_ptr() for w, d in found}
        o.d_weight, o.d_bias, o.d_skip = (places.get(id(w)) for w in self._weights)
        o.d_hidden = d_hidden.data_ptr()
        self._native.backward(o, share)
        return d_hidden, found
