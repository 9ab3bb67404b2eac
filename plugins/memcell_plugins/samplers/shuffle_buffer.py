"""Shuffle buffer: the sequential order, shuffled through a buffer of n windows.

How streamed data sets are shuffled: the buffer holds the next n windows; one of them is drawn, and the
next in line takes its place. A window comes at most n - 1 places early, and n = 1 is ``sequential``; with
n at least the number of windows it is ``reshuffle``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.sampler import Sampler, in_rows
from memcell.sequences.windows import WindowTable
from memcell_plugins.samplers.configs import ShuffleBufferConfig


class ShuffleBuffer(Sampler):
    """Shuffle through a buffer.

    Args:
        config: Options.
    """

    def __init__(self, config: ShuffleBufferConfig) -> None:
        self.n = config.n

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the order in which windows leave the buffer."""
        buffer = list(range(min(self.n, len(windows))))
        order = []
        for arriving in range(len(buffer), len(windows)):
            drawn = rng.integers(len(buffer))
            order.append(buffer[drawn])
            buffer[drawn] = arriving
        rest = rng.permutation(np.array(buffer, dtype=np.int64))
        return in_rows(np.concatenate([np.array(order, dtype=np.int64), rest]), batch_size)
