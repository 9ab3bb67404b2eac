"""Baselines that look at no feature: the majority class, the clock, noise, the previous true label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Task
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.baselines.fitted import Fitted, two
from memcell_eeg.baselines.regression import logistic

#: Periods of the clock's waves in seconds.
PERIODS = (60.0, 300.0, 1800.0)
NOISE_FEATURES = 8


def majority(task: Task) -> Fitted:
    """Return the more frequent class of the training steps, everywhere."""
    winner = float(positive_share(task) > 0.5)
    return Fitted(name="majority class", model=lambda s: two(np.full(s.n_steps, winner)))


def clock_only(task: Task) -> Fitted:
    """Return logistic regression on the time since the recording's start."""
    return logistic("clock only", task, lambda s, steps: clock(s)[steps])


def clock(sequence: TimeSeries) -> NDArray[np.float64]:
    """Return ``[n_steps, 8]`` of the time t from the recording's start: t and t^2 in hours, waves."""
    t = sequence.times
    hours = t / 3600
    waves = [f(2 * np.pi * t / period) for period in PERIODS for f in (np.sin, np.cos)]
    return np.stack([hours, hours**2, *waves], axis=1)


def noise_only(task: Task, random: np.random.Generator) -> Fitted:
    """Return logistic regression on random numbers, drawn anew whenever it is asked."""

    def noise(sequence: TimeSeries, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        return random.standard_normal((len(steps), NOISE_FEATURES))

    return logistic("noise only", task, noise)


def previous_label(task: Task) -> Fitted:
    """Return what was true at the labelled step before, within the segment; it sees test labels.

    Where there is none (a start, a gap) it answers with the majority class of training.
    """
    first = float(positive_share(task) > 0.5)

    def model(sequence: TimeSeries) -> NDArray[np.float32]:
        p = np.full(sequence.n_steps, first)
        last, starts, known = first, sequence.starts, sequence.labelled
        for t, y in enumerate(sequence.targets.tolist()):
            last = first if starts[t] else last
            p[t] = last
            last = float(y) if known[t] else last
        return two(p)

    return Fitted(
        name="previous true label (not deployable)",
        model=model,
        note="sees the true label of the step before, which no detector has",
        deployable=False,
    )


def positive_share(task: Task) -> float:
    """Return the share of positive among the labelled training steps."""
    y = np.concatenate([s.targets[s.labelled] for s in task.train])
    return float(np.mean(y == 1))
