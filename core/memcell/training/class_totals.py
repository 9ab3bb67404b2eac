"""How much each class weighed in an epoch: what a sampler and the weights of steps made of the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import TimeSeries
from memcell.sequences.windows import WindowTable


def class_totals(
    sequences: Sequence[TimeSeries],
    weights: Sequence[NDArray[np.float32]] | None,
    table: WindowTable,
    order: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return ``[n_classes]`` the sum of the loss weights of each class over an order, class weights aside.

    Args:
        sequences: What the table was made of.
        weights: Loss weights ``[n_steps]`` of each sequence; None for 1 at each labelled step.
        table: The windows.
        order: Rows of the table, any shape; -1 for none.
    """
    times = np.bincount(order[order >= 0].ravel(), minlength=len(table)).astype(np.float64)
    if weights is None:
        return np.asarray(times @ table.label_counts)
    totals = np.zeros(table.label_counts.shape[1])
    first = table.start + table.counted_from
    stop = table.start + table.length
    for i, (sequence, weight) in enumerate(zip(sequences, weights, strict=True)):
        rows = table.sequence == i
        for k in range(len(totals)):
            mine = np.where(sequence.targets == k, weight, 0.0)
            until = np.concatenate([[0.0], np.cumsum(mine, dtype=np.float64)])
            totals[k] += float(times[rows] @ (until[stop[rows]] - until[first[rows]]))
    return totals
