"""The learning rate over a run, and optimizers that keep a mean of the weights.

The rate is a pure function of the update, so that nothing needs saving. Where an optimizer keeps a mean of
the weights, that is what is validated and kept, and training goes on besides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch


def learning_rate(schedule: str, base: float, update: int, total: int, warmup: int) -> float:
    """Return the rate of an update.

    Args:
        schedule: ``"constant"``, ``"cosine"`` or ``"linear"``; the last two end at a tenth.
        base: The highest rate.
        update: Number of the update, from 0.
        total: Updates of the whole run.
        warmup: Updates over which the rate rises linearly to ``base``.

    >>> learning_rate("linear", 1.0, 100, 100, 0)
    0.1
    """
    if update < warmup:
        return base * (update + 1) / warmup
    done = min(1.0, (update - warmup) / max(1, total - warmup))
    if schedule == "cosine":
        return base * (0.1 + 0.9 * 0.5 * (1.0 + math.cos(math.pi * done)))
    if schedule == "linear":
        return base * (1.0 - 0.9 * done)
    return base


@runtime_checkable
class Averages(Protocol):
    """An optimizer with means of its parameters."""

    def swap(self) -> None:
        """Exchange the parameters with their means; twice is nothing."""


@contextmanager
def averaged(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Within it, the parameters are their means, where the optimizer keeps such."""
    if not isinstance(optimizer, Averages):
        yield
        return
    optimizer.swap()
    try:
        yield
    finally:
        optimizer.swap()


def take_averages(optimizer: torch.optim.Optimizer) -> None:
    """Leave the parameters at their means, where the optimizer keeps such."""
    if isinstance(optimizer, Averages):
        optimizer.swap()
