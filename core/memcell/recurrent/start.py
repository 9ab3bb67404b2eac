"""Starts: the state that a restarted lane has. Trainable starts live inside the trained model."""

from __future__ import annotations

import torch
from torch import nn

from memcell.recurrent.state import State, map_state


class Start(nn.Module):
    """Base class: makes the state of a lane that remembers nothing.

    Args:
        template: A state of zeros for one lane (``[1, …]`` tensors, a tuple over layers).
    """

    def __init__(self, template: State) -> None:
        super().__init__()
        self.template = template

    def forward(self, batch_size: int, device: torch.device, dtype: torch.dtype) -> State:
        """Return the start of ``batch_size`` lanes."""
        raise TypeError(f"{type(self).__name__} does not define forward")


class ZeroStart(Start):
    """Zeros."""

    def forward(self, batch_size: int, device: torch.device, dtype: torch.dtype) -> State:
        """Return zeros ``[B, …]``."""
        return map_state(
            lambda t: torch.zeros(batch_size, *t.shape[1:], device=device, dtype=dtype),
            self.template,
        )
