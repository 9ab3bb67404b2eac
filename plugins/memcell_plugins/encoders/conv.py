"""A causal convolution over time before the memory.

After T. Sainath et al., "Convolutional, long short-term memory, fully connected deep neural networks" (ICASSP
2015), whose convolutions run along frequency; here they run along time, and without the future::

    y_t = tanh(b + sum_{j=0}^{k-1} W_j x_{t-j})

with x = 0 before a lane's start. The last k - 1 inputs are the state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.encoders.configs import ConvConfig


class ConvState(NamedTuple):
    """past ``[B, (k - 1) I]``, the last inputs, the oldest first."""

    past: Tensor


class Conv(Cell):
    """Causal convolution over the last k steps; a reset of memory empties its past too.

    Args:
        input_size: I.
        config: k and the number of outputs.
    """

    state_type = ConvState

    def __init__(self, input_size: int, config: ConvConfig) -> None:
        super().__init__(input_size, config.channels)
        self.before = (config.kernel - 1) * input_size
        self.weight_input = nn.Parameter(torch.empty(config.channels, input_size))
        self.weight_past = nn.Parameter(torch.empty(config.channels, self.before))
        self.bias = nn.Parameter(torch.zeros(config.channels))
        bound = 1 / math.sqrt(config.kernel * input_size)
        nn.init.uniform_(self.weight_input, -bound, bound)
        nn.init.uniform_(self.weight_past, -bound, bound)

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Width of the past."""
        return {"past": (self.before,)}

    def project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``W_0 x + b`` ``[T, B, C]``, and x itself, which the next steps need."""
        return F.linear(x, self.weight_input, self.bias), x

    def step(
        self, p: tuple[Tensor, Tensor], state: ConvState, norm: Norm
    ) -> tuple[Tensor, ConvState]:
        """One step."""
        now, x = p
        y = torch.tanh(now + F.linear(state.past, self.weight_past))
        if self.before == self.input_size:  # k = 2: nothing older is kept
            return y, ConvState(x)
        return y, ConvState(torch.cat((state.past[:, self.input_size :], x), dim=-1))
