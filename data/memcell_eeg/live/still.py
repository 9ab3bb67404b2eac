"""A live channel that stands still: held back until it is known whether it is dead, and cut out where it is.

What flat and saturated mean is `memcell_data.quality.still`'s business. Of a recording that is known a
second later. Live, samples are passed on at once, but for those at which a channel has stood still for
`SOON` s: they are held back until it moves again, or for a second, after which they are no signal and no
step is made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell_data.channels import kind_of
from memcell_data.quality.still import FEWEST, GOOD, StillSamples, still_windows

#: How long a channel stands still before its samples are held back, s.
SOON = 0.1
#: Channels that are nearly still between two beats or contractions.
_RESTING = ("ecg", "emg")


@dataclass(frozen=True, kw_only=True)
class Passed:
    """Samples that are passed on.

    Args:
        values: ``[C, n]`` uV, NaN where a channel is dead; n may be 0.
        stamps: ``[n]``.
        dead: Channels that are dead at the end of them.
        began: These samples are the first that are known to be dead.
    """

    values: NDArray[np.float64]
    stamps: NDArray[np.float64]
    dead: tuple[str, ...] = ()
    began: bool = False


class StillWatch:
    """Holds back and cuts out what stands still; pieces of the input change when it comes out, not what.

    Args:
        channels: What the stream calls the model's channels.
        rate: Samples a second, Hz.
    """

    def __init__(self, channels: Sequence[str], rate: float) -> None:
        self._channels = tuple(channels)
        self._dither = [kind_of(c) not in _RESTING for c in channels]
        self._rows = [StillSamples(rate, dither=d) for d in self._dither]
        self._soon = max(2 * FEWEST, round(SOON * rate))
        self._values = np.empty((len(channels), 0))
        self._stamps = np.empty(0)
        self._given = 0  # how many of those have been passed on
        self._dead = False

    def push(self, values: NDArray[np.float64], stamps: NDArray[np.float64]) -> Passed:
        """Take the next samples and return those that can be passed on."""
        x = np.concatenate([self._values, values], axis=1)
        at = np.concatenate([self._stamps, stamps])
        marks = []
        for still, row in zip(self._rows, values, strict=True):
            decided = still.push(row)
            marks.append(np.concatenate([decided, still.pending]))
        bad = np.stack([m != GOOD for m in marks])
        undecided = len(self._rows[0].pending)
        hold = 0 if bad[:, -1].any() else min(self._still_at_the_end(x), undecided)
        stop = max(self._given, x.shape[1] - hold)
        passed = self._passed(x, at, bad, slice(self._given, stop))
        keep = x.shape[1] - undecided
        self._values, self._stamps = x[:, keep:].copy(), at[keep:].copy()
        self._given = stop - keep
        return passed

    def end(self) -> Passed:
        """Return what is held back; the segment is over."""
        marks = [still.end() for still in self._rows]
        bad = np.stack([m != GOOD for m in marks])
        passed = self._passed(
            self._values, self._stamps, bad, slice(max(0, self._given), self._values.shape[1])
        )
        self._values, self._stamps, self._given = self._values[:, :0], self._stamps[:0], 0
        self._dead = False
        return passed

    def _passed(
        self,
        x: NDArray[np.float64],
        at: NDArray[np.float64],
        bad: NDArray[np.bool_],
        part: slice,
    ) -> Passed:
        values = x[:, part].copy()
        values[bad[:, part]] = np.nan
        if values.shape[1] == 0:
            return Passed(values=values, stamps=at[part])
        dead = tuple(c for c, b in zip(self._channels, bad[:, part], strict=True) if b[-1])
        began = bool(dead) and not self._dead
        self._dead = bool(dead)
        return Passed(values=values, stamps=at[part], dead=dead, began=began)

    def _still_at_the_end(self, x: NDArray[np.float64]) -> int:
        """Return how many of the last samples end a short time in which a channel stood still."""
        n, most = self._soon, 0
        if x.shape[1] < n:
            return 0
        for row, dither in zip(x, self._dither, strict=True):
            whole = np.where(np.isfinite(row), row, np.inf)
            with np.errstate(invalid="ignore"):
                d = np.diff(whole)
            d[np.isnan(d)] = np.inf
            still = still_windows(whole, d, n, dither)[::-1]
            most = max(most, len(still) if still.all() else int(still.argmin()))
        return most
