"""Blocks: k windows of one label in a row, the labels taking turns.

B. Badger, "Training Memory": k = 1 alternates, a large k groups; in between, what a network remembers of
the group that it saw last is measured against k. Within a label the order is new in every epoch. A label
that has no windows left is passed over, so the end of an epoch belongs to the most frequent label. A
window counts for its most frequent label; windows without any make a group of their own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.sampler import Sampler, in_rows
from memcell.sequences.windows import WindowTable
from memcell_plugins.samplers.configs import BlocksConfig


class Blocks(Sampler):
    """Blocks of alternating labels.

    Args:
        config: Options.
    """

    def __init__(self, config: BlocksConfig) -> None:
        self.k = config.k

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return blocks of the first label, the second, ..., the first again."""
        label = windows.label
        turn = np.empty(len(windows), dtype=np.int64)
        shuffled = rng.permutation(len(windows))
        for c in np.unique(label):
            rows = shuffled[label[shuffled] == c]
            turn[rows] = np.arange(len(rows)) // self.k
        # by turn, then by label; a stable sort keeps the shuffled order within a block
        by_turn = np.lexsort((label[shuffled], turn[shuffled]))
        return in_rows(shuffled[by_turn], batch_size)
