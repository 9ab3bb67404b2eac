"""Replacement of single gross samples (a loose electrode, a lost packet), before filters spread them.

A causal running-median filter: with ``m[n] = median(x[n-4 .. n])``, ``y[n] = m[n]`` where
``|x[n] - m[n]| > max(limit, 3 s[n])`` and ``x[n]`` elsewhere; of the last tenth of a second (16 samples at
least), three quarters lie within ``s[n]`` of their median. One or two bad samples in a row vanish; a true
jump passes after two samples. Variant of Hampel 1974 with a fixed limit, for the scale of the signal is known
(microvolts) and its own spread is small while it is flat.

The spread is there for hum: the filter stands before every other, and samples of a strong wave of 50 Hz lie
as far from the median of five as a bad one does. Replacing them would turn hum, which the band-pass takes
away, into delta and theta, which it lets pass. Of a sine, whatever its frequency and the rate, no sample
lies further than two such spreads from the median of five.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell_data.native.library import address, functions

WIDTH = 5
#: Spreads from which on a sample is an outlier, and the share of samples within one.
SPREADS, WITHIN = 3.0, 0.75
#: Seconds of the spread, and samples that it has at least.
HISTORY, FEWEST = 0.1, 16
#: Samples whose spread is worked out at once.
_AT_ONCE = 1 << 14


class OutlierFilter:
    """Replaces outliers in a segment given in chunks; the chunks do not affect the result.

    Nothing comes out before the samples of the first spread are there: they have it in common, and before
    them the segment is taken to have stood at the median of its first five, so that an outlier at the very
    start is caught too.

    Args:
        limit: Largest believed distance from the running median, uV; 0 believes everything.
        rate: Samples a second, Hz.
    """

    def __init__(self, limit: float, rate: float = 100.0) -> None:
        self.limit = limit
        #: Samples of a spread.
        self.width = max(FEWEST, round(HISTORY * rate))
        self._past: NDArray[np.float64] | None = None  # of the median
        self._history: NDArray[np.float64] | None = None  # of the spread
        self._waiting: NDArray[np.float64] | None = None

    def push(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``[C, n]`` uV cleaned, for the next ``[C, n]`` samples of the segment."""
        if self.limit == 0 or values.shape[1] == 0:
            return values
        if self._past is None or self._history is None:
            if self._waiting is not None:
                values = np.concatenate([self._waiting, values], axis=1)
            if values.shape[1] < self.width:
                self._waiting = values.copy()
                return values[:, :0]
            first = np.median(values[:, :WIDTH], axis=1, keepdims=True)
            self._past = np.repeat(first, WIDTH - 1, axis=1)
            # As each of the first samples comes in, its copy goes out: all have the spread of the same ones.
            self._history = values[:, 1 : self.width]
            self._waiting = None
        joined = np.concatenate([self._past, values], axis=1)
        history = self._history
        self._past = joined[:, -(WIDTH - 1) :].copy()
        n = values.shape[1]
        if n >= self.width - 1:
            self._history = values[:, n - self.width + 1 :].copy()
        else:
            self._history = np.concatenate([history[:, n:], values], axis=1)
        # Most segments have no outlier, and seeing that there is none costs far less than the medians: one
        # lies further than the limit from a sample of its window, so that the window has a jump of a
        # quarter of it.
        least = self.limit / WIDTH  # less than a quarter, so that no rounding matters
        native = functions()
        if native is not None:
            found = np.empty(3)
            native.jumps(address(joined), *joined.shape, address(found))
            if found[0] <= self.limit or (found[2] <= least and found[1] >= -least):
                return values
        elif (joined.max(axis=1) - joined.min(axis=1)).max() <= self.limit:
            return values
        jumps = np.diff(joined, axis=1)
        if jumps.max() <= least and jumps.min() >= -least:
            return values
        return self._replaced(joined, history, np.abs(jumps, out=jumps) > least)

    def _replaced(
        self,
        joined: NDArray[np.float64],
        history: NDArray[np.float64],
        jumps: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Return the samples after the first four, outliers replaced by the local median."""
        near = np.lib.stride_tricks.sliding_window_view(jumps, WIDTH - 1, axis=1).any(axis=2)
        rows, columns = np.nonzero(near)
        windows = np.lib.stride_tricks.sliding_window_view(joined, WIDTH, axis=1)[rows, columns]
        medians = np.sort(windows, axis=1)[:, WIDTH // 2]
        out = joined[:, WIDTH - 1 :].copy()
        apart = np.abs(out[rows, columns] - medians)
        far = np.flatnonzero(apart > self.limit)
        behind = np.concatenate([history, joined[:, WIDTH - 1 :]], axis=1)
        behind = np.lib.stride_tricks.sliding_window_view(behind, self.width, axis=1)
        for at in range(0, len(far), _AT_ONCE):
            some = far[at : at + _AT_ONCE]
            last = behind[rows[some], columns[some]]
            last = np.abs(last - np.median(last, axis=1, keepdims=True))
            at_most = int(np.ceil(WITHIN * self.width)) - 1
            spread = np.partition(last, at_most, axis=1)[:, at_most]
            bad = some[apart[some] > SPREADS * spread]
            out[rows[bad], columns[bad]] = medians[bad]
        return out
