"""A recording to a sequence: alignment, causality, gaps, and recordings that cannot be used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.recording import Segment
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal.channels import choose
from memcell_eeg.signal.clean import clean
from memcell_eeg.targets.labels import LabelRules
from memcell_microsleep.config import MicrosleepConfig

RULES = LabelRules()


def build(recording, native=100.0, **options) -> Pipeline:
    config = MicrosleepConfig(**options)
    config.validate()
    return Pipeline.of(config, choose(config.channels, [recording]), native)


def noise(seconds=40.0, rate=100.0, channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(channels, round(seconds * rate))) * 10


@pytest.mark.parametrize("rate", [100.0, 128.0, 200.0, 160.0])
def test_a_planted_event_arrives_at_its_step(recording_of, labels_of, rate) -> None:
    """A burst of 10 Hz from 20 to 24 s, labelled so, in a step's features neither early nor late."""
    x = noise(rate=rate)
    t = np.arange(x.shape[1]) / rate
    inside = (t >= 20) & (t < 24)
    x[:, inside] += 200 * np.sin(2 * np.pi * 10 * t[inside])
    recording = recording_of(x, rate=rate, labels=labels_of([(20, 4)]))
    pipeline = build(recording, rate, features=("bandpower",), window=0.5, normalization="none")
    sequence = pipeline.sequence(recording, RULES)
    positive = np.flatnonzero(sequence.targets == 1)
    assert (positive[0], positive[-1]) == (100, 119)

    alpha = sequence.features[:, pipeline.feature_names.index("O1 alpha")]
    loud = np.flatnonzero(alpha > np.median(alpha) + 4)
    # Never before it happens, and from the step on in which the delayed signal has arrived: the
    # filters' delay and, for a tapered window, at most half of the window.
    latest = 100 + (pipeline.delay(rate) + 0.25) / 0.2
    assert 100 <= loud[0] <= latest
    assert 119 <= loud[-1] <= 119 + (pipeline.delay(rate) + 0.5) / 0.2 + 1


@pytest.mark.parametrize(
    "features", [("bandpower",), ("correlation",), ("bandpower", "correlation")]
)
def test_the_future_changes_no_step_bit_for_bit(recording_of, features) -> None:
    x = noise(rate=128)
    y = x.copy()
    y[:, (25 * 128) :] = noise(rate=128, seed=9)[:, (25 * 128) :] * 30
    for name, equal in (("causal", True), ("zero", False)):
        pipeline = build(recording_of(x, rate=128), 128, features=features, phase=name)
        one = pipeline.sequence(recording_of(x, rate=128)).features
        other = pipeline.sequence(recording_of(y, rate=128)).features
        assert np.array_equal(one[:125], other[:125]) == equal
        assert not np.array_equal(one[125:], other[125:])


def test_features_do_not_cross_a_gap(recording_of, labels_of) -> None:
    """The second segment has the features, not scaled, that it would have as a recording of its own."""
    x = noise(60)
    parts = (Segment(start=0, stop=2510, onset=0.0), Segment(start=2510, stop=6000, onset=32.1))
    whole = recording_of(x, segments=parts, labels=labels_of([(33.1, 4)]))
    alone = recording_of(x[:, 2510:])
    pipeline = build(whole, features=("bandpower", "correlation"), normalization="none")
    sequence, second = pipeline.sequence(whole, RULES), pipeline.sequence(alone)
    assert sequence.breaks == (125,)
    assert np.array_equal(sequence.features[125:], second.features)
    assert sequence.times[124] == pytest.approx(24.8)
    assert sequence.times[125] == pytest.approx(32.1)
    assert np.flatnonzero(sequence.targets == 1).tolist() == list(range(130, 150))


def test_a_segment_shorter_than_a_step_is_left_out(recording_of) -> None:
    x = noise(20)
    parts = (
        Segment(start=0, stop=1000, onset=0.0),
        Segment(start=1000, stop=1010, onset=50.0),
        Segment(start=1010, stop=2000, onset=60.0),
    )
    recording = recording_of(x, segments=parts)
    sequence = build(recording).sequence(recording)
    assert sequence.breaks == (50,)
    assert sequence.n_steps == 50 + 49


@pytest.mark.parametrize("options", [{}, {"reference": "average"}])
def test_the_size_of_a_chunk_changes_no_bit(recording_of, monkeypatch, options) -> None:
    x = noise(rate=128)
    x[0, 333] += 5000
    pipeline = build(recording_of(x, rate=128), 128, **options)
    whole = clean(pipeline, x, 128)
    for size in (1, 5, 77, 1024):
        monkeypatch.setattr("memcell_eeg.signal.clean.CHUNK", size)
        assert np.array_equal(clean(pipeline, x, 128), whole)


def test_the_average_reference_is_of_the_eeg_alone(recording_of) -> None:
    x = noise(channels=3)
    x[2] += 1000 * np.sin(np.arange(x.shape[1]) / 5)
    recording = recording_of(x, channels=("O1", "O2", "E1"))
    pipeline = build(recording, reference="average", outlier=0.0)
    plain = build(recording, reference="none", outlier=0.0)
    assert np.allclose(
        clean(pipeline, x, 100)[:2],
        clean(plain, np.vstack([x[:2] - x[:2].mean(0), x[2:]]), 100)[:2],
    )
    assert np.array_equal(clean(pipeline, x, 100)[2], clean(plain, x, 100)[2])


def test_a_pipeline_comes_back_from_its_facts(recording_of) -> None:
    import json

    pipeline = build(recording_of(noise()), features=("correlation",))
    assert Pipeline.from_facts(json.loads(json.dumps(pipeline.facts()))) == pipeline
    facts = pipeline.facts()
    del facts["window"]
    with pytest.raises(DataError, match=r"window.*version"):
        Pipeline.from_facts(facts)


def test_feature_names_match_the_features(recording_of) -> None:
    recording = recording_of(noise(channels=4))
    pipeline = build(recording, features=("bandpower", "correlation"))
    assert pipeline.sequence(recording).n_features == len(pipeline.feature_names) == 4 * 7 + 6


def broken(what):
    x = noise()
    if what == "nan":
        x[1, 777] = np.nan
    if what == "flat":
        x[1] = 12.5
    return x[:, :150] if what == "short" else x


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nan", "'r1'.*channel 'O2'.*sample 777.*--channels"),
        ("flat", r"'r1'.*channel 'O2' is flat \(12.5 uV.*--channels"),
        ("short", "'r1' has 1.5 s.*window of 2 s.*--window"),
    ],
)
def test_a_broken_recording_is_named(recording_of, what, message) -> None:
    recording = recording_of(broken(what))
    with pytest.raises(DataError, match=message):
        build(recording, window=2.0).sequence(recording)


def test_a_recording_slower_than_the_run_is_named(recording_of) -> None:
    recording = recording_of(noise(rate=64), rate=64)
    with pytest.raises(DataError, match=r"'r1' has 64 Hz.*100 Hz.*--rate 64"):
        build(recording).sequence(recording)


def test_a_recording_too_slow_for_the_bands_is_refused(recording_of) -> None:
    with pytest.raises(DataError, match=r"30 Hz.*40 Hz.*--channels"):
        build(recording_of(noise(rate=30), rate=30), 30.0)


def test_the_slowest_recording_sets_the_rate(recording_of) -> None:
    recording = recording_of(noise(rate=64), rate=64)
    pipeline = build(recording, native=64.0)
    assert pipeline.rate == 64
    assert pipeline.sequence(recording).n_steps == 200


def test_a_recording_without_labels_is_unlabelled(recording_of) -> None:
    recording = recording_of(noise())
    assert not build(recording).sequence(recording, RULES).labelled.any()


def test_the_non_causal_normalization_is_another(recording_of) -> None:
    recording = recording_of(noise())
    causal = build(recording)
    other = replace(causal, normalization="recording")
    assert not np.array_equal(
        causal.sequence(recording).features, other.sequence(recording).features
    )
    assert np.median(other.sequence(recording).features, axis=0) == pytest.approx(0, abs=1e-6)
