"""Where a live signal is interrupted, found from its time stamps alone.

Nobody marks a gap in a stream: samples are simply missing. With the segment's first stamp t_0, sample i is
due at ``e_i = t_0 + i / rate + o``, where o follows the mean deviation of the stamps with a time constant of
10 s (two clocks never run alike). Then

- ``|t_i - e_i| <= gap``: jitter. Stamps that come in bursts or were made when a packet arrived lie a few
  hundredths of a second off, and nothing follows from it; lost samples that shift the stamps by no more
  than this are not told from it, and o takes them up.
- ``|t_i - e_i| > gap``: a gap (or a clock that was set). Sample i begins a new segment.
- time never runs backwards: where a segment would begin before the end of what came before, or so much
  later that the samples between cannot be missing (nobody waited that long), the source's clock was set.
  The segment then begins when it arrived, and later stamps are moved by as much.
- a sample that is not a number in any channel is cut out, and what follows it begins a new segment, as in a
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
#: How much longer than it was waited for a gap may be, s: what a sender keeps while nobody takes it.
HELD_BACK = 60.0
#: Rounding of stamps that were computed, s: no offset.
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True)
class SignalPart:
    """Samples that follow each other.

    Args:
        values: ``[C, n]`` uV.
        stamps: ``[n]`` seconds, as they came.
        onset: Seconds of the first of them, by the source's clock, as it is due.
        begins: It is the first of a segment.
        missing: Seconds between the end of what came before and this segment, never negative; 0 where none
            begins.
        jumped: Seconds by which the source's clock was set before it; ``onset`` has them taken out.
        early: The first sample's stamp was before it was due; None where that is not why the part begins.
    """

    values: NDArray[np.float64]
    stamps: NDArray[np.float64]
    onset: float
    begins: bool
    missing: float = 0.0
    jumped: float = 0.0
    early: bool | None = None


class GapFinder:
    """Cuts the samples of a source into segments.

    Args:
        rate: Samples a second, Hz.
        gap: Largest deviation that is jitter, s.

    Attributes:
        jitter: Largest deviation that was taken for jitter, s.
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
        """Seconds by which the source's clock has moved since the segment began."""
        return self._offset

    def cut(self) -> None:
        """Let the next sample begin a segment, whatever its stamp says."""
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
            arrived: When they came, seconds of a clock that nobody sets; None where they do not come live and
                their stamps are to be believed.
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
        """Return how far stamps lie from where they are due; where a segment begins, from the first."""
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
