"""Comparison of a stream's time stamps with its stated sampling rate.

A stream with a wrong rate causes repeated gaps in the same direction: its stamps are early if it sends more
samples per second than stated, late if it sends fewer. Lost samples make stamps late as well, but between two
losses they follow the stated rate. So, over the last `CUTS` gaps:

- all early: the rate is the number of samples over the seconds between their stamps; where that is no
  positive duration, the stamps do not advance or run backwards;
- all late: the rate within the segments, without the gaps; for segments of single samples, the overall rate.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Consecutive gaps in the same direction after which the rate is checked.
CUTS = 4
#: Relative difference from the stated rate that rounding of stamps cannot explain.
TOLERANCE = 0.01
#: Ratio to the stated rate, or its inverse, above which no sample can be trusted.
FAR = 1.25
#: Seconds of signal without such a gap after which the rate counts as correct again.
CALM = 60.0


@dataclass(frozen=True, kw_only=True)
class _Segment:
    first: float
    last: float
    samples: int


class RateWatch:
    """Compares the stated rate with the time stamps, from gap to gap.

    Args:
        name: The stream's.
        rate: The stated rate, Hz.

    Attributes:
        wrong: Description of the problem; empty if there is none.
        far: Whether the rate is so wrong that the signal cannot be used.
        worked: Whether a second of signal without such a gap was ever received.
    """

    def __init__(self, name: str, rate: float) -> None:
        self._name, self._rate = name, rate
        self._segments: deque[_Segment] = deque(maxlen=CUTS + 1)
        self._early: deque[bool] = deque(maxlen=CUTS)
        self._calm = 0
        self.wrong, self.far, self.worked = "", False, False

    def follows(self, stamps: NDArray[np.float64]) -> None:
        """Take stamps that go on with a segment."""
        self._calm += len(stamps)
        if self._calm > CALM * self._rate:
            self.wrong, self.far = "", False
            self._early.clear()
        if self._segments:
            before = self._segments.pop()
            self._add(before.first, stamps, before.samples)

    def begins(self, stamps: NDArray[np.float64], early: bool | None) -> str:
        """Process the first stamps of a segment; return the problem when it is found.

        Args:
            stamps: The first stamps of the segment.
            early: Whether its first stamp is earlier than expected; None if the segment begins for another
                reason.
        """
        if early is None:
            self._segments.clear()
            self._early.clear()
            self._add(float(stamps[0]), stamps)
            return ""
        self._calm = len(stamps)
        self._early.append(early)
        found = self._check(float(stamps[0])) if len(self._early) == CUTS else ""
        self._add(float(stamps[0]), stamps)
        if found and not self.wrong:
            self.wrong = found
            return found
        return ""

    def _add(self, first: float, stamps: NDArray[np.float64], before: int = 0) -> None:
        samples = before + len(stamps)
        self._segments.append(_Segment(first=first, last=float(stamps[-1]), samples=samples))
        self.worked |= samples > self._rate

    def _check(self, now: float) -> str:
        # without the segment before the first of these gaps: it may have begun with correct stamps
        spans = list(self._segments)[1 - CUTS :]
        samples = sum(s.samples for s in spans)
        seconds = now - spans[0].first
        stated = f"stream '{self._name}' states a rate of {self._rate:g} Hz, but its time stamps"
        advice = "correct the rate and the time stamps in the sending program"
        if all(self._early):
            if seconds <= 0:
                self.far = True
                behaviour = "do not advance" if seconds == 0 else "run backwards"
                return f"{stated} {behaviour}; {advice}."
            found = samples / seconds
            if found < self._rate * (1 + TOLERANCE):
                return ""
            self.far = found > FAR * self._rate
            return f"{stated} give {found:.4g} Hz: the rate is wrong; {advice}."
        if any(self._early):
            if samples > self._rate:  # more than a second without a jump
                return ""
            self.far = True
            return f"{stated} jump back and forth; {advice}."
        within = sum(s.last - s.first for s in spans)
        counted = samples - len(spans)
        if counted >= len(spans) and within > 0:
            found = counted / within
        else:
            found = samples / seconds if seconds > 0 else self._rate
        if found > self._rate * (1 - TOLERANCE):
            return ""
        self.far = found * FAR < self._rate
        return f"{stated} give {found:.4g} Hz: the rate is wrong, or samples are lost continually; {advice}."
