"""From probabilities to alarms: a threshold, debouncing, and a refractory period after each alarm.

With p_k the probability of step k, threshold theta, and a and s counting only steps since the last gap::

    a_k = [p_k >= theta]
    s_k = a_k + a_{k-1} + ... + a_{k-m+1}

    quiet -> alarm at k   where a_k = 1, s_k >= n, and refractory seconds have passed since the
                          last alarm was raised: processed steps, and the gaps between them
    alarm -> quiet at k   where s_k = 0, or at a gap

An alarm is raised at the end of step k, so at the earliest n - 1 steps after the end of the first positive
step; n = m requires n consecutive positive steps, a minimum duration. The alarm ends only when none of the
last m steps is positive, so that one long event does not raise several. The refractory period is counted in
steps, so that a change of the clock does not affect it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AlarmRules:
    """Conditions of an alarm; see the equation of this module.

    Args:
        threshold: theta.
        need: n, positive steps that are required.
        of: m, the number of last steps that are looked at.
        refractory: Seconds after an alarm in which no other is raised.
        step: Length of a step, s.
    """

    threshold: float
    need: int
    of: int
    refractory: float
    step: float

    @property
    def debounce(self) -> float:
        """Seconds from the end of the first positive step to the alarm, if all steps are positive."""
        return (self.need - 1) * self.step

    def delay(self, onset_delay: float) -> float:
        """Return the mean delay from an event's onset to its alarm in seconds, if all steps are positive.

        Args:
            onset_delay: Seconds from the onset until the features show it; on average a step ends half a step
                later.
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
        onset: When it sounds: the end of the step that raised it, in seconds from the stream's first sample.
        first: Start of the first of its positive steps, s.
        probability: Of the step that raised it.
    """

    onset: float
    first: float
    probability: float


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An alarm that is over.

    Args:
        raised: The alarm.
        duration: Seconds from when it sounded to the end of its last positive step; 0 where that was
            the step that raised it.
    """

    raised: Raised
    duration: float


class AlarmLogic:
    """The state machine of the alarm, one step at a time.

    Args:
        rules: Conditions of an alarm.
    """

    def __init__(self, rules: AlarmRules) -> None:
        self.rules = rules
        #: The active alarm.
        self.on: Raised | None = None
        self._last: deque[tuple[bool, float]] = deque(maxlen=rules.of)  # positive, start
        self._positive = 0  # s_k
        self._rest = 0.0  # remaining seconds of the refractory period
        self._last_positive_end = 0.0

    def step(self, start: float, probability: float) -> Raised | Ended | None:
        """Process the next step and return the change of the alarm's state.

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
        # accumulated rounding must not cost a step
        rested = self._rest <= 1e-6
        if positive and rested and self._positive >= rules.need:
            first = next(s for p, s in self._last if p)
            self.on = Raised(onset=end, first=first, probability=probability)
            self._rest = rules.refractory
            return self.on
        return None

    def gap(self, seconds: float = 0.0) -> Ended | None:
        """Clear the step history at a gap; return the alarm that ended.

        Args:
            seconds: Length of the gap, which counts for the refractory period; 0 if the clock went backwards.
        """
        self._rest -= max(0.0, seconds)
        self._last.clear()
        self._positive = 0
        return self._ended() if self.on is not None else None

    def _ended(self) -> Ended:
        assert self.on is not None
        raised, self.on = self.on, None
        return Ended(raised=raised, duration=max(0.0, self._last_positive_end - raised.onset))
