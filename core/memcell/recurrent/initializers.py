"""Initializers of weight matrices, by name.

A gated cell stacks the matrices of its gates; each block ``[H, fan_in]`` is initialized by itself, since
an orthogonal ``[4H, H]`` matrix is not four orthogonal ones.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from memcell.errors import ConfigError, unknown

Initializer = Callable[[Tensor, torch.Generator | None], object]


def _zeros(w: Tensor, generator: torch.Generator | None) -> object:
    return nn.init.zeros_(w)


def _constant(w: Tensor, generator: torch.Generator | None) -> object:
    return nn.init.constant_(w, 0.01)


def _uniform(w: Tensor, generator: torch.Generator | None) -> object:
    bound = w.shape[0] ** -0.5
    return nn.init.uniform_(w, -bound, bound, generator=generator)


def _glorot(w: Tensor, generator: torch.Generator | None) -> object:
    return nn.init.xavier_uniform_(w, generator=generator)


def _he(w: Tensor, generator: torch.Generator | None) -> object:
    return nn.init.kaiming_normal_(w, nonlinearity="relu", generator=generator)


def _orthogonal(w: Tensor, generator: torch.Generator | None) -> object:
    return nn.init.orthogonal_(w, generator=generator)


#: ``uniform`` is torch's own default for recurrent layers, U(-1/sqrt(H), 1/sqrt(H)); ``constant`` is .01;
#: ``glorot`` Glorot & Bengio 2010; ``he`` He et al. 2015; ``orthogonal`` Saxe et al. 2014.
INITIALIZERS: dict[str, Initializer] = {
    "zeros": _zeros,
    "constant": _constant,
    "uniform": _uniform,
    "glorot": _glorot,
    "he": _he,
    "orthogonal": _orthogonal,
}


def initializer(
    name: str, hidden_size: int, generator: torch.Generator | None
) -> Callable[[Tensor], None]:
    """Return an in-place initializer of stacked gate matrices ``[n*H, fan_in]``.

    Args:
        name: A name of `INITIALIZERS`.
        hidden_size: H, rows of one block.
        generator: Where random numbers come from; None for torch's global one.

    Raises:
        ConfigError: The name is not known.
    """
    if name not in INITIALIZERS:
        raise ConfigError(unknown("initializer", name, INITIALIZERS))
    fill = INITIALIZERS[name]

    @torch.no_grad()
    def apply(weight: Tensor) -> None:
        rows = hidden_size if weight.shape[0] % hidden_size == 0 else weight.shape[0]
        for block in torch.split(weight, rows):
            fill(block, generator)

    return apply
