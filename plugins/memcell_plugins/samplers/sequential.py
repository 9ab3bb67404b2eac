"""Sequential: recording by recording, window by window, the same in every epoch.

The order in which data come, which gradient descent on a sum of losses calls incremental: the slowest of
the orders in theory, 1/k^2 in the number of epochs k (Safran & Shamir 2020). For lanes that carry memory
use ``stream``: here the B windows of a batch follow one another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.sampler import Sampler, in_rows
from memcell.sequences.windows import WindowTable


class Sequential(Sampler):
    """The table's order.

    Args:
        config: Ignored; the sampler has no options.
    """

    def __init__(self, config: object = None) -> None:
        super().__init__()

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the rows of the table as they are."""
        return in_rows(np.arange(len(windows)), batch_size)
