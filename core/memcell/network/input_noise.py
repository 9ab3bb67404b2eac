"""Noise on the features while training: against relying on what the next subject's recording has otherwise.

Levels differ from one person, electrode and amplifier to the next, by about the same amount through a
recording. So two kinds of noise are drawn once for each window, lane and feature, and are the same at all of
its steps: a shift (in the features' own units; spreads of the training split where these scale them), and a
feature left out (dropout with one mask over time: Gal & Ghahramani 2016, "A theoretically grounded
application of dropout in recurrent neural networks"). The third is white, drawn for each step: on a linear
model it is a penalty on the weights (Bishop 1995, "Training with noise is equivalent to Tikhonov
regularization"), and a memory cannot rely on the exact course of a feature.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class InputNoise:
    """What is done to the features of a training window.

    Args:
        shift: Standard deviation of a normal shift of each feature.
        dropout: Share of the features that are 0 throughout the window; the others grow by
            ``1 / (1 - dropout)``.
        white: Standard deviation of normal noise on each feature of each step.
    """

    shift: float = 0.0
    dropout: float = 0.0
    white: float = 0.0

    @property
    def draws(self) -> bool:
        """Whether any of them is drawn."""
        return bool(self.shift or self.dropout or self.white)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the features with noise.

        Args:
            x: ``[T, B, F]``.
            generator: On the CPU, so that a run draws the same on any device.
        """
        shape = (1, *x.shape[1:])
        if self.shift:
            drawn = torch.randn(shape, generator=generator, dtype=torch.float32)
            x = x + (self.shift * drawn).to(x)
        if self.dropout:
            kept = torch.rand(shape, generator=generator, dtype=torch.float32) >= self.dropout
            x = x * (kept / (1 - self.dropout)).to(x)
        if self.white:
            drawn = torch.randn(x.shape, generator=generator, dtype=torch.float32)
            x = x + (self.white * drawn).to(x)
        return x
