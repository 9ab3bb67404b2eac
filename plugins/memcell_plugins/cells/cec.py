"""The naive constant error carousel: a linear unit with self-weight 1 and no gates.

S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997), section 3.2::

    s_t = s_{t-1} + g(W x_t + U h_{t-1} + b)
    h_t = h(s_t)

The error flows through s unchanged, ds_t / ds_{t-1} = 1, but the same weights must both store and shield
(input weight conflict) and both read and keep quiet (output weight conflict). The gates of ``lstm97`` are
the cure that the paper proposes; this is the patient. U holds the connections from the layer's other units
(and each unit's own, beside its self-weight 1); with ``truncate`` no error flows through it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import CECConfig
from memcell_plugins.cells.squash import INTO_STATE, OUT_OF_STATE


class CECState(NamedTuple):
    """h ``[B, H]``, the last output; s ``[B, H]``, the carousel."""

    h: Tensor
    s: Tensor


class CEC(Cell):
    """Constant error carousel without gates.

    Args:
        input_size: I.
        hidden_size: H.
        config: Options.

    Sites: ``input`` [H], ``recurrent`` [H], ``cell`` [H] (s on its way out only).
    """

    state_type = CECState

    def __init__(self, input_size: int, hidden_size: int, config: CECConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.weight_input = nn.Parameter(torch.zeros(hidden_size, input_size))
        self.weight_recurrent = nn.Parameter(torch.zeros(hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(hidden_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Widths of h and s."""
        return {"h": (self.hidden_size,), "s": (self.hidden_size,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The two sums before the bias, and the state on its way out."""
        width = self.hidden_size
        return {"input": width, "recurrent": width, "cell": width}

    def project(self, x: Tensor) -> Tensor:
        """``W x`` ``[T, B, H]``, without the bias."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: CECState, norm: Norm) -> tuple[Tensor, CECState]:
        """One step."""
        g = INTO_STATE[self.config.squash_input]
        out = OUT_OF_STATE[self.config.squash_output]
        back = state.h.detach() if self.config.truncate else state.h
        z = norm("input", p) + norm("recurrent", F.linear(back, self.weight_recurrent))
        s = state.s + g(z + self.bias)
        h = out(norm("cell", s))
        return h, CECState(h, s)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; the bias is 0."""
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_recurrent)
        nn.init.zeros_(self.bias)
