"""mLSTM: an LSTM whose memory is a matrix for each head, written by keys and values.

M. Beck, K. Poeppel, M. Spanring, A. Auer, O. Prudnikova, M. Kopp, G. Klambauer, J. Brandstetter and
S. Hochreiter, "xLSTM: extended long short-term memory", NeurIPS 2024, arXiv:2405.04517::

    q, k, v = W x_t + b,  k divided by sqrt(d);   i, f = w x_t + b, a number each for a head
    C_t = sigma(f) C_{t-1} + exp(i) v k^T         (or exp(f))
    n_t = sigma(f) n_{t-1} + exp(i) k
    h_t = sigma(o) * C_t q / max(|n_t . q|, 1),   o = W_o x_t + b_o

C and n are kept divided by exp(m), where ``m_t = max(log f_t + m_{t-1}, i_t)`` in logarithms: that changes no
output, and nothing overflows. Nothing but the memory itself goes from step to step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import MLSTMConfig
from memcell_plugins.cells.heads import head_width, larger, spread

#: Gates begin nearly blind to the input: their weights start at this share of the others'.
_GATES = 0.1
#: Where what is read is as good as 0; exp of much more is infinite in float32.
_MOST = 80.0


class MLSTMState(NamedTuple):
    """C ``[B, heads, d, d]``, values by keys; n ``[B, heads, d]``; m ``[B, heads]``."""

    c: Tensor
    n: Tensor
    m: Tensor


class MLSTM(Cell):
    """LSTM with a matrix memory.

    Args:
        input_size: I.
        hidden_size: H, which is heads times d.
        config: Options.

    Sites: ``input`` [4H + 2 heads] (q, k, v, o, i, f), ``cell`` [H] (what is read, before the output gate).
    """

    state_type = MLSTMState
    #: C, n and m belong together: an entry of one cannot stay while the others go on.
    zoneout_parts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, input_size: int, hidden_size: int, config: MLSTMConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.heads = config.heads
        self.width = head_width("mlstm", hidden_size, config.heads)
        rows = 4 * hidden_size + 2 * self.heads
        self.weight_input = nn.Parameter(torch.zeros(4 * hidden_size, input_size))
        self.weight_gates = nn.Parameter(torch.zeros(2 * self.heads, input_size))
        self.bias = nn.Parameter(torch.zeros(rows))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of C, n and m."""
        heads, width = self.heads, self.width
        return {"c": (heads, width, width), "n": (heads, width), "m": (heads,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The sum before the bias, and what is read from the memory."""
        return {"input": 4 * self.hidden_size + 2 * self.heads, "cell": self.hidden_size}

    def project(self, x: Tensor) -> Tensor:
        """All products with the input ``[T, B, 4H + 2 heads]``, without the bias."""
        return F.linear(x, torch.cat((self.weight_input, self.weight_gates)))

    def step(self, p: Tensor, state: MLSTMState, norm: Norm) -> tuple[Tensor, MLSTMState]:
        """One step."""
        size, heads = self.hidden_size, self.heads
        z = norm("input", p) + self.bias
        q, k, v, o, i, f = z.split([size, size, size, size, heads, heads], dim=-1)
        q, k, v = (part.reshape(-1, heads, self.width) for part in (q, k, v))
        k = k * self.width**-0.5
        log_f = f if self.config.forget_gate == "exp" else F.logsigmoid(f)
        m = larger(log_f + state.m, i)
        keep = torch.exp(log_f + state.m - m).unsqueeze(-1)
        write = torch.exp(i - m).unsqueeze(-1)
        c = keep.unsqueeze(-1) * state.c + (write * v).unsqueeze(-1) * k.unsqueeze(-2)
        n = keep * state.n + write * k
        found = torch.einsum("bhvk,bhk->bhv", c, q)
        scale = larger((n * q).sum(-1).abs(), torch.exp((-m).clamp_max(_MOST))).unsqueeze(-1)
        h = torch.sigmoid(o) * norm("cell", (found / scale).reshape(-1, size))
        return h, MLSTMState(c, n, m)

    @torch.no_grad()
    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; the biases are 0, the forget gates' spread over ``forget_bias``."""
        initialize["input"](self.weight_input)
        initialize["input"](self.weight_gates)
        self.weight_gates.mul_(_GATES)
        self.bias.zero_()
        forget = self.bias[-self.heads :]
        forget.copy_(spread(self.config.forget_bias, forget))
