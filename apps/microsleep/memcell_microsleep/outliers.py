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

    Nothing comes out before the first five samples are there: before them, the stretch is taken to have
    stood at their median, so that an outlier at the very start is caught too.

    Args:
        limit: Largest believed distance from the running median, uV; 0 believes everything.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._past: NDArray[np.float64] | None = None
        self._waiting: NDArray[np.float64] | None = None

    def push(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``[C, n]`` uV cleaned, for the next ``[C, n]`` samples of the stretch."""
        if self.limit == 0 or values.shape[1] == 0:
            return values
        if self._past is None:
            if self._waiting is not None:
                values = np.concatenate([self._waiting, values], axis=1)
            if values.shape[1] < WIDTH:
                self._waiting = values.copy()
                return values[:, :0]
            first = np.median(values[:, :WIDTH], axis=1, keepdims=True)
            self._past = np.repeat(first, WIDTH - 1, axis=1)
            self._waiting = None
        joined = np.concatenate([self._past, values], axis=1)
        self._past = joined[:, -(WIDTH - 1) :].copy()
        # Most stretches have no outlier, and seeing that there is none costs far less than the medians: one
        # lies further than the limit from a sample of its window, so that the window has a jump of a
        # quarter of it.
        if (joined.max(axis=1) - joined.min(axis=1)).max() <= self.limit:
            return values
        jumps = np.diff(joined, axis=1)
        least = self.limit / WIDTH  # less than a quarter, so that no rounding matters
        if jumps.max() <= least and jumps.min() >= -least:
            return values
        return self._replaced(joined, np.abs(jumps, out=jumps) > least)

    def _replaced(
        self, joined: NDArray[np.float64], jumps: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the samples after the first four, with medians where they are too far from them."""
        near = np.lib.stride_tricks.sliding_window_view(jumps, WIDTH - 1, axis=1).any(axis=2)
        rows, columns = np.nonzero(near)
        windows = np.lib.stride_tricks.sliding_window_view(joined, WIDTH, axis=1)[rows, columns]
        medians = np.sort(windows, axis=1)[:, WIDTH // 2]
        out = joined[:, WIDTH - 1 :].copy()
        far = np.abs(out[rows, columns] - medians) > self.limit
        out[rows[far], columns[far]] = medians[far]
        return out
