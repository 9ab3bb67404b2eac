"""Linear recurrent unit: a complex diagonal recurrence inside the unit circle, in real pairs.

A. Orvieto, S. L. Smith, A. Gu, A. Fernando, C. Gulcehre, R. Pascanu and S. De, "Resurrecting recurrent neural
networks for long sequences", ICML 2023, arXiv:2303.06349::

    lambda = exp(-exp(nu) + i exp(theta)),    gamma = exp(g)
    s_t = lambda * s_{t-1} + gamma * (B x_t)
    h_t = f(Re(C s_t) + D x_t)

s, B and C are complex and are kept as real and imaginary parts. f is the identity, as in the paper's unit, or
GELU, with which its block goes on; layers of the plain unit on top of each other stay linear.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memcell.recurrent.cell import Cell, Norm
from memcell_plugins.cells.configs import LRUConfig

#: Keeps a start of lambda from 0 and from the unit circle, where logarithms end.
_EDGE = 1e-6


class LRUState(NamedTuple):
    """Real and imaginary parts of s, ``[B, N]`` each."""

    real: Tensor
    imag: Tensor


class LRU(Cell):
    """Linear recurrent unit.

    Args:
        input_size: I.
        hidden_size: H, width of the output; of the complex state too, unless ``units`` says N.
        config: Options.

    Sites: ``input`` [2N] (B x, real and imaginary parts), ``output`` [H] (Re(C s)).
    """

    state_type = LRUState

    def __init__(self, input_size: int, hidden_size: int, config: LRUConfig) -> None:
        super().__init__(input_size, hidden_size)
        self.config = config
        self.units = config.units or hidden_size
        self.nu = nn.Parameter(torch.zeros(self.units))
        self.theta = nn.Parameter(torch.zeros(self.units))
        self.log_gamma = nn.Parameter(torch.zeros(self.units))
        self.weight_input = nn.Parameter(torch.zeros(2 * self.units, input_size))
        self.weight_output = nn.Parameter(torch.zeros(hidden_size, 2 * self.units))
        self.weight_skip = nn.Parameter(torch.zeros(hidden_size, input_size))

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Widths of both parts of s."""
        return {"real": (self.units,), "imag": (self.units,)}

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """What enters the state, and what leaves it."""
        return {"input": 2 * self.units, "output": self.hidden_size}

    def project(self, x: Tensor) -> Tensor:
        """``B x`` and ``D x``, ``[T, B, 2N + H]``."""
        return F.linear(x, torch.cat((self.weight_input, self.weight_skip)))

    def step(self, p: Tensor, state: LRUState, norm: Norm) -> tuple[Tensor, LRUState]:
        """One step."""
        entering, skipped = p.split([2 * self.units, self.hidden_size], dim=-1)
        in_real, in_imag = norm("input", entering).chunk(2, dim=-1)
        modulus, angle = torch.exp(-torch.exp(self.nu)), torch.exp(self.theta)
        turn_real, turn_imag = modulus * torch.cos(angle), modulus * torch.sin(angle)
        gamma = torch.exp(self.log_gamma)
        real = turn_real * state.real - turn_imag * state.imag + gamma * in_real
        imag = turn_real * state.imag + turn_imag * state.real + gamma * in_imag
        # Re(C s): the weights of the imaginary parts have their minus sign within
        out = norm("output", F.linear(torch.cat((real, imag), dim=-1), self.weight_output))
        out = out + skipped
        h = F.gelu(out) if self.config.activation == "gelu" else out
        return h, LRUState(real, imag)

    @torch.no_grad()
    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Fill the matrices; lambda is uniform on the ring r_min..r_max, up to ``max_phase``.

        gamma = sqrt(1 - |lambda|^2), so that the state begins as large as its input.
        """
        low, high = self.config.r_min**2, self.config.r_max**2
        square = (low + (high - low) * torch.rand(self.units)).clamp(_EDGE, 1 - _EDGE)
        phase = (self.config.max_phase * torch.rand(self.units)).clamp_min(_EDGE)
        self.nu.copy_(torch.log(-0.5 * torch.log(square)))
        self.theta.copy_(torch.log(phase))
        self.log_gamma.copy_(0.5 * torch.log(1 - square))
        for part in (*self.weight_input.chunk(2), *self.weight_output.chunk(2, dim=1)):
            initialize["input"](part)
            part.mul_(math.sqrt(0.5))  # two parts of one complex weight
        initialize["input"](self.weight_skip)
