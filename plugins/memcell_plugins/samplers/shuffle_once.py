"""Shuffling once: one random order of all windows, the same in every epoch.

The order depends on the run's seed only. Rate 1/(nk^2) for n windows and k epochs (Safran & Shamir 2020),
between a fixed bad order and ``reshuffle``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.sampler import Sampler, in_rows
from memcell.sequences.windows import WindowTable
from memcell_plugins.samplers.fixed import fixed_rng


class ShuffleOnce(Sampler):
    """One random order.

    Args:
        config: Ignored; the sampler has no options.
    """

    def __init__(self, config: object = None) -> None:
        super().__init__()

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the run's order."""
        return in_rows(fixed_rng(self.seed).permutation(len(windows)), batch_size)
