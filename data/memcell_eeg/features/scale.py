"""The scale of the training split: mean and spread of each feature over its labelled steps, fixed once.

Nobody who is tested has a part in it, and nothing of it changes while a network is used: the level of a
feature, which is what tells one state from another, stays as it is. What lies far outside of what training
saw is clipped, so that it drives no cell into saturation.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from memcell_eeg.features.normalize import SMALLEST

#: Spreads beyond which a value of a signal's feature counts as one there, and of one that came precomputed.
OF_A_SIGNAL, OF_PRECOMPUTED = 4.0, 10.0

Moments = tuple[tuple[float, ...], tuple[float, ...]]


def moments(parts: Iterable[NDArray[np.float32]]) -> Moments:
    """Return mean and standard deviation of each column over all rows, computed in float64.

    Args:
        parts: ``[n, F]`` each.
    """
    all_parts = [np.asarray(part, dtype=np.float32) for part in parts]
    n = max(1, sum(len(part) for part in all_parts))
    mean = np.sum([part.sum(axis=0, dtype=np.float64) for part in all_parts], axis=0) / n
    squares = [((part.astype(np.float64) - mean) ** 2).sum(axis=0) for part in all_parts]
    spread = np.maximum(np.sqrt(np.sum(squares, axis=0) / n), SMALLEST)
    return tuple(mean.tolist()), tuple(spread.tolist())


def scaled(values: NDArray[np.float32], by: Moments, farthest: float) -> NDArray[np.float32]:
    """Return ``[n, F]`` less the mean, over the spread, clipped.

    Args:
        values: In single precision, as they are kept: the same numbers whichever way they come.
        by: Mean and spread.
        farthest: Where a value is clipped, spreads.
    """
    centre, spread = by
    x = (values.astype(np.float64) - np.array(centre)) / np.array(spread)
    out: NDArray[np.float32] = np.clip(x, -farthest, farthest).astype(np.float32)
    return out
