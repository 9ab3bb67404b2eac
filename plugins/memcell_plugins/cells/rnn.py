"""Elman's simple recurrent network.

J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990)::

    h_t = tanh(W x_t + U h_{t-1} + b)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm, TorchForm


class RNNState(NamedTuple):
    """h ``[B, H]``, the last output."""

    h: Tensor


class RNN(Cell):
    """``h_t = tanh(norm_input(W x_t) + norm_recurrent(U h_{t-1}) + b)``.

    Args:
        input_size: I.
        hidden_size: H.
        config: Ignored; the cell has no options.

    Sites: ``input`` [H], ``recurrent`` [H].
    """

    state_type = RNNState

    def __init__(self, input_size: int, hidden_size: int, config: object = None) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_input = nn.Parameter(torch.zeros(hidden_size, input_size))
        self.weight_recurrent = nn.Parameter(torch.zeros(hidden_size, hidden_size))
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

    def step(self, p: Tensor, state: RNNState, norm: Norm) -> tuple[Tensor, RNNState]:
        """One step."""
        z = norm("input", p) + norm("recurrent", F.linear(state.h, self.weight_recurrent))
        h = torch.tanh(z + self.bias)
        return h, RNNState(h)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; the bias is 0."""
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_recurrent)
        nn.init.zeros_(self.bias)

    def torch_form(self) -> TorchForm:
        """`torch.nn.RNN` with tanh."""
        weights = (
            self.weight_input,
            self.weight_recurrent,
            self.bias,
            torch.zeros_like(self.bias),
        )
        return TorchForm("rnn_tanh", weights)

    @torch.no_grad()
    def load_torch(self, weights: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        """Take torch's weights; its two biases are added."""
        self.weight_input.copy_(weights[0])
        self.weight_recurrent.copy_(weights[1])
        self.bias.copy_(weights[2] + weights[3])
