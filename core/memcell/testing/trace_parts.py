"""The kit's own cell and normalizer, for checks of the parts around one.

The cell has two parts of state, of different shapes; the normalizer meets both the lanes and the units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell.recurrent.normalizer import Normalizer, NormWindow

_DECAY = (0.5, 0.9)


class TraceState(NamedTuple):
    """h ``[B, H]``, the last output; traces ``[B, 2, H]``, averages of it over few and many steps."""

    h: Tensor
    traces: Tensor


class TraceCell(Cell):
    """A simple recurrent network that also sees averages of its past.

    ``h_t = tanh(norm(W x_t) + norm(U h_{t-1}) + m_1 + m_2 + b)`` and ``m_i = d_i m_i + (1 - d_i) h_t``.
    """

    state_type = TraceState

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.weight_input = nn.Parameter(torch.randn(hidden_size, input_size) * 0.5)
        self.weight_recurrent = nn.Parameter(torch.randn(hidden_size, hidden_size) * 0.5)
        self.bias = nn.Parameter(torch.randn(hidden_size) * 0.1)

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of h and the traces."""
        return {"h": (self.hidden_size,), "traces": (2, self.hidden_size)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """Both sums."""
        return {"input": self.hidden_size, "recurrent": self.hidden_size}

    def project(self, x: Tensor) -> Tensor:
        """``W x``."""
        return F.linear(x, self.weight_input)

    def step(self, p: Tensor, state: TraceState, norm: Norm) -> tuple[Tensor, TraceState]:
        """One step."""
        z = norm("input", p) + norm("recurrent", F.linear(state.h, self.weight_recurrent))
        h = torch.tanh(z + state.traces.sum(1) + self.bias)
        fast, slow = state.traces.unbind(1)
        kept = [d * m + (1 - d) * h for d, m in zip(_DECAY, (fast, slow), strict=True)]
        return h, TraceState(h, torch.stack(kept, 1))

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices."""
        initialize["input"](self.weight_input)
        initialize["recurrent"](self.weight_recurrent)
        nn.init.zeros_(self.bias)


_MOMENTUM, _EPS = 0.1, 0.1


class TraceNorm(Normalizer):
    """Centres over the lanes, then divides by the root mean square over the units.

    ``norm(z) = gain * u / sqrt(mean(u^2) + eps) + bias`` with ``u = z - m``; m is the mean over lanes in
    training, which is the step's statistics, and its running average at inference.

    Args:
        width: W.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.gain = nn.Parameter(torch.linspace(0.8, 1.2, width))
        self.bias = nn.Parameter(torch.linspace(-0.1, 0.1, width))
        self.mean: Tensor
        self.register_buffer("mean", torch.linspace(0.05, -0.05, width))

    def window(self, ages: Tensor, valid: Tensor, update_statistics: bool) -> NormWindow:
        """Choose between the batch's means and the running ones."""
        return NormWindow("batch" if update_statistics else "running")

    def normalize(
        self, z: Tensor, mode: str, inputs: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Normalize one step; in training the means are its statistics."""
        mean = z.mean(0) if mode == "batch" else self.mean
        centred = z - mean
        scale = torch.rsqrt((centred * centred).mean(-1, keepdim=True) + _EPS)
        out = self.gain * centred * scale + self.bias
        return out, ((mean,) if mode == "batch" else ())

    def accumulate(
        self, statistics: tuple[Tensor, ...], mode: str, inputs: tuple[Tensor, ...]
    ) -> None:
        """Move the running means towards the window's."""
        (means,) = statistics
        self.mean.lerp_(means.mean(0), _MOMENTUM)
