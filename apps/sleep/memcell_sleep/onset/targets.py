"""Seconds to the next sleep onset, made of the steps' classes wake and sleep.

An onset is the first step of sleep after wake: of sleep that lasts at least ``sleep_lasting``, after wake
that lasted at least ``wake_lasting``. Shorter sleep within wake is wake. A step of that wake has for target
the seconds from its end, when a prediction for it can be made first, to the onset; steps that end more than
``ahead`` before it have none. So the last step before an onset has 0, and a step of 5 s before that 5.

Without a target are all steps of sleep, wake that no onset ends, and wake that ends in time without a class,
in a gap of a step or more or with the recording, since nobody knows what came then. Sleep whose length nobody
knows (it ends so) counts where what is there of it lasts long enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import UNLABELLED, TimeSeries

WAKE, SLEEP = 0, 1
#: How far apart sums of steps may lie that are the same number of seconds.
SAME = 1e-6


@dataclass(frozen=True, kw_only=True)
class OnsetRules:
    """What counts as an onset, and which steps look at it.

    Args:
        sleep_lasting: Least length of the sleep, s.
        wake_lasting: Least length of the wake before it, s.
        ahead: Longest time to the onset that a step may have for target, s.
    """

    sleep_lasting: float
    wake_lasting: float
    ahead: float

    def __str__(self) -> str:
        return (
            f"onset: the first step of sleep that lasts {self.sleep_lasting:g} s or more, after wake of "
            f"{self.wake_lasting:g} s or more; steps of that wake count, up to {self.ahead:g} s before it; "
            "all others have no target"
        )


@dataclass(frozen=True)
class _Run:
    """Steps ``[start, stop)`` of one class, without a gap of a step or more between them."""

    start: int
    stop: int
    of: int
    seconds: float
    after_break: bool


def with_seconds(sequence: TimeSeries, rules: OnsetRules) -> TimeSeries:
    """Return a sequence of wake and sleep with the seconds to the next onset for targets."""
    return replace(sequence, targets=seconds_to_onset(sequence, rules))


def seconds_to_onset(sequence: TimeSeries, rules: OnsetRules) -> NDArray[np.float32]:
    """Return ``[n_steps]`` seconds from the end of each step to the onset; NaN where there is none.

    Args:
        sequence: Its targets are 0 for wake, 1 for sleep, -1 for neither.
        rules: What counts.
    """
    out = np.full(sequence.n_steps, np.nan, dtype=np.float32)
    ends = sequence.times + sequence.step_seconds
    for wake, sleep in _onsets(sequence, rules):
        seconds = sequence.times[sleep.start] - ends[wake.start : wake.stop]
        near = seconds <= rules.ahead + SAME
        out[wake.start : wake.stop][near] = seconds[near].clip(0)
    return out


def onset_times(sequence: TimeSeries, rules: OnsetRules) -> NDArray[np.float64]:
    """Return when the onsets of a sequence of wake and sleep begin, s from the recording's start."""
    return np.array([sequence.times[sleep.start] for _, sleep in _onsets(sequence, rules)])


def _onsets(sequence: TimeSeries, rules: OnsetRules) -> Iterable[tuple[_Run, _Run]]:
    """Yield the wake and the sleep of each onset."""
    classes = np.array(sequence.targets, dtype=np.int64)
    runs = _runs(sequence, classes)
    for k, run in enumerate(runs):
        if run.of == SLEEP and run.seconds < rules.sleep_lasting - SAME:
            # between wake and wake it was a short one; elsewhere nobody knows how long it was
            classes[run.start : run.stop] = WAKE if _within_wake(runs, k) else UNLABELLED
    runs = _runs(sequence, classes)
    for wake, sleep in pairwise(runs):
        if wake.of != WAKE or sleep.of != SLEEP or sleep.after_break:
            continue
        if wake.seconds >= rules.wake_lasting - SAME:
            yield wake, sleep


def _within_wake(runs: list[_Run], k: int) -> bool:
    if not 0 < k < len(runs) - 1:
        return False
    before, after = runs[k - 1], runs[k + 1]
    joined = not runs[k].after_break and not after.after_break
    return joined and before.of == WAKE and after.of == WAKE


def _runs(sequence: TimeSeries, classes: NDArray[np.int64]) -> list[_Run]:
    starts, times, step = sequence.starts, sequence.times, sequence.step_seconds
    lost = np.diff(times, prepend=times[0] - step) - step
    starts &= (lost >= step - SAME) | (np.arange(len(times)) == 0)
    edges = np.flatnonzero(np.concatenate([[True], classes[1:] != classes[:-1]]) | starts)
    stops = [*edges[1:].tolist(), sequence.n_steps]
    return [
        _Run(
            start=int(a),
            stop=int(b),
            of=int(classes[a]),
            seconds=float(times[b - 1] + step - times[a]),
            after_break=bool(starts[a]),
        )
        for a, b in zip(edges, stops, strict=True)
    ]
