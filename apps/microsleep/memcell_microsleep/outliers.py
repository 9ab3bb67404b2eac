"""Single gross samples (a loose electrode, a lost packet) are replaced before anything spreads them.

A causal running-median filter: with ``m[n] = median(x[n-4 .. n])``, ``y[n] = m[n]`` where
``|x[n] - m[n]| > limit`` and ``x[n]`` elsewhere. One or two bad samples in a row vanish; a true jump
passes after two samples. Variant of Hampel 1974 with a fixed limit, for the scale of the signal is
known (microvolts) and its own spread is small while it is flat.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WIDTH = 5


class OutlierFilter:
    """Replaces outliers of a stretch that comes in chunks; chunked equals whole, bit for bit.

    The first chunk has at least five samples: before it, the stretch is taken to have stood at their
    median, so that an outlier at the very start is caught too.

    Args:
        limit: Largest believed distance from the running median, uV; 0 believes everything.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._past: NDArray[np.float64] | None = None

    def push(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``[C, n]`` uV cleaned, for the next ``[C, n]`` samples of the stretch."""
        if self.limit == 0 or values.shape[1] == 0:
            return values
        if self._past is None:
            first = np.median(values[:, :WIDTH], axis=1, keepdims=True)
            self._past = np.repeat(first, WIDTH - 1, axis=1)
        joined = np.concatenate([self._past, values], axis=1)
        self._past = joined[:, -(WIDTH - 1) :].copy()
        # Most stretches have no outlier. One needs jumps that add up to the limit within the window,
        # and seeing that there are none costs far less than the medians.
        if np.abs(np.diff(joined, axis=1)).max() * (WIDTH - 1) <= self.limit:
            return values
        windows = np.lib.stride_tricks.sliding_window_view(joined, WIDTH, axis=1)
        medians = np.median(windows, axis=2)
        return np.where(np.abs(values - medians) > self.limit, medians, values)
