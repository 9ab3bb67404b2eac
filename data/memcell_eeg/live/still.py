"""Removal of flat and saturated channels from a live signal.

`memcell_data.quality.still` defines flat and saturated, which takes a second of signal to decide. Live
samples are passed on at once, unless a channel has been constant for `SOON` s: then they are held back until
it changes, or for a second, after which the channel counts as dead and the samples become a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell_data.channels import kind_of
from memcell_data.quality.still import FEWEST, GOOD, StillSamples, still_windows

#: How long a channel is constant before its samples are held back, s.
SOON = 0.1
#: Channels that are nearly constant between two beats or contractions.
_RESTING = ("ecg", "emg")


def dithers(channel: str) -> bool:
    """Whether values that dither, or ramps, are no signal of a channel either."""
    return kind_of(channel) not in _RESTING


@dataclass(frozen=True, kw_only=True)
class Passed:
    """Samples that are passed on.

    Args:
        values: ``[C, n]`` uV, NaN while a channel is dead; n may be 0.
        stamps: ``[n]``.
        dead: Channels that are dead at the last sample.
        began: Whether a channel has been found dead in these samples.
    """

    values: NDArray[np.float64]
    stamps: NDArray[np.float64]
    dead: tuple[str, ...] = ()
    began: bool = False


class StillWatch:
    """Holds back and removes constant signal; how the input is chunked affects the timing, not the result.

    Args:
        channels: The stream's names of the model's channels.
        rate: Samples a second, Hz.
    """

    def __init__(self, channels: Sequence[str], rate: float) -> None:
        self._channels = tuple(channels)
        self._dither = [dithers(c) for c in channels]
        self._rows = [StillSamples(rate, dither=d) for d in self._dither]
        self._soon = max(2 * FEWEST, round(SOON * rate))
        self._values = np.empty((len(channels), 0))
        self._stamps = np.empty(0)
        self._given = 0  # how many of those have been passed on
        self._dead = False

    def push(self, values: NDArray[np.float64], stamps: NDArray[np.float64]) -> Passed:
        """Add the next samples and return those that can be passed on."""
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
        """End the segment and return the samples that were held back."""
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
        """Return the number of last samples over which a channel is constant, `SOON` s or more; else 0."""
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
