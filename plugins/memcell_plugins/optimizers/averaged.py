"""Weight averaging: training goes on as ever, and what is judged and kept is the mean of its way.

B. Polyak and A. Juditsky, SIAM J. Control Optim. 30, 1992 (uniform); exponential as in today's practice::

    exponential   a = decay' * a + (1 - decay') * w,   decay' = min(decay, (1 + n) / (10 + n)) at update n
    uniform       a = a + (w - a) / n,                 n counts updates from ``start`` on

The engine exchanges the parameters with their means (`swap`) while it validates, and for the weights it
keeps.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from memcell_plugins.optimizers.configs import AveragedConfig
from memcell_plugins.optimizers.wrapped import Wrapped, inner


def build(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: AveragedConfig
) -> torch.optim.Optimizer:
    """Return averaging around the optimizer that the config names."""
    return Averaged(inner(config.inner, config.momentum, parameters, learning_rate), config)


class Averaged(Wrapped):
    """See the module.

    Args:
        inner: Makes the steps.
        config: Options.
    """

    def __init__(self, inner: torch.optim.Optimizer, config: AveragedConfig) -> None:
        super().__init__(inner)
        self._config = config

    def after(self, parameters: list[nn.Parameter]) -> None:
        """Add this update's weights to the means."""
        n = self.steps - self._config.start
        if n <= 0:
            share = 1.0
        elif self._config.kind == "uniform":
            share = 1 / n
        else:
            share = 1 - min(self._config.decay, (1 + n) / (10 + n))
        for mine, mean in zip(parameters, self.copies, strict=True):
            mean.lerp_(mine.detach(), share)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the parameters with their means; twice is nothing."""
        for mine, mean in zip(self.parameters(), self.copies, strict=True):
            kept = mine.detach().clone()
            mine.copy_(mean)
            mean.copy_(kept)
