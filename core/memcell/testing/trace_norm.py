"""The kit's own normalizer: one that meets both the lanes and the units, for checks of ways to run a cell."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memcell.recurrent.normalizer import Normalizer, NormWindow

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
