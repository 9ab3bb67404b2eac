"""Optimizers that keep a mean of the weights: that is what is judged and kept, training goes on besides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch


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
