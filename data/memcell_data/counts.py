"""Counts over the samples of one channel that comes in blocks: amplitudes, runs of one value, clipping.

Each holds little and looks closer only at blocks that may matter, for a night has millions of samples.
Blocks change no count; where a number is not exact it is said.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float64]

#: At most three times as many samples are kept for a median: every one of the first, then every third of
#: all, every ninth ... (a power of three, so that no mains frequency falls on the same phase each time).
KEPT = 1 << 16


class Amplitudes:
    """Median, spread, extremes, and how many samples are far from the median.

    The median and the spread are of at most 3 * `KEPT` samples, evenly chosen. Samples far away are counted
    in bins of a hundredth of the limit, for blocks that leave half the limit around the first block's median;
    the others lie within the limit wherever the median is near there, and count as lying at it elsewhere.

    Args:
        limit: Samples further than this from the median are far away.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.n = 0
        self.low, self.high = np.inf, -np.inf
        self._every = 1
        self._kept: list[Row] = []
        self._n_kept = 0
        self._first_middle = 0.0
        self._near = 0
        self._bins: NDArray[np.int64] | None = None

    def push(self, row: Row, low: float, high: float) -> None:
        """Look at the next samples, at least one, whose extremes are known."""
        if self.n == 0:
            self._first_middle = float(np.median(row))
        chosen = row[-self.n % self._every :: self._every].copy()
        self.n += len(row)
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._kept.append(chosen)
        self._n_kept += len(chosen)
        while self._n_kept > 3 * KEPT:
            self._kept = [np.concatenate(self._kept)[::3].copy()]
            self._n_kept = len(self._kept[0])
            self._every *= 3
        half = self.limit / 2
        if self._first_middle - half <= low and high <= self._first_middle + half:
            self._near += len(row)
        else:
            self._count(row)

    def middle_and_spread(self) -> tuple[float, float]:
        """Return the median and the median absolute deviation."""
        kept = np.concatenate(self._kept)
        middle = float(np.median(kept))
        return middle, float(np.median(np.abs(kept - middle)))

    def outside(self, middle: float) -> int:
        """Return how many samples are further than the limit from ``middle``."""
        away = abs(middle - self._first_middle) > self.limit
        far = self._near if away else 0
        if self._bins is not None:
            centres = (
                self._first_middle + (np.arange(len(self._bins)) - _HALF) * self.limit / _PARTS
            )
            far += int(self._bins[np.abs(centres - middle) > self.limit].sum())
        return far

    def _count(self, row: Row) -> None:
        if self._bins is None:
            self._bins = np.zeros(2 * _HALF + 1, dtype=np.int64)
        # Rounded away from the middle, so that a sample just beyond the limit is in a bin beyond it.
        away = (row - self._first_middle) * (_PARTS / self.limit)
        at = np.trunc(np.clip(away, -_HALF, _HALF)) + np.sign(away)
        at = np.clip(at, -_HALF, _HALF) + _HALF
        self._bins += np.bincount(at.astype(np.int64), minlength=len(self._bins))


_PARTS = 100
_HALF = 100 * _PARTS


class Runs:
    """The share of samples in runs of one value that last ``length`` samples or more; exact.

    Args:
        length: At least 2.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._n = 0
        self._flat = 0  # samples in runs that are over
        self._run = 0  # samples of the run that goes on
        self._value = np.nan

    def push(self, row: Row) -> None:
        """Look at the next samples, at least one."""
        changed = np.empty(len(row), dtype=np.bool_)
        changed[0] = row[0] != self._value
        np.not_equal(row[1:], row[:-1], out=changed[1:])
        self._n += len(row)
        self._value = float(row[-1])
        # A long run leaves a whole window of half its length without a change. Mostly there is none, and
        # only the run that comes in and the one that goes out are of interest.
        half = self.length // 2
        windows = changed[: len(row) // half * half].reshape(-1, half)
        if len(windows) and windows.any(axis=1).all():
            first, last = int(changed.argmax()), len(row) - 1 - int(changed[::-1].argmax())
        else:
            edges = np.flatnonzero(changed)
            if len(edges) == 0:
                self._run += len(row)
                return
            first, last = int(edges[0]), int(edges[-1])
            runs = np.diff(edges)
            self._flat += int(runs[runs >= self.length].sum())
        if self._run + first >= self.length:
            self._flat += self._run + first
        self._run = len(row) - last

    def share(self) -> float:
        """Return the share, between 0 and 1."""
        open_run = self._run if self._run >= self.length else 0
        return (self._flat + open_run) / max(1, self._n)


class Clips:
    """The share of samples that stay at the highest or the lowest value of all; exact."""

    def __init__(self) -> None:
        self._n = 0
        self._last = np.nan
        self._high, self._at_high = -np.inf, 0
        self._low, self._at_low = np.inf, 0

    def push(self, row: Row, low: float, high: float) -> None:
        """Look at the next samples, at least one, whose extremes are known."""
        if high > self._high:
            self._high, self._at_high = high, 0
        if low < self._low:
            self._low, self._at_low = low, 0
        if high == self._high:
            self._at_high += self._stays(row, high)
        if low == self._low:
            self._at_low += self._stays(row, low)
        self._n += len(row)
        self._last = float(row[-1])

    def share(self) -> float:
        """Return the share, between 0 and 1."""
        both = self._at_high if self._low == self._high else self._at_high + self._at_low
        return both / max(1, self._n - 1)

    def _stays(self, row: Row, value: float) -> int:
        at = np.flatnonzero(row == value)
        before = np.where(at > 0, row[at - 1], self._last)
        return int(np.sum(before == value))
