"""Coupled oscillatory recurrent network: each unit is a damped, driven oscillator.

T. K. Rusch and S. Mishra, "Coupled oscillatory recurrent neural network (coRNN)", ICLR 2021,
arXiv:2010.00951::

    z_t = z_{t-1} + dt * (tanh(W y_{t-1} + U z_{t-1} + V x_t + b) - gamma * y_{t-1} - epsilon * z_{t-1})
    y_t = y_{t-1} + dt * z_t

y is a unit's position, which is the output, and z its velocity; gamma is the squared frequency, epsilon the
damping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import CoRNNConfig


class CoRNNState(NamedTuple):
    """y ``[B, H]``, the positions, which are the output; z ``[B, H]``, the velocities."""

    y: Tensor
    z: Tensor


class CoRNN(Cell):
    """Coupled oscillators.

    Args:
        input_size: I.
        hidden_size: H.
        config: Options.

    Sites: ``input`` [H], ``recurrent`` [H] (of y and z together).
    """

    state_type = CoRNNState

    def __init__(self, input_size: int, hidden_size: int, config: CoRNNConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.weight_input = nn.Parameter(torch.zeros(hidden_size, input_size))
        self.weight_position = nn.Parameter(torch.zeros(hidden_size, hidden_size))
        self.weight_velocity = nn.Parameter(torch.zeros(hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Widths of y and z."""
        return {"y": (self.hidden_size,), "z": (self.hidden_size,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The two sums, before the bias."""
        return {"input": self.hidden_size, "recurrent": self.hidden_size}

    def project(self, x: Tensor) -> Tensor:
        """``V x`` ``[T, B, H]``, without the bias."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: CoRNNState, norm: Norm) -> tuple[Tensor, CoRNNState]:
        """One step."""
        options = self.config
        back = F.linear(state.y, self.weight_position) + F.linear(state.z, self.weight_velocity)
        drive = torch.tanh(norm("input", p) + norm("recurrent", back) + self.bias)
        force = drive - options.gamma * state.y - options.epsilon * state.z
        z = state.z + options.dt * force
        y = state.y + options.dt * z
        return y, CoRNNState(y, z)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; the bias is 0."""
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_position)
        initialize["recurrent"](self.weight_velocity)
        nn.init.zeros_(self.bias)
