"""Delays from the event: theta that begins at a known moment, through filters, windows and alarm logic."""

from __future__ import annotations

import numpy as np
import pytest

from memcell_eeg.features.stream import FeatureStream
from memcell_eeg.live.alarm import AlarmLogic, AlarmRules, Raised


def log_theta(pipeline, rate, onset, random, seconds=40):
    """Return log theta power of each step where a sine of 6 Hz begins at ``onset``, on little noise."""
    t = np.arange(int(rate * seconds)) / rate
    x = 5 * random.normal(size=len(t))
    x += np.where(t >= onset, 50 * np.sin(2 * np.pi * 6 * t + random.uniform(0, 6)), 0)
    return FeatureStream(pipeline, rate).push(x[None])[:, 1]


@pytest.mark.parametrize("window", [0.6, 1.0, 3.0])
@pytest.mark.parametrize("rate", [100, 128, 500])
def test_half_of_theta_is_there_when_it_is_stated(pipeline_of, window, rate) -> None:
    random, late = np.random.default_rng(0), []
    pipeline = pipeline_of(window=window, normalization="none", step=0.05)
    for _ in range(12):
        onset = 15 + random.uniform(0, 0.2)
        theta = np.exp(log_theta(pipeline, rate, onset, random, 25))
        first = np.flatnonzero(theta > np.median(theta[-100:]) / 2)[0]
        late.append(0.05 * (first + 1) - 0.025 - onset)  # half a step back: the mean of where in it
    assert np.mean(late) == pytest.approx(pipeline.onset_delay(rate), abs=0.04)


@pytest.mark.parametrize(("window", "rate", "need"), [(1.0, 128, 3), (2.0, 250, 1), (1.0, 100, 5)])
def test_the_alarm_comes_when_it_is_stated(pipeline_of, window, rate, need) -> None:
    """A step is positive from half the power of theta on: seconds from its onset to the alarm."""
    random, late = np.random.default_rng(1), []
    pipeline = pipeline_of(window=window, normalization="none")
    rules = AlarmRules(threshold=0.5, need=need, of=need + 1, refractory=5, step=pipeline.step)
    for _ in range(40):
        onset = 15 + random.uniform(0, 0.2)
        theta = np.exp(log_theta(pipeline, rate, onset, random, 25))
        positive = theta > np.median(theta[-20:]) / 2
        logic = AlarmLogic(rules)
        changes = [logic.step(pipeline.step * k, float(p)) for k, p in enumerate(positive)]
        late.append(next(c.onset for c in changes if isinstance(c, Raised)) - onset)
    assert np.mean(late) == pytest.approx(rules.delay(pipeline.onset_delay(rate)), abs=0.05)


def test_the_stated_delay_of_the_defaults(pipeline_of) -> None:
    """The figure of docs/live.md."""
    rules = AlarmRules(threshold=0.5, need=3, of=4, refractory=5, step=0.2)
    assert rules.delay(pipeline_of().onset_delay(128)) == pytest.approx(1.11, abs=0.005)
