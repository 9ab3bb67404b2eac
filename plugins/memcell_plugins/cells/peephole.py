"""LSTM with peephole connections: the gates see the cell.

F. A. Gers and J. Schmidhuber, "Recurrent nets that time and count", IJCNN 2000; F. A. Gers, N. N.
Schraudolph and J. Schmidhuber, "Learning precise timing with LSTM recurrent networks", JMLR 3 (2002)::

    i, f, g, o = W x_t + U h_{t-1} + b
    c_t = sigma(f + v_f * c_{t-1}) * c_{t-1} + sigma(i + v_i * c_{t-1}) * tanh(g)
    h_t = sigma(o + v_o * c_t) * tanh(c_t)

The papers' squashing functions differ (2000: scaled sigmoids; 2002: none on the way out); tanh is what
later work took (Graves 2013, Greff et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import LSTMConfig


class PeepholeState(NamedTuple):
    """h ``[B, H]``, the last output; c ``[B, H]``, the cell."""

    h: Tensor
    c: Tensor


class Peephole(Cell):
    """LSTM whose gates see the cell through diagonal weights.

    Args:
        input_size: I.
        hidden_size: H.
        config: Options.

    Sites: ``input`` [4H], ``recurrent`` [4H], ``cell`` [H] (c inside the output's tanh only; the
    peepholes see c as it is).
    """

    state_type = PeepholeState

    def __init__(self, input_size: int, hidden_size: int, config: LSTMConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.weight_input = nn.Parameter(torch.zeros(4 * hidden_size, input_size))
        self.weight_recurrent = nn.Parameter(torch.zeros(4 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))
        self.peep_input = nn.Parameter(torch.zeros(hidden_size))
        self.peep_forget = nn.Parameter(torch.zeros(hidden_size))
        self.peep_output = nn.Parameter(torch.zeros(hidden_size))

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

    def step(self, p: Tensor, state: PeepholeState, norm: Norm) -> tuple[Tensor, PeepholeState]:
        """One step."""
        z = norm("input", p) + norm("recurrent", F.linear(state.h, self.weight_recurrent))
        i, f, g, o = (z + self.bias).chunk(4, dim=-1)
        kept = torch.sigmoid(f + self.peep_forget * state.c) * state.c
        c = kept + torch.sigmoid(i + self.peep_input * state.c) * torch.tanh(g)
        h = torch.sigmoid(o + self.peep_output * c) * torch.tanh(norm("cell", c))
        return h, PeepholeState(h, c)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; biases are 0 (forget gate: ``forget_bias``), and so are the peepholes.

        It starts as a plain LSTM and learns to look.
        """
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_recurrent)
        for peep in (self.peep_input, self.peep_forget, self.peep_output):
            nn.init.zeros_(peep)
        with torch.no_grad():
            self.bias.zero_()
            self.bias.chunk(4)[1].fill_(self.config.forget_bias)
