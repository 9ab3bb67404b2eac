"""Correlation of every pair of channels over the window behind each step, as Fisher's z.

``z_ij = atanh(r_ij)`` with r the Pearson correlation over the window, held within +-.999 so that z is
finite; 0 where a channel stands still. From S. Schumacher's detector (91 pairs of 14 channels, 2 s
windows each .2 s); z after Fisher 1915, for its spread does not depend on r.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from memcell_microsleep.windows import windows

LARGEST = 0.999


def names(channels: Sequence[str]) -> tuple[str, ...]:
    """Return the features' names: ``"O1~O2"`` for every pair, in the channels' order."""
    return tuple(f"{a}~{b}" for a, b in combinations(channels, 2))


def correlations(
    values: NDArray[np.float64], ends: NDArray[np.int64], rate: float, window: float
) -> NDArray[np.float64]:
    """Return ``[n_steps, C (C - 1) / 2]``, in the order of `names`.

    Args:
        values: ``[C, n]`` of one stretch.
        ends: ``[n_steps]`` as `memcell_microsleep.windows.edges` gives them.
        rate: Samples a second, Hz.
        window: Seconds of past signal behind a step.
    """
    first, second = np.triu_indices(len(values), 1)
    out = np.empty((len(ends), len(first)))
    for steps, samples in windows(values, ends, max(2, round(window * rate))):
        centred = samples - samples.mean(axis=2, keepdims=True)
        length = np.sqrt(np.sum(centred**2, axis=2, keepdims=True))
        unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9)
        out[steps] = np.matmul(unit, unit.swapaxes(1, 2))[:, first, second]
    return np.arctanh(np.clip(out, -LARGEST, LARGEST))
