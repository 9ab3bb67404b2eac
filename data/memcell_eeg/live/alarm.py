"""Probabilities to alarms: a threshold, a debounce, and a time of rest after each alarm.

With p_k the probability of step k, threshold theta, and a and s counting only steps since the last gap::

    a_k = [p_k >= theta]
    s_k = a_k + a_{k-1} + ... + a_{k-m+1}

    quiet -> alarm at k   where a_k = 1, s_k >= n, and refractory seconds have passed since the
                          last alarm was raised: steps that were done, and the time of gaps between them
    alarm -> quiet at k   where s_k = 0, or at a gap

An alarm is raised when step k is over, so n - 1 steps after the end of the first positive one at the
earliest; with n = m it takes n positive steps in a row, a minimum duration of n steps. That it ends
only when none of the last m steps is positive keeps one long event from raising several. The time of rest
is counted in steps, so that a clock that is set, or begins again at 0, does not move it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AlarmRules:
    """When an alarm is raised; see the equation of this module.

    Args:
        threshold: theta.
        need: n, positive steps that it takes.
        of: m, the last steps that they are among.
        refractory: Seconds after an alarm was raised without another.
        step: Length of a step, s.
    """

    threshold: float
    need: int
    of: int
    refractory: float
    step: float

    @property
    def debounce(self) -> float:
        """Seconds from the end of the first positive step to the alarm, where all are positive."""
        return (self.need - 1) * self.step

    def delay(self, onset_delay: float) -> float:
        """Return the mean seconds from an event's onset to its alarm, where all steps are positive.

        Args:
            onset_delay: Seconds from the onset until the features show it; a step ends half a step later in
                the mean.
        """
        return onset_delay + self.step / 2 + self.debounce

    def __str__(self) -> str:
        return (
            f"an alarm at {self.need} of {self.of} steps with a probability of {self.threshold:.3g} or more, "
            f"none for {self.refractory:g} s after one"
        )


@dataclass(frozen=True, kw_only=True)
class Raised:
    """An alarm that was raised.

    Args:
        onset: End of the step that raised it, seconds from the stream's first sample: when it sounds.
        first: Start of the first positive step that counted, s.
        probability: Of the step that raised it.
    """

    onset: float
    first: float
    probability: float


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An alarm that is over.

    Args:
        raised: Which.
        duration: Seconds from when it sounded to the end of its last positive step; 0 where that was
            the step that raised it.
    """

    raised: Raised
    duration: float


class AlarmLogic:
    """The state machine, one step at a time.

    Args:
        rules: When an alarm is raised.
    """

    def __init__(self, rules: AlarmRules) -> None:
        self.rules = rules
        #: The alarm that is on.
        self.on: Raised | None = None
        self._last: deque[tuple[bool, float]] = deque(maxlen=rules.of)  # positive, start
        self._positive = 0  # s_k
        self._rest = 0.0  # seconds of the time of rest that are left
        self._last_positive_end = 0.0

    def step(self, start: float, probability: float) -> Raised | Ended | None:
        """Take the next step and return what changed.

        Args:
            start: Of the step, s.
            probability: Of the step.
        """
        rules = self.rules
        positive = probability >= rules.threshold
        if len(self._last) == rules.of:
            self._positive -= self._last[0][0]
        self._last.append((positive, start))
        self._positive += positive
        end = start + rules.step
        self._rest -= rules.step
        if positive:
            self._last_positive_end = end
        if self.on is not None:
            return self._ended() if self._positive == 0 else None
        # rounding of times that were added up must not cost a step
        rested = self._rest <= 1e-6
        if positive and rested and self._positive >= rules.need:
            first = next(s for p, s in self._last if p)
            self.on = Raised(onset=end, first=first, probability=probability)
            self._rest = rules.refractory
            return self.on
        return None

    def gap(self, seconds: float = 0.0) -> Ended | None:
        """Forget the steps so far; return the alarm that was on.

        Args:
            seconds: Without signal, which count as rest; 0 where the clock went back, which says nothing.
        """
        self._rest -= max(0.0, seconds)
        self._last.clear()
        self._positive = 0
        return self._ended() if self.on is not None else None

    def _ended(self) -> Ended:
        assert self.on is not None
        raised, self.on = self.on, None
        return Ended(raised=raised, duration=max(0.0, self._last_positive_end - raised.onset))
