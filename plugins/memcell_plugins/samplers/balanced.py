"""Balanced: every class equally often, in random order.

An epoch has about as many windows as the table: ``ceil(n / classes)`` of each class that occurs, a window
counting for its most frequent label. A rare class goes through its windows several times, each of them
equally often up to one; of a frequent class a random part is taken. Windows without a label are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.sequences.sampler import Sampler, in_rows
from memcell.sequences.time_series import UNLABELLED
from memcell.sequences.windows import WindowTable


class Balanced(Sampler):
    """Every class equally often.

    Args:
        config: Ignored; the sampler has no options.
    """

    def __init__(self, config: object = None) -> None:
        super().__init__()

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return a random order of equally many windows of each class.

        Raises:
            DataError: No window has a label.
        """
        label = windows.label
        labelled = np.flatnonzero(label != UNLABELLED)
        if not len(labelled):
            raise DataError(
                f"sampler 'balanced' counts windows by their labels, and none of the {len(windows)} "
                "windows has one; use sampler 'reshuffle'"
            )
        classes = np.unique(label[labelled])
        each = -(-len(labelled) // len(classes))
        drawn = [_drawn(np.flatnonzero(label == c), each, rng) for c in classes]
        return in_rows(rng.permutation(np.concatenate(drawn)), batch_size)


def _drawn(rows: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw n rows, each equally often up to one."""
    times = -(-n // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(times)])[:n]
