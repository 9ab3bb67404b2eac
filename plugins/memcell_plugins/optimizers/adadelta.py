"""Adadelta: steps that have the units of the weights.

M. D. Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701 (2012)::

    v = rho v + (1 - rho) grad^2        d = sqrt(u + eps) / sqrt(v + eps) * grad
    u = rho u + (1 - rho) d^2           w = w - lr * d         (the paper has lr = 1)
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from memcell_plugins.optimizers.configs import AdadeltaConfig


def build(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: AdadeltaConfig
) -> torch.optim.Optimizer:
    """Return `torch.optim.Adadelta` over the parameters."""
    return torch.optim.Adadelta(
        parameters,
        lr=learning_rate,
        rho=config.rho,
        eps=config.eps,
        weight_decay=config.weight_decay,
    )
