"""Learned start: every batch starts from a trained state.

As ``reset``, with h0, c0, ... as parameters of the model (one set for all lanes, zeros at first) instead
of zeros. They are trained through every window that starts or restarts a lane.
"""

from __future__ import annotations

import torch
from torch import nn

from memcell.recurrent.policy import StatePolicy
from memcell.recurrent.start import Start
from memcell.recurrent.state import State, leaves, rebuild


class LearnedStart(Start):
    """A trained state.

    Args:
        template: A state of one lane, ``[1, …]`` tensors, a tuple over layers.
    """

    def __init__(self, template: State) -> None:
        super().__init__(template)
        self.parts = nn.ParameterList(nn.Parameter(torch.zeros_like(t)) for t in leaves(template))

    def forward(self, batch_size: int, device: torch.device, dtype: torch.dtype) -> State:
        """Return the trained state in every lane, ``[B, …]``."""
        lanes = (part.to(device, dtype).expand(batch_size, *part.shape[1:]) for part in self.parts)
        return rebuild(self.template, lanes)


class Learned(StatePolicy):
    """Start every batch from the model's trained start.

    Args:
        config: Ignored; the policy has no options.
    """

    def __init__(self, config: object = None) -> None:
        super().__init__()

    def make_start(self, template: State) -> Start:
        """Return a `LearnedStart`."""
        return LearnedStart(template)
