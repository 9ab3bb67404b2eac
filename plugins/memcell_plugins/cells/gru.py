"""Gated recurrent unit.

K. Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014, in the form that
libraries use (the reset gate acts after the matrix product; cuDNN, torch)::

    r = sigma(W_r x_t + U_r h_{t-1} + b_r)
    z = sigma(W_z x_t + U_z h_{t-1} + b_z)
    n = tanh(W_n x_t + b_n + r * (U_n h_{t-1} + b_u))
    h_t = (1 - z) * n + z * h_{t-1}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm, TorchForm


class GRUState(NamedTuple):
    """h ``[B, H]``, the last output."""

    h: Tensor


class GRU(Cell):
    """Gated recurrent unit; rows in torch's order r, z, n.

    The biases of r and z are single (torch adds two); n has one outside and one inside the reset gate.

    Args:
        input_size: I.
        hidden_size: H.
        config: Ignored; the cell has no options.

    Sites: ``input`` [3H], ``recurrent`` [3H]. There is no cell on its way out: h is the memory itself.
    """

    state_type = GRUState

    def __init__(self, input_size: int, hidden_size: int, config: object = None) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_input = nn.Parameter(torch.zeros(3 * hidden_size, input_size))
        self.weight_recurrent = nn.Parameter(torch.zeros(3 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(3 * hidden_size))
        self.bias_reset = nn.Parameter(torch.zeros(hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Width of h."""
        return {"h": (self.hidden_size,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The two sums, before their biases."""
        return {"input": 3 * self.hidden_size, "recurrent": 3 * self.hidden_size}

    def project(self, x: Tensor) -> Tensor:
        """``W x`` ``[T, B, 3H]``, without the bias."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: GRUState, norm: Norm) -> tuple[Tensor, GRUState]:
        """One step."""
        r_x, z_x, n_x = (norm("input", p) + self.bias).chunk(3, dim=-1)
        back = norm("recurrent", F.linear(state.h, self.weight_recurrent))
        r_h, z_h, n_h = back.chunk(3, dim=-1)
        r = torch.sigmoid(r_x + r_h)
        z = torch.sigmoid(z_x + z_h)
        n = torch.tanh(n_x + r * (n_h + self.bias_reset))
        h = (1 - z) * n + z * state.h
        return h, GRUState(h)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; the biases are 0."""
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_recurrent)
        nn.init.zeros_(self.bias)
        nn.init.zeros_(self.bias_reset)

    def torch_form(self) -> TorchForm:
        """`torch.nn.GRU`; its second biases of r and z are 0."""
        second = torch.cat((torch.zeros_like(self.bias[: -self.hidden_size]), self.bias_reset))
        weights = (self.weight_input, self.weight_recurrent, self.bias, second)
        return TorchForm("gru", weights)

    @torch.no_grad()
    def load_torch(self, weights: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        """Take torch's weights; its two biases of r and z are added."""
        gates = 2 * self.hidden_size
        self.weight_input.copy_(weights[0])
        self.weight_recurrent.copy_(weights[1])
        self.bias.copy_(weights[2])
        self.bias[:gates] += weights[3][:gates]
        self.bias_reset.copy_(weights[3][gates:])
