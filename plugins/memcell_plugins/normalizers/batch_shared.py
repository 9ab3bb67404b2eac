"""Batch normalization with one statistic for all ages: what ``batch`` separates, here mixed.

C. Laurent, G. Pereyra, P. Brakel, Y. Zhang and Y. Bengio, "Batch normalized recurrent neural networks",
arXiv:1510.01378 (2015), found no help in normalizing the hidden-to-hidden sum; Cooijmans et al. 2016 keep
statistics apart, since those of the first steps differ from the later ones. Here all lanes are normalized
together in training, step by step, whatever their ages; at inference every step is normalized with one
average over all steps, which need fit none of them. It is here for that comparison.
"""

from __future__ import annotations

import dataclasses

from memcell_plugins.normalizers.batch import BatchNorm
from memcell_plugins.normalizers.configs import BatchConfig, BatchSharedConfig


class SharedBatchNorm(BatchNorm):
    """`BatchNorm` that knows one age.

    Args:
        width: W.
        config: Options.
    """

    def __init__(self, width: int, config: BatchSharedConfig) -> None:
        super().__init__(width, BatchConfig(t_max=1, **dataclasses.asdict(config)))
