"""Root-mean-square normalization: layer normalization without centering.

B. Zhang and R. Sennrich, "Root mean square layer normalization", NeurIPS 2019::

    norm(z) = gain * z / sqrt(mean(z^2) + eps)      over the W units of one lane
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memcell.recurrent.normalizer import Normalizer
from memcell_plugins.normalizers.configs import RMSConfig


class RMSNorm(Normalizer):
    """Root-mean-square normalization with gain.

    Args:
        width: W.
        config: Options.
    """

    def __init__(self, width: int, config: RMSConfig) -> None:
        super().__init__(width)
        self.eps = config.eps
        self.gain = nn.Parameter(torch.full((width,), config.gamma))

    def normalize(
        self, z: Tensor, mode: str, inputs: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Normalize each lane; there are no statistics."""
        return self.gain * z * torch.rsqrt((z * z).mean(-1, keepdim=True) + self.eps), ()
