"""Hidden layers between memory and readout, each step by itself.

R. Pascanu et al., "How to construct deep recurrent neural networks" (ICLR 2014), the deep output::

    a = relu(W_n ... relu(W_1 h_t + b_1) ... + b_n)

The readout of ``a`` is linear, as always.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from memcell.network.around import HeadPlace
from memcell_plugins.heads.configs import MLPConfig


class MLP(nn.Sequential):
    """Hidden layers with ReLU; it keeps nothing from step to step.

    Args:
        place: Where it stands.
        config: Number and width of the layers.
    """

    def __init__(self, place: HeadPlace, config: MLPConfig) -> None:
        widths = [place.width] + [config.width] * config.layers
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        super().__init__(*layers)
        self.output_size = config.width
