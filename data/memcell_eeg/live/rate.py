"""Whether a stream's time stamps fit the rate that it says it has.

A stream whose rate is wrong has a gap again and again, always on the same side: its stamps come early where
it sends more samples a second than it says, late where it sends fewer. Lost samples come late as well, but
between two losses the stamps run at the stated rate. So, over the last `CUTS` gaps:

- all early: the rate is the number of samples over the seconds between their stamps; where that is no
  positive time, the stamps stand still or run backwards;
- all late: the rate within the segments, where the gaps are left out; for segments of single samples, that
  over all.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Gaps in a row on the same side after which the rate is looked at.
CUTS = 4
#: Relative difference from the stated rate that is no rounding of stamps.
TOLERANCE = 0.01
#: Ratio to the stated rate, or its inverse, from which on no sample can be trusted.
FAR = 1.25
#: Seconds of signal without such a gap after which the rate is right again.
CALM = 60.0


@dataclass(frozen=True, kw_only=True)
class _Segment:
    first: float
    last: float
    samples: int


class RateWatch:
    """Compares stated rate and time stamps, from one gap to the next.

    Args:
        name: The stream's.
        rate: What it says, Hz.

    Attributes:
        wrong: What is wrong, in words; empty where nothing is.
        far: It is so wrong that nothing of the signal can be trusted.
        worked: A second of signal came once without such a gap.
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
        """Take the first stamps of a segment and return what is wrong, once.

        Args:
            stamps: Its first ones.
            early: Whether its first stamp came before it was due; None where it begins for another reason
                than its stamp.
        """
        if early is None:
            self._segments.clear()
            self._early.clear()
            self._add(float(stamps[0]), stamps)
            return ""
        self._calm = len(stamps)
        self._early.append(early)
        found = self._judged(float(stamps[0])) if len(self._early) == CUTS else ""
        self._add(float(stamps[0]), stamps)
        if found and not self.wrong:
            self.wrong = found
            return found
        return ""

    def _add(self, first: float, stamps: NDArray[np.float64], before: int = 0) -> None:
        samples = before + len(stamps)
        self._segments.append(_Segment(first=first, last=float(stamps[-1]), samples=samples))
        self.worked |= samples > self._rate

    def _judged(self, now: float) -> str:
        # not the one before the first of these gaps: it may have begun when all was right
        spans = list(self._segments)[1 - CUTS :]
        samples = sum(s.samples for s in spans)
        seconds = now - spans[0].first
        says = f"stream '{self._name}' says it has {self._rate:g} Hz, and its time stamps"
        instead = "set rate and stamps right in the program that sends it"
        if all(self._early):
            if seconds <= 0:
                self.far = True
                how = "stand still" if seconds == 0 else "run backwards"
                return f"{says} {how}; {instead}."
            found = samples / seconds
            if found < self._rate * (1 + TOLERANCE):
                return ""
            self.far = found > FAR * self._rate
            return f"{says} say {found:.4g} Hz: the rate is wrong; {instead}."
        if any(self._early):
            if samples > self._rate:  # a second of samples without a jump is no stream of jumps
                return ""
            self.far = True
            return f"{says} jump back and forth; {instead}."
        within = sum(s.last - s.first for s in spans)
        counted = samples - len(spans)
        if counted >= len(spans) and within > 0:
            found = counted / within
        else:
            found = samples / seconds if seconds > 0 else self._rate
        if found > self._rate * (1 - TOLERANCE):
            return ""
        self.far = found * FAR < self._rate
        return f"{says} say {found:.4g} Hz: the rate is wrong, or samples are lost all the time; {instead}."
