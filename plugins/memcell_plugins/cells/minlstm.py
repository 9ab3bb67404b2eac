"""Minimal LSTM: an LSTM whose gates and candidate see the input alone, with gates that add up to 1.

L. Feng, F. Tung, M. O. Ahmed, Y. Bengio and H. Hajimirsadeghi, "Were RNNs all we needed?", 2024,
arXiv:2410.01201::

    f_t = sigma(W_f x_t + b_f),  i_t = sigma(W_i x_t + b_i)
    f'_t = f_t / (f_t + i_t),    i'_t = i_t / (f_t + i_t)
    h_t = f'_t * h_{t-1} + i'_t * g(W_n x_t + b_n)

g is the identity, or (``positive``) that of ``mingru``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import MinLSTMConfig
from memcell_plugins.cells.squash import positive

#: Of no weight beside two gates, unless both are closed.
_LEAST = 1e-15


class MinLSTMState(NamedTuple):
    """h ``[B, H]``, the last output."""

    h: Tensor


class MinLSTM(Cell):
    """LSTM without recurrent weights; rows in the order f, i, n.

    Args:
        input_size: I.
        hidden_size: H.
        config: Options.

    Sites: ``input`` [3H].
    """

    state_type = MinLSTMState

    def __init__(self, input_size: int, hidden_size: int, config: MinLSTMConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.weight_input = nn.Parameter(torch.zeros(3 * hidden_size, input_size))
        self.bias = nn.Parameter(torch.zeros(3 * hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Width of h."""
        return {"h": (self.hidden_size,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The sum, before the bias."""
        return {"input": 3 * self.hidden_size}

    def project(self, x: Tensor) -> Tensor:
        """``W x`` ``[T, B, 3H]``, without the bias."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: MinLSTMState, norm: Norm) -> tuple[Tensor, MinLSTMState]:
        """One step."""
        f, i, n = (norm("input", p) + self.bias).chunk(3, dim=-1)
        forget, write = torch.sigmoid(f), torch.sigmoid(i)
        keep = forget / (forget + write + _LEAST)
        candidate = positive(n) if self.config.positive else n
        h = keep * state.h + (1 - keep) * candidate
        return h, MinLSTMState(h)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrix; the biases are 0, the forget gate's ``forget_bias``."""
        initialize["input"](self.weight_input)
        with torch.no_grad():
            self.bias.zero_()
            self.bias.chunk(3)[0].fill_(self.config.forget_bias)
