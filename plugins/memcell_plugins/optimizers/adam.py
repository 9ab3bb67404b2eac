"""Adam: steps of about the learning rate in every weight.

D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015::

    m = b1 m + (1 - b1) grad            v = b2 v + (1 - b2) grad^2
    w = w - lr * m_hat / (sqrt(v_hat) + eps)
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from memcell_plugins.optimizers.configs import AdamConfig


def build(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: AdamConfig
) -> torch.optim.Optimizer:
    """Return `torch.optim.Adam` over the parameters."""
    return torch.optim.Adam(
        parameters,
        lr=learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        weight_decay=config.weight_decay,
    )
