"""Minimal gated unit: one gate decides what is forgotten and what is written.

G.-B. Zhou, J. Wu, C.-L. Zhang and Z.-H. Zhou, "Minimal gated unit for recurrent neural networks",
arXiv:1603.09420 (2016)::

    f_t = sigma(W_f x_t + U_f h_{t-1} + b_f)
    g_t = tanh(W_g x_t + U_g (f_t * h_{t-1}) + b_g)
    h_t = (1 - f_t) * h_{t-1} + f_t * g_t
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell import Cell, Norm
from memcell_template.configs import MGUConfig


class MGUState(NamedTuple):
    """h ``[B, H]``, the last output."""

    h: Tensor


class MGU(Cell):
    """Minimal gated unit.

    Args:
        input_size: I.
        hidden_size: H.
        config: Options.

    Sites: ``input`` [2H]; ``gate`` and ``candidate`` [H], the two recurrent sums.
    """

    state_type = MGUState

    def __init__(self, input_size: int, hidden_size: int, config: MGUConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.weight_input = nn.Parameter(torch.zeros(2 * hidden_size, input_size))
        self.weight_gate = nn.Parameter(torch.zeros(hidden_size, hidden_size))
        self.weight_candidate = nn.Parameter(torch.zeros(hidden_size, hidden_size))
        self.bias_gate = nn.Parameter(torch.zeros(hidden_size))
        self.bias_candidate = nn.Parameter(torch.zeros(hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Width of h."""
        return {"h": (self.hidden_size,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The sums before the biases."""
        width = self.hidden_size
        return {"input": 2 * width, "gate": width, "candidate": width}

    def project(self, x: Tensor) -> Tensor:
        """``W x`` ``[T, B, 2H]``, for all steps at once."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: MGUState, norm: Norm) -> tuple[Tensor, MGUState]:
        """One step."""
        to_gate, to_candidate = norm("input", p).chunk(2, dim=-1)
        f = torch.sigmoid(
            to_gate + norm("gate", F.linear(state.h, self.weight_gate)) + self.bias_gate
        )
        back = norm("candidate", F.linear(f * state.h, self.weight_candidate))
        h = (1 - f) * state.h + f * torch.tanh(to_candidate + back + self.bias_candidate)
        return h, MGUState(h)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; the biases are 0, the gate's ``forget_bias``."""
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_gate)
        initialize["recurrent"](self.weight_candidate)
        nn.init.constant_(self.bias_gate, self.config.forget_bias)
        nn.init.zeros_(self.bias_candidate)
