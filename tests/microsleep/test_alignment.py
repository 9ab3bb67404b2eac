"""Something planted at a known second arrives at that second, late by the stated delay and no more.

Raw features hold the clean signal itself: the last step's worth of samples of every window, one after the
other, is the signal that all features are made of.
"""

from __future__ import annotations

import numpy as np
import pytest

from memcell_data.recording import Segment
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal.channels import choose
from memcell_eeg.targets.labels import LabelRules
from memcell_microsleep.config import MicrosleepConfig

RATES = [100.0, 128.0, 200.0, 256.0, 500.0]
WHERE = 20.1  # seconds: the middle of a step


def build(recording, rate, **options) -> Pipeline:
    config = MicrosleepConfig(**{"normalization": "none", "features": ("raw",), **options})
    config.validate()
    return Pipeline.of(config, choose(("auto",), [recording]), rate)


def signal_of(sequence, pipeline) -> tuple[np.ndarray, np.ndarray]:
    """Return time and value of the clean signal's samples, from raw features."""
    n = round(pipeline.step * pipeline.rate)
    values = sequence.features[:, -n:] * 50
    times = sequence.times[:, None] + np.arange(n) / pipeline.rate
    return times.ravel(), values.ravel().astype(np.float64)


def burst(t: np.ndarray, at: float) -> np.ndarray:
    """Return a second of theta around ``at``."""
    return 100 * np.exp(-((t - at) ** 2) / 0.08) * np.cos(2 * np.pi * 6 * (t - at))


def middle(times: np.ndarray, values: np.ndarray) -> float:
    return float(np.sum(times * values**2) / np.sum(values**2))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("phase", ["causal", "zero"])
def test_a_burst_is_late_by_the_stated_delay(recording_of, rate, phase) -> None:
    t = np.arange(round(40 * rate)) / rate
    recording = recording_of(burst(t, WHERE)[None], rate=rate)
    pipeline = build(recording, rate, phase=phase)
    late = middle(*signal_of(pipeline.sequence(recording), pipeline)) - WHERE
    assert late == pytest.approx(pipeline.delay(rate), abs=0.012)
    assert (pipeline.delay(rate) == 0) == (phase == "zero")


@pytest.mark.parametrize("phase", ["causal", "zero"])
def test_a_burst_after_a_gap_is_where_the_clock_says(recording_of, labels_of, phase) -> None:
    """25.13 s of signal, a gap until 300.5 s, and a burst 12.1 s after that."""
    rate, at = 200.0, 300.5 + 12.1
    cut = round(25.13 * rate)
    t = np.arange(round(60 * rate)) / rate
    clock = np.where(np.arange(len(t)) < cut, t, t - cut / rate + 300.5)
    parts = (
        Segment(start=0, stop=cut, onset=0.0),
        Segment(start=cut, stop=len(t), onset=300.5),
    )
    recording = recording_of(
        burst(clock, at)[None], rate=rate, segments=parts, labels=labels_of([(at - 1, 2)])
    )
    pipeline = build(recording, rate, phase=phase)
    sequence = pipeline.sequence(recording, LabelRules())
    times, values = signal_of(sequence, pipeline)
    assert middle(times, values) - at == pytest.approx(pipeline.delay(rate), abs=0.012)
    positive = sequence.times[sequence.targets == 1]
    assert positive[0] == pytest.approx(at - 1, abs=0.11)
    assert positive[-1] + pipeline.step == pytest.approx(at + 1, abs=0.11)


@pytest.mark.parametrize("rate", RATES)
def test_a_jump_changes_nothing_before_its_own_step(recording_of, rate) -> None:
    random = np.random.default_rng(0)
    plain = random.normal(size=(1, round(40 * rate))) * 10
    jumped = plain.copy()
    jumped[:, round(WHERE * rate) :] += 400
    pipeline = build(recording_of(plain, rate=rate), rate)
    one, other = (pipeline.sequence(recording_of(x, rate=rate)) for x in (plain, jumped))
    changed = np.flatnonzero((one.features != other.features).any(axis=1))
    assert changed[0] == 100  # the step from 20.0 to 20.2 s
    # Half of the jump is reached where the delay of the resampler says; the band-pass adds a few ms.
    times, difference = signal_of(other, pipeline)
    difference -= signal_of(one, pipeline)[1]
    reached = times[np.argmax(difference > 200)]
    assert WHERE - 0.011 < reached - (pipeline.delay(rate) - pipeline.delay(100)) < WHERE + 0.03


@pytest.mark.parametrize(("phase", "first"), [("causal", 100), ("zero", 99)])
def test_a_burst_shows_in_the_features_of_its_step(recording_of, phase, first) -> None:
    """Theta from 20 to 23 s, windows of .5 s: loud from the step on that hears it, no step before."""
    rate = 200.0
    t = np.arange(round(40 * rate)) / rate
    x = np.random.default_rng(1).normal(size=(1, len(t)))
    x[0, (t >= 20) & (t < 23)] += 100 * np.sin(2 * np.pi * 6 * t[(t >= 20) & (t < 23)])
    recording = recording_of(x, rate=rate)
    pipeline = build(recording, rate, features=("bandpower",), window=0.5, phase=phase)
    theta = pipeline.sequence(recording).features[:, pipeline.feature_names.index("O1 theta")]
    loud = np.flatnonzero(theta > np.median(theta) + 4)
    late = (pipeline.delay(rate) + 0.5) / 0.2
    # The zero-phase filter begins to swing before the burst: it looks ahead.
    assert first <= loud[0] <= 100 + late / 2
    assert 114 <= loud[-1] <= 114 + late + 1
