"""Minimal GRU: a GRU whose gate and candidate see the input alone.

L. Feng, F. Tung, M. O. Ahmed, Y. Bengio and H. Hajimirsadeghi, "Were RNNs all we needed?", 2024,
arXiv:2410.01201::

    z_t = sigma(W_z x_t + b_z)
    n_t = g(W_n x_t + b_n)
    h_t = (1 - z_t) * h_{t-1} + z_t * n_t

g is the identity, or (``positive``, the paper's form for sums of logarithms) ``g(v) = v + 0.5`` from 0 on and
``sigma(v)`` below, which keeps h positive. The engine runs it step by step, as any cell; carried memory and
resets are those of any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import MinGRUConfig
from memcell_plugins.cells.squash import positive


class MinGRUState(NamedTuple):
    """h ``[B, H]``, the last output."""

    h: Tensor


class MinGRU(Cell):
    """GRU without recurrent weights; rows in the order z, n.

    Args:
        input_size: I.
        hidden_size: H.
        config: Options.

    Sites: ``input`` [2H].
    """

    state_type = MinGRUState

    def __init__(self, input_size: int, hidden_size: int, config: MinGRUConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.weight_input = nn.Parameter(torch.zeros(2 * hidden_size, input_size))
        self.bias = nn.Parameter(torch.zeros(2 * hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Width of h."""
        return {"h": (self.hidden_size,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The sum, before the bias."""
        return {"input": 2 * self.hidden_size}

    def project(self, x: Tensor) -> Tensor:
        """``W x`` ``[T, B, 2H]``, without the bias."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: MinGRUState, norm: Norm) -> tuple[Tensor, MinGRUState]:
        """One step."""
        z, n = (norm("input", p) + self.bias).chunk(2, dim=-1)
        write = torch.sigmoid(z)
        candidate = positive(n) if self.config.positive else n
        h = (1 - write) * state.h + write * candidate
        return h, MinGRUState(h)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrix; the biases are 0, the gate's ``write_bias``."""
        initialize["input"](self.weight_input)
        with torch.no_grad():
            self.bias.zero_()
            self.bias.chunk(2)[0].fill_(self.config.write_bias)
