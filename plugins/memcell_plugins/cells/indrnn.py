"""Independently recurrent network: each unit sees only itself over time.

S. Li, W. Li, C. Cook, C. Zhu and Y. Gao, "Independently recurrent neural network (IndRNN): building a longer
and deeper RNN", CVPR 2018, arXiv:1803.04831::

    h_t = sigma(W x_t + u * h_{t-1} + b),    |u| <= bound

sigma is the rectifier or tanh. The paper bounds u by 2^(1/T), so that the gradient over T steps stays
within a factor of 2, and clips it after every update. Here u is the trained weight folded back at the bound:
the same within it, while beyond it the gradient changes sign and leads back, where a clipped weight's is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import IndRNNConfig


class IndRNNState(NamedTuple):
    """h ``[B, H]``, the last output."""

    h: Tensor


class IndRNN(Cell):
    """Units that recur only into themselves.

    Args:
        input_size: I.
        hidden_size: H.
        config: Options.

    Sites: ``input`` [H], ``recurrent`` [H].
    """

    state_type = IndRNNState

    def __init__(self, input_size: int, hidden_size: int, config: IndRNNConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.weight_input = nn.Parameter(torch.zeros(hidden_size, input_size))
        self.weight_recurrent = nn.Parameter(torch.zeros(hidden_size))
        self.bias = nn.Parameter(torch.zeros(hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Width of h."""
        return {"h": (self.hidden_size,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The two sums, before the bias."""
        return {"input": self.hidden_size, "recurrent": self.hidden_size}

    def project(self, x: Tensor) -> Tensor:
        """``W x`` ``[T, B, H]``, without the bias."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: IndRNNState, norm: Norm) -> tuple[Tensor, IndRNNState]:
        """One step."""
        weight, bound = self.weight_recurrent, self.config.bound
        u = weight - 2 * torch.relu(weight - bound) + 2 * torch.relu(-weight - bound)
        z = norm("input", p) + norm("recurrent", u * state.h) + self.bias
        h = torch.relu(z) if self.config.activation == "relu" else torch.tanh(z)
        return h, IndRNNState(h)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrix; u is uniform from ``start_low`` to ``bound``, the bias 0."""
        initialize["input"](self.weight_input)
        nn.init.uniform_(self.weight_recurrent, self.config.start_low, self.config.bound)
        nn.init.zeros_(self.bias)
