"""Anticipated reweighted truncated backpropagation (Tallec & Ollivier 2017, arXiv:1705.08209).

A fixed truncation leaves out every dependence longer than T, in the same direction always: its gradient is
biased. Here the gradient is truncated after each step with probability c = 1/T, and where it is not, what
flows back over that step is multiplied by 1/(1 - c):

    delta_t = dl_t/ds_t + (0 with probability c, else 1/(1 - c)) * delta_{t+1} ds_{t+1}/ds_t

so the expected gradient is that of the whole sequence (at parameters that stay, with memory carried over
truncations). The price is variance, which grows with the length of what is learned. Truncations cut a
sequence into windows of geometric length with mean T (``--time-steps``). Series of lengths are drawn anew
each epoch from the run's seed, the same for every sequence. A sampler's shift of the grid is left out: it
would be one more truncation, in no proportion to c.

So that each step weighs the same whatever window it is in, a batch's summed loss is divided by the mean
weight of the epoch's batches, not its own. Clipping, dropout and an adaptive optimizer come after the
gradient and are not unbiased; ``--clip 0 --optimizer sgd`` is the theorem's case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.recurrent.cell import Cell
from memcell.sequences.time_series import TimeSeries
from memcell.sequences.windows import WindowTable
from memcell.training.gradients.flow import FlowScaled
from memcell.training.gradients.mode import GradientMode, lengths_for, longest


class ARTBP(GradientMode):
    """Windows of geometric length, with the gradient between their steps scaled up.

    Args:
        time_steps: The mean length.
        config: It has no options.
    """

    def __init__(self, time_steps: int, config: Any = None) -> None:
        super().__init__(time_steps, config)
        self._mean_weight = 1.0

    def table(
        self,
        sequences: Sequence[TimeSeries],
        n_classes: int,
        weights: Sequence[NDArray[np.float32]] | None,
        phase: int,
        rng: np.random.Generator,
    ) -> WindowTable:
        """Cut sequences into the windows of an epoch, from their first step on whatever the phase."""
        return super().table(sequences, n_classes, weights, 0, rng)

    def cuts(self, sequences: Sequence[TimeSeries], rng: np.random.Generator) -> dict[str, Any]:
        """Return the series of lengths."""
        c = 1.0 / self.time_steps
        return {"lengths": lengths_for(longest(sequences), lambda n: rng.geometric(c, n))}

    def begin_epoch(self, table: WindowTable, order: NDArray[np.int64]) -> None:
        """Take the mean weight of a batch."""
        self._mean_weight = float(table.weight[order[order >= 0]].sum()) / max(1, len(order))

    def share(self, weight: float) -> float:
        """Return the batch's weight over the mean weight."""
        return weight / self._mean_weight

    def cell(self, cell: Cell) -> Cell:
        """Return the cell with 1/(1 - c) on the gradient between steps."""
        steps = self.time_steps
        # c = 1 truncates everywhere: every window is one step, and nothing flows
        return cell if steps == 1 else FlowScaled(cell, steps / (steps - 1))
