"""LSTM with coupled input and forget gates: what is written is what was forgotten.

K. Greff, R. K. Srivastava, J. Koutnik, B. R. Steunebrink and J. Schmidhuber, "LSTM: a search space
odyssey", IEEE TNNLS 28 (2017), variant CIFG (here without peepholes)::

    f, g, o = W x_t + U h_{t-1} + b
    c_t = sigma(f) * c_{t-1} + (1 - sigma(f)) * tanh(g)
    h_t = sigma(o) * tanh(c_t)

The paper writes f = 1 - i; this is the same cell with the one gate named after what it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import LSTMConfig


class CIFGState(NamedTuple):
    """h ``[B, H]``, the last output; c ``[B, H]``, the cell."""

    h: Tensor
    c: Tensor


class CIFG(Cell):
    """LSTM with one gate for forgetting and writing.

    Args:
        input_size: I.
        hidden_size: H.
        config: Options.

    Sites: ``input`` [3H], ``recurrent`` [3H], ``cell`` [H] (c inside the output's tanh only).
    """

    state_type = CIFGState

    def __init__(self, input_size: int, hidden_size: int, config: LSTMConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.weight_input = nn.Parameter(torch.zeros(3 * hidden_size, input_size))
        self.weight_recurrent = nn.Parameter(torch.zeros(3 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(3 * hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Widths of h and c."""
        return {"h": (self.hidden_size,), "c": (self.hidden_size,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The two sums before the bias, and the cell on its way out."""
        width = self.hidden_size
        return {"input": 3 * width, "recurrent": 3 * width, "cell": width}

    def project(self, x: Tensor) -> Tensor:
        """``W x`` ``[T, B, 3H]``, without the bias."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: CIFGState, norm: Norm) -> tuple[Tensor, CIFGState]:
        """One step."""
        z = norm("input", p) + norm("recurrent", F.linear(state.h, self.weight_recurrent))
        f, g, o = (z + self.bias).chunk(3, dim=-1)
        keep = torch.sigmoid(f)
        c = keep * state.c + (1 - keep) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(norm("cell", c))
        return h, CIFGState(h, c)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; the biases are 0, the forget gate's ``forget_bias``."""
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_recurrent)
        with torch.no_grad():
            self.bias.zero_()
            self.bias.chunk(3)[0].fill_(self.config.forget_bias)
