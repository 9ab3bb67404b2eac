"""Reshuffling: a new random order of all windows in every epoch.

The rate is O(1/(nk)^2 + 1/(nk^3)) for n windows and k epochs (Safran & Shamir 2020), against 1/(nk^2) for
``shuffle_once`` and 1/k^2 for a fixed bad order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.sampler import Sampler, in_rows
from memcell.sequences.windows import WindowTable


class Reshuffle(Sampler):
    """A new order in every epoch.

    Args:
        config: Ignored; the sampler has no options.
    """

    def __init__(self, config: object = None) -> None:
        super().__init__()

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return a random order."""
        return in_rows(rng.permutation(len(windows)), batch_size)
