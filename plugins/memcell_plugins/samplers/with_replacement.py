"""Sampling with replacement: every window drawn at random from all of them.

Stochastic gradient descent as it is usually analysed. An epoch has as many windows as the table; about
1/e of the table's windows are not among them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.sampler import Sampler, in_rows
from memcell.sequences.windows import WindowTable


class WithReplacement(Sampler):
    """Independent draws.

    Args:
        config: Ignored; the sampler has no options.
    """

    def __init__(self, config: object = None) -> None:
        super().__init__()

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return as many draws as there are windows."""
        n = len(windows)
        return in_rows(rng.integers(n, size=n) if n else np.arange(0), batch_size)
