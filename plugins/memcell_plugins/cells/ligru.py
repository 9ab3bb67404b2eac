"""Light gated recurrent unit: a GRU without a reset gate, rectified.

M. Ravanelli, P. Brakel, M. Omologo and Y. Bengio, "Light gated recurrent units for speech recognition", IEEE
Transactions on Emerging Topics in Computational Intelligence 2 (2018), arXiv:1803.10225::

    z_t = sigma(norm(W_z x_t) + U_z h_{t-1} + b_z)
    n_t = relu(norm(W_n x_t) + U_n h_{t-1} + b_n)
    h_t = z_t * h_{t-1} + (1 - z_t) * n_t

The paper normalizes the sums of the input alone, by batch statistics, which keeps the rectifier's output
small; a normalizer here sees the recurrent sums too. Without one, large learning rates make h grow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm


class LiGRUState(NamedTuple):
    """h ``[B, H]``, the last output."""

    h: Tensor


class LiGRU(Cell):
    """GRU of one gate with a rectified candidate; rows in the order z, n.

    Args:
        input_size: I.
        hidden_size: H.
        config: Ignored; the cell has no options.

    Sites: ``input`` [2H], ``recurrent`` [2H].
    """

    state_type = LiGRUState

    def __init__(self, input_size: int, hidden_size: int, config: object = None) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_input = nn.Parameter(torch.zeros(2 * hidden_size, input_size))
        self.weight_recurrent = nn.Parameter(torch.zeros(2 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(2 * hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Width of h."""
        return {"h": (self.hidden_size,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The two sums, before the bias."""
        return {"input": 2 * self.hidden_size, "recurrent": 2 * self.hidden_size}

    def project(self, x: Tensor) -> Tensor:
        """``W x`` ``[T, B, 2H]``, without the bias."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: LiGRUState, norm: Norm) -> tuple[Tensor, LiGRUState]:
        """One step."""
        sums = norm("input", p) + norm("recurrent", F.linear(state.h, self.weight_recurrent))
        z, n = (sums + self.bias).chunk(2, dim=-1)
        keep = torch.sigmoid(z)
        h = keep * state.h + (1 - keep) * torch.relu(n)
        return h, LiGRUState(h)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices (the paper's recurrent ones are orthogonal); the biases are 0."""
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_recurrent)
        nn.init.zeros_(self.bias)
