"""What the two cells of xLSTM share: heads, a maximum, forget gates that start spread over a range."""

from __future__ import annotations

import torch
from torch import Tensor

from memcell.errors import ConfigError


def head_width(cell: str, hidden_size: int, heads: int) -> int:
    """Return the units of a head.

    Args:
        cell: Name of the cell, for the message.
        hidden_size: H.
        heads: How many.

    Raises:
        ConfigError: H is no multiple of the heads; says which numbers of heads fit.
    """
    if hidden_size % heads:
        fitting = [str(n) for n in range(1, hidden_size + 1) if hidden_size % n == 0]
        few = ", ".join(fitting[:-1][:6]) or "1"
        raise ConfigError(
            f"{cell}: {heads} heads do not divide a hidden_size of {hidden_size}; take heads = {few} or "
            f"{fitting[-1]}, or a hidden_size of {(hidden_size // heads + 1) * heads}"
        )
    return hidden_size // heads


def larger(a: Tensor, b: Tensor) -> Tensor:
    """Return the larger of two, entry by entry: `torch.maximum`, whose gradient is written in place."""
    return torch.where(a > b, a, b)


def spread(bounds: tuple[float, ...], like: Tensor) -> Tensor:
    """Return numbers evenly from the first bound to the last, as many as ``like`` has."""
    return torch.linspace(bounds[0], bounds[-1], like.numel(), dtype=like.dtype, device=like.device)
