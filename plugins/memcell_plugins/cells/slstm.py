"""sLSTM: an LSTM with exponential gates, a normalizer state and heads.

M. Beck, K. Poeppel, M. Spanring, A. Auer, O. Prudnikova, M. Kopp, G. Klambauer, J. Brandstetter and
S. Hochreiter, "xLSTM: extended long short-term memory", NeurIPS 2024, arXiv:2405.04517::

    i, f, g, o = W x_t + R h_{t-1} + b
    c_t = exp(f) * c_{t-1} + exp(i) * tanh(g)        (or sigma(f))
    n_t = exp(f) * n_{t-1} + exp(i)
    h_t = sigma(o) * c_t / n_t

c and n are kept divided by exp(m), which changes no output, so that nothing overflows. With exponential
forget gates ``m_t = max(f + m_{t-1}, i)``, as in the paper; with sigma(f), min(f, 0) stands for its
logarithm, which is within log 2 of it and costs none. R has a block for each head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import SLSTMConfig
from memcell_plugins.cells.heads import head_width, larger, spread

#: Of no weight beside n, unless all that was ever written is below exp(-34); keeps gradients finite.
_LEAST = 1e-15
#: min(f, 0) ends at minus this: exp of it, times a gradient, is finite in float32.
_FLOOR = 40.0


class SLSTMState(NamedTuple):
    """h ``[B, H]``, the last output; c, n and m ``[B, H]``: cell, normalizer and stabilizer."""

    h: Tensor
    c: Tensor
    n: Tensor
    m: Tensor


class SLSTM(Cell):
    """LSTM with exponential gates; rows in the order i, f, g, o.

    Args:
        input_size: I.
        hidden_size: H.
        config: Options.

    Sites: ``input`` [4H], ``recurrent`` [4H], ``cell`` [H] (c / n on its way out only).
    """

    state_type = SLSTMState
    #: c, n and m belong together: a unit of one cannot stay while the others go on.
    zoneout_parts: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(self, input_size: int, hidden_size: int, config: SLSTMConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.heads = config.heads
        self.width = head_width("slstm", hidden_size, config.heads)
        self.weight_input = nn.Parameter(torch.zeros(4 * hidden_size, input_size))
        self.weight_recurrent = nn.Parameter(torch.zeros(self.heads, 4 * self.width, self.width))
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Widths of h, c, n and m."""
        return dict.fromkeys(("h", "c", "n", "m"), (self.hidden_size,))

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The two sums before the bias, and the cell on its way out."""
        width = self.hidden_size
        return {"input": 4 * width, "recurrent": 4 * width, "cell": width}

    def project(self, x: Tensor) -> Tensor:
        """``W x`` ``[T, B, 4H]``, without the bias."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: SLSTMState, norm: Norm) -> tuple[Tensor, SLSTMState]:
        """One step."""
        z = norm("input", p) + norm("recurrent", self._back(state.h)) + self.bias
        i, f, g, o = z.chunk(4, dim=-1)
        if self.config.forget_gate == "exp":
            m = larger(f + state.m, i)
            keep = torch.exp(f + state.m - m)
        else:
            m = larger(torch.relu(_FLOOR - torch.relu(-f)) - _FLOOR + state.m, i)
            keep = torch.sigmoid(f) * torch.exp(state.m - m)
        write = torch.exp(i - m)
        c = keep * state.c + write * torch.tanh(g)
        n = keep * state.n + write
        h = torch.sigmoid(o) * norm("cell", c / (n.abs() + _LEAST))
        return h, SLSTMState(h, c, n, m)

    def _back(self, h: Tensor) -> Tensor:
        """``R h`` ``[B, 4H]``, head by head."""
        if self.heads == 1:
            return F.linear(h, self.weight_recurrent[0])
        parts = torch.einsum(
            "bhd,hed->bhe", h.view(-1, self.heads, self.width), self.weight_recurrent
        )
        gates = parts.view(-1, self.heads, 4, self.width).transpose(1, 2)
        return gates.reshape(-1, 4 * self.hidden_size)

    @torch.no_grad()
    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; the biases are 0, the forget gates' spread over ``forget_bias``."""
        initialize["input"](self.weight_input)
        for head in self.weight_recurrent:
            for gate in head.split(self.width):
                initialize["recurrent"](gate)
        self.bias.zero_()
        forget = self.bias.chunk(4)[1]
        forget.copy_(spread(self.config.forget_bias, forget))
