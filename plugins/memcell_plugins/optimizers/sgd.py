"""Stochastic gradient descent, with heavy-ball or Nesterov momentum where wanted.

H. Robbins and S. Monro 1951; B. T. Polyak 1964; I. Sutskever et al., ICML 2013::

    v = momentum * v + grad             w = w - lr * v
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from memcell_plugins.optimizers.configs import SGDConfig


def build(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: SGDConfig
) -> torch.optim.Optimizer:
    """Return `torch.optim.SGD` over the parameters."""
    return torch.optim.SGD(
        parameters,
        lr=learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
    )
