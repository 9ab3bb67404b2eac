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

from memcell_eeg.features.windows import SignalWindow

LARGEST = 0.999
#: A channel whose samples over a window have a root of the sum of squares below this stands still, uV.
SMALLEST = 1e-6


def names(channels: Sequence[str]) -> tuple[str, ...]:
    """Return the features' names: ``"O1~O2"`` for every pair, in the channels' order."""
    return tuple(f"{a}~{b}" for a, b in combinations(channels, 2))


class Correlations:
    """Makes ``[k, C (C - 1) / 2]`` of ``[k, C, w]`` uV; a `memcell_eeg.features.windows.FeatureExtractor`.

    Args:
        signal: What it is built for.
    """

    normalized = True

    def __init__(self, signal: SignalWindow, config: object = None) -> None:
        self.names = names(signal.channels)
        self.delay = signal.window / 2
        self._first, self._second = np.triu_indices(len(signal.channels), 1)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the features."""
        x = samples.astype(np.float64)
        x -= x.mean(axis=2, keepdims=True)
        length = np.sqrt(np.sum(x**2, axis=2, keepdims=True))
        unit = np.divide(x, length, out=np.zeros_like(x), where=length > SMALLEST)
        r = np.matmul(unit, unit.swapaxes(1, 2))[:, self._first, self._second]
        return np.asarray(np.arctanh(np.clip(r, -LARGEST, LARGEST)))
