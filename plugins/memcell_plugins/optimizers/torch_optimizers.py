"""Torch's own optimizers as plugins, one function each with its equations.

In them ``grad`` is the gradient, ``w`` a weight and ``lr`` the learning rate.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from memcell_plugins.optimizers.configs import (
    AdadeltaConfig,
    AdamConfig,
    AdamWConfig,
    RMSpropConfig,
    SGDConfig,
)


def adam(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: AdamConfig
) -> torch.optim.Optimizer:
    """Adam: steps of about the learning rate in every weight.

    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015::

        m = b1 m + (1 - b1) grad            v = b2 v + (1 - b2) grad^2
        w = w - lr * m_hat / (sqrt(v_hat) + eps)
    """
    return torch.optim.Adam(
        parameters,
        lr=learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        weight_decay=config.weight_decay,
    )


def adamw(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: AdamWConfig
) -> torch.optim.Optimizer:
    """AdamW: Adam whose weight decay does not pass through the moments.

    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019::

        w = w - lr * (m_hat / (sqrt(v_hat) + eps) + decay * w)
    """
    return torch.optim.AdamW(
        parameters,
        lr=learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        weight_decay=config.weight_decay,
    )


def sgd(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: SGDConfig
) -> torch.optim.Optimizer:
    """Stochastic gradient descent, with heavy-ball or Nesterov momentum where wanted.

    H. Robbins and S. Monro 1951; B. T. Polyak 1964; I. Sutskever et al., ICML 2013::

        v = momentum * v + grad             w = w - lr * v
    """
    return torch.optim.SGD(
        parameters,
        lr=learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
    )


def rmsprop(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: RMSpropConfig
) -> torch.optim.Optimizer:
    """RMSprop: the gradient divided by its running root mean square.

    T. Tieleman and G. Hinton, Neural networks for machine learning, lecture 6e, Coursera 2012::

        v = alpha v + (1 - alpha) grad^2    w = w - lr * grad / (sqrt(v) + eps)
    """
    return torch.optim.RMSprop(
        parameters,
        lr=learning_rate,
        alpha=config.alpha,
        momentum=config.momentum,
        eps=config.eps,
        weight_decay=config.weight_decay,
    )


def adadelta(
    parameters: Iterable[nn.Parameter], learning_rate: float, config: AdadeltaConfig
) -> torch.optim.Optimizer:
    """Adadelta: steps that have the units of the weights.

    M. D. Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701 (2012)::

        v = rho v + (1 - rho) grad^2        d = sqrt(u + eps) / sqrt(v + eps) * grad
        u = rho u + (1 - rho) d^2           w = w - lr * d         (the paper has lr = 1)
    """
    return torch.optim.Adadelta(
        parameters,
        lr=learning_rate,
        rho=config.rho,
        eps=config.eps,
        weight_decay=config.weight_decay,
    )
