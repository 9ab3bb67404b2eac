"""Long short-term memory with a forget gate, the LSTM of today's libraries.

F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to forget: continual prediction with LSTM", Neural
Computation 12 (2000); after S. Hochreiter and J. Schmidhuber, "Long short-term memory" (1997). With
``--normalizer batch`` this is the BN-LSTM of Cooijmans et al. 2016, with ``layer`` the LN-LSTM of Ba et
al. 2016::

    i, f, g, o = W x_t + U h_{t-1} + b         four blocks of H rows, in torch's order
    c_t = sigma(f) * c_{t-1} + sigma(i) * tanh(g)
    h_t = sigma(o) * tanh(c_t)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm, TorchForm
from memcell_plugins.cells.configs import LSTMConfig


class LSTMState(NamedTuple):
    """h ``[B, H]``, the last output; c ``[B, H]``, the cell."""

    h: Tensor
    c: Tensor


class LSTM(Cell):
    """LSTM with a forget gate.

    Args:
        input_size: I.
        hidden_size: H.
        config: Options.

    Sites: ``input`` [4H], ``recurrent`` [4H], and ``cell`` [H]: c inside the output's tanh only, so
    that what is carried from step to step is never normalized.
    """

    state_type = LSTMState

    def __init__(self, input_size: int, hidden_size: int, config: LSTMConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.weight_input = nn.Parameter(torch.zeros(4 * hidden_size, input_size))
        self.weight_recurrent = nn.Parameter(torch.zeros(4 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Widths of h and c."""
        return {"h": (self.hidden_size,), "c": (self.hidden_size,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The two sums before the bias, and the cell on its way out."""
        width = self.hidden_size
        return {"input": 4 * width, "recurrent": 4 * width, "cell": width}

    def project(self, x: Tensor) -> Tensor:
        """``W x`` ``[T, B, 4H]``, without the bias."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: LSTMState, norm: Norm) -> tuple[Tensor, LSTMState]:
        """One step."""
        z = norm("input", p) + norm("recurrent", F.linear(state.h, self.weight_recurrent))
        i, f, g, o = (z + self.bias).chunk(4, dim=-1)
        c = torch.sigmoid(f) * state.c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(norm("cell", c))
        return h, LSTMState(h, c)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; the biases are 0, the forget gate's ``forget_bias``."""
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_recurrent)
        with torch.no_grad():
            self.bias.zero_()
            self.bias.chunk(4)[1].fill_(self.config.forget_bias)

    def torch_form(self) -> TorchForm:
        """`torch.nn.LSTM`; its second bias is 0."""
        weights = (
            self.weight_input,
            self.weight_recurrent,
            self.bias,
            torch.zeros_like(self.bias),
        )
        return TorchForm("lstm", weights)

    @torch.no_grad()
    def load_torch(self, weights: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        """Take torch's weights; its two biases are added."""
        self.weight_input.copy_(weights[0])
        self.weight_recurrent.copy_(weights[1])
        self.bias.copy_(weights[2] + weights[3])
