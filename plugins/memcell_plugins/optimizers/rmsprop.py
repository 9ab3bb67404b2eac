"""RMSprop: the gradient divided by its running root mean square.

T. Tieleman and G. Hinton, Neural networks for machine learning, lecture 6e, Coursera 2012::

    v = alpha v + (1 - alpha) grad^2    w = w - lr * grad / (sqrt(v) + eps)
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from memcell_plugins.optimizers.configs import RMSpropConfig


def build(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: RMSpropConfig
) -> torch.optim.Optimizer:
    """Return `torch.optim.RMSprop` over the parameters."""
    return torch.optim.RMSprop(
        parameters,
        lr=learning_rate,
        alpha=config.alpha,
        momentum=config.momentum,
        eps=config.eps,
        weight_decay=config.weight_decay,
    )
