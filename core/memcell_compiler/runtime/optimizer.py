"""The end of an update in C: the bound on the gradients' norm and a step of Adam, for all parameters at once.

For a small network torch's operations on some thousand numbers take longer than the numbers do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from memcell_compiler.build.target import chosen
from memcell_compiler.build.unit import symbol, update_library

#: Numbers of all parameters up to which one thread of this is as fast as torch.
SMALL = 1 << 20


class Moments(NamedTuple):
    """What Adam keeps of a parameter.

    Args:
        mean: Of the gradient.
        square: Of its square.
        steps: How many there were, float32.
    """

    mean: Tensor
    square: Tensor
    steps: Tensor


class AdamOptions(ctypes.Structure):
    """``struct adam`` of c/update.c.

    Args:
        rate: The learning rate.
        beta1: Share of the mean that is kept.
        beta2: Share of the square that is kept.
        eps: Added to the root of the square.
        decay: Of weights.
        decoupled: Whether weights decay by themselves (AdamW), 0 or 1; else the decay is in the gradient.
    """

    _fields_ = (
        *((name, ctypes.c_double) for name in ("rate", "beta1", "beta2", "eps", "decay")),
        ("decoupled", ctypes.c_long),
    )


class NativeParameters:
    """Parameters and what an optimizer keeps of them, by their addresses.

    Args:
        parameters: On the CPU, contiguous, of one type.
        moments: Of each.

    Raises:
        Unsupported: The C cannot be had.
    """

    def __init__(self, parameters: Sequence[Tensor], moments: Sequence[Moments]) -> None:
        unit = update_library(parameters[0].dtype, chosen())
        self.parameters, self.moments = list(parameters), list(moments)
        self.count = n = len(parameters)
        self._sizes = (ctypes.c_long * n)(*(p.numel() for p in parameters))
        addresses = ctypes.c_void_p * n
        self._gradients = addresses()
        self._values = addresses(*(p.data_ptr() for p in parameters))
        self._means, self._squares, self._steps = (
            addresses(*(t.data_ptr() for t in each)) for each in zip(*moments, strict=True)
        )
        self._placed = self._places()
        self._options = AdamOptions()
        pointer, long = ctypes.c_void_p, ctypes.c_long
        self._clip, self._adam = symbol(unit, "clip"), symbol(unit, "adam")
        self._clip.argtypes = (long, pointer, pointer, ctypes.c_double)
        self._clip.restype = ctypes.c_double
        self._adam.argtypes, self._adam.restype = (long, *(pointer,) * 7), long

    @staticmethod
    def can(parameters: Sequence[Tensor], moments: Sequence[Moments]) -> bool:
        """Whether parameters and moments are of the kind that this takes, and not too many."""
        dtype = parameters[0].dtype
        return (
            dtype in (torch.float32, torch.float64)
            and sum(p.numel() for p in parameters) <= SMALL
            and all(
                _plain(p, dtype)
                and all(_plain(t, dtype) and t.shape == p.shape for t in m[:2])
                and _plain(m.steps, torch.float32)
                and m.steps.numel() == 1
                for p, m in zip(parameters, moments, strict=True)
            )
        )

    @property
    def stand(self) -> bool:
        """Whether all lie in the memory where they lay."""
        return self._places() == self._placed

    def take_gradients(self) -> bool:
        """Note where gradients lie; return whether each parameter has a plain one of its own type."""
        addresses = self._gradients
        for i, parameter in enumerate(self.parameters):
            gradient = parameter.grad
            if (
                gradient is None
                or gradient.dtype is not parameter.dtype
                or gradient.layout is not torch.strided
                or not gradient.is_contiguous()
                or type(gradient) is not Tensor
            ):
                return False
            addresses[i] = gradient.data_ptr()
        return True

    def clip(self, limit: float) -> float:
        """Scale the gradients down to a norm over all of them, and return the norm that they had."""
        norm: float = self._clip(self.count, self._sizes, self._gradients, limit)
        return norm

    def adam(
        self, rate: float, betas: tuple[float, float], eps: float, decay: float, decoupled: bool
    ) -> bool:
        """Take a step of Adam; return whether it was possible: all parameters have had the same steps.

        Args:
            rate: The learning rate.
            betas: Shares of the mean and of the square that are kept.
            eps: Added to the root of the square.
            decay: Of weights.
            decoupled: Whether weights decay by themselves (AdamW).
        """
        o = self._options
        o.rate, (o.beta1, o.beta2), o.eps = rate, betas, eps
        o.decay, o.decoupled = decay, decoupled
        done = self._adam(
            self.count,
            self._sizes,
            self._values,
            self._gradients,
            self._means,
            self._squares,
            self._steps,
            ctypes.addressof(o),
        )
        if done:
            # who has packed the weights must see that they have changed
            torch.autograd.graph.increment_version(self.parameters)
        return bool(done)

    def _places(self) -> list[int]:
        return [
            t.data_ptr()
            for p, m in zip(self.parameters, self.moments, strict=True)
            for t in (p, *m)
        ]


def _plain(tensor: Tensor, dtype: torch.dtype) -> bool:
    return (
        tensor.dtype is dtype
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and tensor.is_contiguous()
        and type(tensor) in (Tensor, torch.nn.Parameter)
    )
