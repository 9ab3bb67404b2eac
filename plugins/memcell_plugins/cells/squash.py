"""Squashing functions: those of 1997, by name, and one that keeps what it is given positive."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def _g(x: Tensor) -> Tensor:
    return 4 * torch.sigmoid(x) - 2


def _h(x: Tensor) -> Tensor:
    return 2 * torch.sigmoid(x) - 1


def _identity(x: Tensor) -> Tensor:
    return x


#: g, on the way into the state; ``scaled_sigmoid`` has the range (-2, 2).
INTO_STATE: dict[str, Callable[[Tensor], Tensor]] = {
    "scaled_sigmoid": _g,
    "sigmoid": torch.sigmoid,
}
#: h, on the way out; ``scaled_sigmoid`` has the range (-1, 1).
OUT_OF_STATE: dict[str, Callable[[Tensor], Tensor]] = {
    "scaled_sigmoid": _h,
    "identity": _identity,
}


def positive(x: Tensor) -> Tensor:
    """Return ``x + 0.5`` from 0 on, ``sigma(x)`` below: positive, and smooth enough (Feng et al. 2024)."""
    return torch.relu(x) + torch.sigmoid(-torch.relu(-x))
