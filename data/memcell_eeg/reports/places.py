"""Choice of the test segments that a report shows in detail, by stated rules.

Half of them by the truth alone (where most events begin), so that the choice does not depend on any
network; half by the errors of the network (where most steps are wrong), so that its worst is shown too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import TimeSeries
from memcell_eeg.scores.events import runs

#: Seconds that a place is long, and steps that it has at least.
LENGTH, STEPS = 60.0, 100
#: Places of each of the two kinds.
EACH = 3
EVENTS, ERRORS = "most true events", "most wrong steps"


@dataclass(frozen=True, kw_only=True)
class ShownSegment:
    """A segment of a recording.

    Args:
        index: Of the sequence.
        start: Seconds from the recording's start.
        end: The same.
        why: `EVENTS` or `ERRORS`.
        found: So many of them.
    """

    index: int
    start: float
    end: float
    why: str
    found: int


def choose(
    sequences: Sequence[TimeSeries], probabilities: Sequence[NDArray[np.float32]], threshold: float
) -> list[ShownSegment]:
    """Return at most 2 `EACH` segments that do not overlap, those by events first.

    Args:
        sequences: With targets.
        probabilities: ``[n_steps, 2]`` of the run's own network.
        threshold: A step is positive from there on.
    """
    by_events, by_errors = [], []
    for i, (s, p) in enumerate(zip(sequences, probabilities, strict=True)):
        onsets = np.zeros(s.n_steps, dtype=np.int64)
        for event in runs(np.asarray(s.targets == 1), s):
            onsets[event.first] = 1
        wrong = ((p[:, 1] >= threshold) != (s.targets == 1)) & s.labelled
        by_events += _windows(s, i, onsets, EVENTS)
        by_errors += _windows(s, i, wrong.astype(np.int64), ERRORS)
    chosen: list[ShownSegment] = []
    for candidates in (by_events, by_errors):
        most = len(chosen) + EACH
        # one of each recording first, then the second best of each
        ordered = sorted(candidates, key=lambda p: -p.found)
        firsts = {p.index: p for p in reversed(ordered)}
        best = [p for p in ordered if firsts[p.index] is p]
        for place in [*best, *(p for p in ordered if firsts[p.index] is not p)]:
            if len(chosen) < most and not any(_same(place, other) for other in chosen):
                chosen.append(place)
    return chosen


def _windows(s: TimeSeries, index: int, marks: NDArray[np.int64], why: str) -> list[ShownSegment]:
    """Return the best windows of a sequence that do not overlap, by the sum of marks inside."""
    length = max(LENGTH, STEPS * s.step_seconds)
    first, last = float(s.times[0]), float(s.times[-1]) + s.step_seconds
    if last - first <= length:
        total = int(marks.sum())
        return (
            [ShownSegment(index=index, start=first, end=last, why=why, found=total)]
            if total
            else []
        )
    # every twelfth of a window a candidate
    starts = np.arange(first, last - length + 1e-9, length / 12)
    summed = np.concatenate([[0], np.cumsum(marks)])
    low = np.searchsorted(s.times, starts - 1e-9)
    totals = summed[np.searchsorted(s.times, starts + length - 1e-9)] - summed[low]
    out: list[ShownSegment] = []
    for k in np.argsort(-totals, kind="stable")[:200].tolist():
        at = float(starts[k])
        apart = all(abs(at - p.start) >= length for p in out)
        if totals[k] > 0 and apart and len(out) < EACH:
            out.append(
                ShownSegment(index=index, start=at, end=at + length, why=why, found=int(totals[k]))
            )
    return out


def _same(a: ShownSegment, b: ShownSegment) -> bool:
    return a.index == b.index and min(a.end, b.end) - max(a.start, b.start) > 0.5 * (
        a.end - a.start
    )
