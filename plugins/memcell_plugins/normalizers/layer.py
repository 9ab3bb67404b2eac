"""Layer normalization: mean and variance over the units of a lane.

J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", arXiv:1607.06450 (2016)::

    norm(z) = gain * (z - mean(z)) / sqrt(var(z) + eps) + bias      over the W units of one lane

Lanes do not meet, so it works with any number of lanes, any ages and any policy, and training and
inference are the same. A site is normalized as a whole: the stacked sums of all gates, as in the paper's
LSTM (its GRU normalizes the candidate apart from the gates).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memcell.recurrent.normalizer import Normalizer
from memcell_plugins.normalizers.configs import LayerConfig


class LayerNorm(Normalizer):
    """Layer normalization with gain and bias.

    Args:
        width: W.
        config: Options.
    """

    def __init__(self, width: int, config: LayerConfig) -> None:
        super().__init__(width)
        self.eps = config.eps
        self.gain = nn.Parameter(torch.full((width,), config.gamma))
        self.bias = nn.Parameter(torch.zeros(width))

    def normalize(
        self, z: Tensor, mode: str, inputs: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Normalize each lane; there are no statistics."""
        centred = z - z.mean(-1, keepdim=True)
        variance = (centred * centred).mean(-1, keepdim=True)
        return self.gain * centred * torch.rsqrt(variance + self.eps) + self.bias, ()
