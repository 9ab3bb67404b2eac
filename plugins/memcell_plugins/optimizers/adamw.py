"""AdamW: Adam whose weight decay does not pass through the moments.

I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019::

    w = w - lr * (m_hat / (sqrt(v_hat) + eps) + decay * w)
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from memcell_plugins.optimizers.configs import AdamWConfig


def build(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: AdamWConfig
) -> torch.optim.Optimizer:
    """Return `torch.optim.AdamW` over the parameters."""
    return torch.optim.AdamW(
        parameters,
        lr=learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        weight_decay=config.weight_decay,
    )
