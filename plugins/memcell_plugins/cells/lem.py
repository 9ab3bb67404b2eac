"""Long expressive memory: two coupled states, each with a time step of its own for every unit.

T. K. Rusch, S. Mishra, N. B. Erichson and M. W. Mahoney, "Long expressive memory for sequence modeling", ICLR
2022, arXiv:2110.04744::

    d_t = dt * sigma(W_1 y_{t-1} + V_1 x_t + b_1)
    e_t = dt * sigma(W_2 y_{t-1} + V_2 x_t + b_2)
    z_t = (1 - d_t) * z_{t-1} + d_t * tanh(W_z y_{t-1} + V_z x_t + b_z)
    y_t = (1 - e_t) * y_{t-1} + e_t * tanh(W_y z_t + V_y x_t + b_y)

The output is y. ``dt`` is the longest time step, 1 in most of the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import LEMConfig


class LEMState(NamedTuple):
    """y ``[B, H]``, the last output; z ``[B, H]``, the state behind it."""

    y: Tensor
    z: Tensor


class LEM(Cell):
    """Long expressive memory; rows in the order 1, 2, z, y.

    Args:
        input_size: I.
        hidden_size: H.
        config: Options.

    Sites: ``input`` [4H], ``recurrent`` [3H] (of y), ``hidden`` [H] (of z).
    """

    state_type = LEMState

    def __init__(self, input_size: int, hidden_size: int, config: LEMConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.weight_input = nn.Parameter(torch.zeros(4 * hidden_size, input_size))
        self.weight_recurrent = nn.Parameter(torch.zeros(3 * hidden_size, hidden_size))
        self.weight_hidden = nn.Parameter(torch.zeros(hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Widths of y and z."""
        return {"y": (self.hidden_size,), "z": (self.hidden_size,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The three sums, before the bias."""
        width = self.hidden_size
        return {"input": 4 * width, "recurrent": 3 * width, "hidden": width}

    def project(self, x: Tensor) -> Tensor:
        """``V x`` ``[T, B, 4H]``, without the bias."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: LEMState, norm: Norm) -> tuple[Tensor, LEMState]:
        """One step."""
        x_1, x_2, x_z, x_y = (norm("input", p) + self.bias).chunk(4, dim=-1)
        back = norm("recurrent", F.linear(state.y, self.weight_recurrent))
        y_1, y_2, y_z = back.chunk(3, dim=-1)
        dt = self.config.dt
        step_z, step_y = dt * torch.sigmoid(x_1 + y_1), dt * torch.sigmoid(x_2 + y_2)
        z = (1 - step_z) * state.z + step_z * torch.tanh(x_z + y_z)
        inner = norm("hidden", F.linear(z, self.weight_hidden))
        y = (1 - step_y) * state.y + step_y * torch.tanh(x_y + inner)
        return y, LEMState(y, z)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; the biases are 0."""
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_recurrent)
        initialize["recurrent"](self.weight_hidden)
        nn.init.zeros_(self.bias)
