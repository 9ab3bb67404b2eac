"""From a step's features to the cell's input, each step by itself."""

from __future__ import annotations

import torch
from torch import nn


class NoEncoder(nn.Module):
    """The features as they are: ``[T, B, F] -> [T, B, F]``."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.output_size = n_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features."""
        return x


class LinearEncoder(nn.Module):
    """A learned projection of each step, ``tanh(W x + b)``: ``[T, B, F] -> [T, B, size]``.

    Args:
        n_features: F.
        size: Outputs.
    """

    def __init__(self, n_features: int, size: int) -> None:
        super().__init__()
        self.output_size = size
        self.linear = nn.Linear(n_features, size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the projection."""
        return torch.tanh(self.linear(x))
