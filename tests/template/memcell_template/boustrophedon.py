"""Boustrophedon: the windows forth in even epochs and back in odd ones, as an ox ploughs.

What comes last in an epoch comes first in the next, so no recording is always the one seen longest ago.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell import Sampler, WindowTable, in_rows


class Boustrophedon(Sampler):
    """Forth and back.

    Args:
        config: Ignored; the sampler has no options.
    """

    def __init__(self, config: object = None) -> None:
        super().__init__()

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the table's rows, backwards in odd epochs."""
        rows = np.arange(len(windows))
        return in_rows(rows[::-1] if epoch % 2 else rows, batch_size)
