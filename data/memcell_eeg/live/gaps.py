"""Detection of gaps in a live signal from its time stamps.

A gap in a stream is not marked: samples are simply missing. With the segment's first stamp t_0, sample i is
due at ``e_i = t_0 + i / rate + o``, where o follows the mean deviation of the stamps with a time constant of
10 s (no two clocks run at the same speed). Then

- ``|t_i - e_i| <= gap``: jitter. Stamps that come in bursts or were made when a packet arrived lie a few
  hundredths of a second off and have no effect; lost samples that shift the stamps by no more than this
  cannot be distinguished from jitter, and o absorbs them.
- ``|t_i - e_i| > gap``: a gap (or an adjusted clock). Sample i begins a new segment.
- time never runs backwards: where a segment would begin before the end of what came before, or so much
  later that the samples between cannot be missing (less time has passed), the source's clock was adjusted.
  The segment then begins at its time of arrival, and later stamps are shifted by the same amount.
- a sample that is NaN in any channel is removed, and the sample after it begins a new segment, as in a
  recording that is read from a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Time constant of the clocks' offset, s.
FOLLOWS = 10.0
#: How much longer a gap may be than the time waited, s: what a sender buffers while nobody reads.
HELD_BACK = 60.0
#: Rounding error of computed stamps, s, which is no offset.
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class SignalPart:
    """Consecutive samples of one segment.

    Args:
        values: ``[C, n]`` uV.
        stamps: ``[n]`` seconds, as received.
        onset: Expected time of the first of them by the source's clock, s.
        begins: Whether it is the first part of a segment.
        missing: Seconds between the end of the segment before and this one, never negative; 0 if no segment
            begins.
        jumped: Seconds by which the source's clock was adjusted before it; ``onset`` is corrected for them.
        early: Whether the first stamp was earlier than expected; None if the part begins for another reason.
    """

    values: NDArray[np.float64]
    stamps: NDArray[np.float64]
    onset: float
    begins: bool
    missing: float = 0.0
    jumped: float = 0.0
    early: bool | None = None


class GapFinder:
    """Splits the samples of a source into segments.

    Args:
        rate: Samples a second, Hz.
        gap: Largest deviation that counts as jitter, s.

    Attributes:
        jitter: Largest deviation so far that counted as jitter, s.
    """

    def __init__(self, rate: float, gap: float) -> None:
        self.rate, self.gap = rate, gap
        self.jitter = 0.0
        self._first: float | None = None  # t_0; None where the next sample begins a segment
        self._n = 0  # samples of the segment so far
        self._offset = 0.0
        self._end: float | None = None  # of all that came so far
        self._shift = 0.0  # added to stamps, for a clock that was set
        self._early: bool | None = None  # why the next segment begins
        self._arrived: float | None = None

    @property
    def offset(self) -> float:
        """Drift of the source's clock since the segment began, s."""
        return self._offset

    def cut(self) -> None:
        """Let the next sample begin a segment, whatever its time stamp."""
        self._first, self._early = None, None

    def push(
        self,
        values: NDArray[np.float64],
        stamps: NDArray[np.float64],
        arrived: float | None = None,
    ) -> Iterator[SignalPart]:
        """Yield the samples in parts of one segment each.

        Args:
            values: ``[C, n]`` uV; NaN where a sample is missing.
            stamps: ``[n]`` seconds, by the source's clock.
            arrived: Time of arrival by a monotonic clock, s; None if they are not live and their stamps are
                reliable.
        """
        waited = None
        if arrived is not None:
            waited = 0.0 if self._arrived is None else max(0.0, arrived - self._arrived)
            self._arrived = arrived
        if self._shift:
            stamps = stamps + self._shift
        if self._first is not None and math.isfinite(values.sum()):
            deviation = self._deviation(stamps)
            if -self.gap <= deviation.min() and deviation.max() <= self.gap:
                yield self._part(values, stamps, deviation, waited)  # by far the most of them
                return
        good: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(values), axis=0)
        at, total = 0, values.shape[1]
        while at < total:
            if not good[at]:
                self.cut()
                at += 1
                continue
            run = good[at:]
            length = total - at if run.all() else int(run.argmin())
            deviation = self._deviation(stamps[at : at + length])
            far = np.abs(deviation) > self.gap
            if far.any():
                length = int(far.argmax())
                if length == 0:  # never twice: the first stamp of a segment is where it is due
                    self.cut()
                    self._early = bool(deviation[0] < 0)
                    continue
            span = slice(at, at + length)
            part = self._part(values[:, span], stamps[span], deviation[:length], waited)
            if part.jumped:
                stamps = stamps + part.jumped
            yield part
            at, waited = at + length, None if waited is None else 0.0

    def _deviation(self, stamps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the deviation of stamps from their expected times, s."""
        begins = self._first is None
        first = float(stamps[0]) if self._first is None else self._first
        n, offset = (0, 0.0) if begins else (self._n, self._offset)
        due: NDArray[np.float64] = first + np.arange(n, n + len(stamps)) / self.rate
        return stamps - due - offset

    def _part(
        self,
        values: NDArray[np.float64],
        stamps: NDArray[np.float64],
        deviation: NDArray[np.float64],
        waited: float | None,
    ) -> SignalPart:
        begins, jumped = self._first is None, 0.0
        if self._first is None:
            self._first, self._n, self._offset = float(stamps[0]), 0, 0.0
        onset = self._first + self._n / self.rate + self._offset
        missing = onset - self._end if begins and self._end is not None else 0.0
        if waited is not None and not -self.gap <= missing <= waited + HELD_BACK:
            jumped = waited - missing
            missing, onset = waited, onset + jumped
            self._first += jumped
            self._shift += jumped
        self.jitter = max(self.jitter, float(np.abs(deviation).max()))
        mean = float(deviation.sum()) / len(stamps)
        if abs(mean) > _ROUNDING:
            self._offset += mean * -math.expm1(-len(stamps) / self.rate / FOLLOWS)
        self._n += len(stamps)
        self._end = self._first + self._n / self.rate + self._offset
        early, self._early = self._early, None
        return SignalPart(
            values=values,
            stamps=stamps - (self._shift - jumped) if self._shift else stamps,
            onset=onset,
            begins=begins,
            missing=max(0.0, missing),
            jumped=jumped,
            early=early,
        )
