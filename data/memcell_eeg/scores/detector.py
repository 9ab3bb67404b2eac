"""Detection of events in a stream of probabilities.

The same rule as `memcell_eeg.scores.events.runs`: an event is a run of positive steps within one segment;
runs at most ``merge`` apart become one, and what is shorter than ``min_duration`` is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
from numpy.typing import NDArray

from memcell_eeg.scores.events import EventRules

#: Steps from which on numpy adds several sums at a time.
_SHORT = 8


@dataclass(frozen=True, kw_only=True)
class DetectedEvent:
    """A detected event.

    Args:
        onset: Seconds from the recording's first sample.
        duration: Seconds.
        highest: Largest probability of its steps.
        mean: Mean probability of its steps, those between merged runs too.
    """

    onset: float
    duration: float
    highest: float
    mean: float


@dataclass
class _Sum:
    """A sum over consecutive steps."""

    steps: int = 0
    total: float = 0.0
    highest: float = 0.0

    def add(self, steps: int, total: float, highest: float) -> None:
        self.steps, self.total = self.steps + steps, self.total + total
        self.highest = max(self.highest, highest)


class EventDetector:
    """Detects the events of one recording.

    Args:
        threshold: A step is positive from this probability on.
        step: Length of a step, s.
        rules: As `EventRules` says.
    """

    def __init__(self, threshold: float, step: float, rules: EventRules) -> None:
        self._threshold, self._step, self._rules = threshold, step, rules
        #: Those that are over.
        self.events: list[DetectedEvent] = []
        self._onset = 0.0
        self._run, self._since = _Sum(), _Sum()

    def push(
        self, p: NDArray[np.float64], times: NDArray[np.float64], starts: NDArray[np.bool_]
    ) -> None:
        """Add the next steps.

        Args:
            p: ``[k]`` probabilities.
            times: ``[k]`` starts of the steps, s.
            starts: ``[k]``: steps before which the recording was interrupted.
        """
        if len(p) == 0:
            return
        positive = p >= self._threshold
        turns = np.flatnonzero((positive[1:] != positive[:-1]) | starts[1:]) + 1
        edges = [0, *turns.tolist(), len(p)]
        each = p.tolist()
        highest = np.maximum.reduceat(p, edges[:-1]).tolist()
        begins, above = starts[edges[:-1]].tolist(), positive[edges[:-1]].tolist()
        for k, (a, b) in enumerate(pairwise(edges)):
            if begins[k]:
                self._close()
            if not (above[k] or self._run.steps):
                continue
            # numpy adds a short run from left to right, and takes far longer to begin
            total = reduce(add, each[a:b]) if b - a < _SHORT else float(p[a:b].sum())
            part = (b - a, total, highest[k])
            if above[k]:
                if not self._run.steps:
                    self._onset = float(times[a])
                since = self._since
                self._run.add(since.steps, since.total, since.highest)
                self._run.add(*part)
                self._since = _Sum()
            else:
                self._since.add(*part)
                if self._since.steps * self._step > self._rules.merge + 1e-9:
                    self._close()

    def end(self) -> list[DetectedEvent]:
        """Return all events at the end of the recording."""
        self._close()
        return self.events

    def _close(self) -> None:
        run = self._run
        duration = run.steps * self._step
        if run.steps and duration >= self._rules.min_duration - 1e-9:
            found = DetectedEvent(
                onset=self._onset,
                duration=duration,
                highest=run.highest,
                mean=run.total / run.steps,
            )
            self.events.append(found)
        self._run, self._since = _Sum(), _Sum()
