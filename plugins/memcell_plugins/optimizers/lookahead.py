"""Lookahead: k fast steps, then the slow weights go a part of the way after them.

M. Zhang, J. Lucas, G. Hinton and J. Ba, NeurIPS 2019::

    every k updates:  slow = slow + alpha * (fast - slow),  fast = slow
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from memcell_plugins.optimizers.configs import LookaheadConfig
from memcell_plugins.optimizers.wrapped import Wrapped, inner


def build(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: LookaheadConfig
) -> torch.optim.Optimizer:
    """Return Lookahead around the optimizer that the config names."""
    return Lookahead(inner(config.inner, config.momentum, parameters, learning_rate), config)


class Lookahead(Wrapped):
    """See the module.

    Args:
        inner: Makes the fast steps.
        config: Options.
    """

    def __init__(self, inner: torch.optim.Optimizer, config: LookaheadConfig) -> None:
        super().__init__(inner)
        self._k, self._alpha = config.k, config.alpha

    def after(self, parameters: list[nn.Parameter]) -> None:
        """Move the slow weights at every k-th step."""
        if self.steps % self._k:
            return
        for fast, slow in zip(parameters, self.copies, strict=True):
            slow.lerp_(fast.detach(), self._alpha)
            fast.copy_(slow)
