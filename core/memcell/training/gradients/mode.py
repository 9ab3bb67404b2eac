"""The base of gradient modes, and the plain one: windows of T steps that lie end to end.

A gradient mode owns the length of windows and the way from one to the next; what memory a window begins
with is the state policy's. Plain windows are truncated backpropagation through time with k1 = k2 = T
(Williams & Peng 1990, Neural Computation 2): a gradient reaches back to its window's start, so on average
half of T steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.recurrent.cell import Cell
from memcell.sequences.batch import Batch
from memcell.sequences.time_series import TimeSeries
from memcell.sequences.windows import WindowTable, window_table


class GradientMode:
    """``window``, and the base class of the others.

    Args:
        time_steps: T, the steps of a window (``--time-steps``).
        config: Options of the mode's own.
    """

    def __init__(self, time_steps: int, config: Any = None) -> None:
        self.time_steps, self.config = time_steps, config

    def table(
        self,
        sequences: Sequence[TimeSeries],
        n_classes: int,
        weights: Sequence[NDArray[np.float32]] | None,
        phase: int,
        rng: np.random.Generator,
    ) -> WindowTable:
        """Cut sequences into the windows of an epoch.

        Args:
            sequences: The sequences.
            n_classes: Number of classes.
            weights: Loss weights of each sequence, as in `window_table`.
            phase: The sampler's shift of the grid, 0 for none.
            rng: Seeded from the run's seed and the epoch, the mode's own.
        """
        return window_table(
            sequences,
            self.time_steps,
            n_classes,
            weights,
            phase,
            **self.cuts(sequences, rng),
        )

    def cuts(self, sequences: Sequence[TimeSeries], rng: np.random.Generator) -> dict[str, Any]:
        """Return ``stride`` or ``lengths`` of `window_table`; nothing for plain windows."""
        return {}

    def begin_epoch(self, table: WindowTable, order: NDArray[np.int64]) -> None:
        """Take note of the windows of an epoch and of their order."""

    def rate(self, batch: Batch, total: Callable[[float], float]) -> float:
        """Return what the learning rate is multiplied by for a batch.

        Args:
            batch: This process's lanes.
            total: Sums a number over the processes that train together.
        """
        return 1.0

    def share(self, weight: float) -> float:
        """Return what a batch's mean loss is multiplied by before it is differentiated.

        Args:
            weight: Sum of the batch's loss weights.
        """
        return 1.0

    def cell(self, cell: Cell) -> Cell:
        """Return the cell as it is trained under this mode."""
        return cell

    def problem(self) -> str:
        """Return why its options do not go together, with what to type instead; empty where they do."""
        return ""


def longest(sequences: Sequence[TimeSeries]) -> int:
    """Return the steps of the longest sequence."""
    return max((s.n_steps for s in sequences), default=1)


def lengths_for(steps: int, draw: Callable[[int], NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return drawn lengths that together reach ``steps``.

    Args:
        steps: Of the longest sequence.
        draw: From a number to as many lengths.
    """
    lengths = np.empty(0, dtype=np.int64)
    while lengths.sum() < steps:
        lengths = np.concatenate([lengths, draw(64)])
    return lengths
