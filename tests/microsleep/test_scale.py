"""The training split's scale on features of signals: fitted on it alone, stored, applied alike everywhere."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_data.recording import Interval, Segment
from memcell_eeg.features import scale
from memcell_eeg.features.pipeline import BlindSteps, Pipeline
from memcell_eeg.features.precomputed import pipeline_of
from memcell_eeg.signal.channels import choose
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

OPTIONS = {
    "normalization": "training",
    "context": ("5",),
    "features": ("relative",),
    "step": 0.2,
    "window": 1.0,
    "cache": "off",
}


def with_gap(recording_of, labels_of, k, scale=1.0):
    """Return a recording of 100 s with a gap of 20 s in it and theta in its events."""
    random = np.random.default_rng(k)
    t = np.arange(10_000) / 100
    values = random.normal(size=(2, len(t))) * 10
    spans = [(20.0, 6.0), (80.0, 8.0)]
    for onset, duration in spans:
        inside = (t >= onset) & (t < onset + duration)
        values[:, inside] += 30 * np.sin(2 * np.pi * 6 * t[inside])
    parts = (Segment(start=0, stop=5000, onset=0.0), Segment(start=5000, stop=10_000, onset=70.0))
    return recording_of(
        values * scale, name=f"r{k}", subject=f"s{k}", labels=labels_of(spans), segments=parts
    )


@pytest.fixture
def five(recording_of, labels_of):
    return [with_gap(recording_of, labels_of, k) for k in range(5)]


def task_of(dataset, **options):
    return Microsleep(MicrosleepConfig(**{**OPTIONS, **options}), dataset).task()


def blind_steps(pipeline, s):
    out = np.zeros(s.n_steps, dtype=bool)
    for start in (0, *s.breaks):
        out[start : start + pipeline.blind_steps(100.0)] = True
    return out


def test_labelled_training_steps_have_mean_0_and_spread_1(five, dataset_of) -> None:
    task = task_of(dataset_of(five))
    pipeline = pipeline_of(task.facts["pipeline"])
    everyone = (*task.train, *task.valid, *task.test)
    assert any(s.breaks for s in everyone)
    for s in everyone:
        blind = blind_steps(pipeline, s)
        assert blind.any()
        assert (s.features[blind] == 0).all()
        assert np.abs(s.features).max() <= 4
    x = np.concatenate([s.features[s.labelled & ~blind_steps(pipeline, s)] for s in task.train])
    near = np.abs(x).max(axis=0) < 4  # what was clipped is no longer at its mean
    assert near.any()
    assert np.abs(x[:, near].mean(axis=0)).max() < 1e-4
    assert np.allclose(x[:, near].std(axis=0), 1, atol=1e-3)


@pytest.mark.parametrize("split", ["subject", "time"])
def test_the_stored_pipeline_makes_what_was_trained_on(five, dataset_of, split) -> None:
    """What predict and stream make of a recording has the bits of the task's features."""
    task = task_of(dataset_of(five), split=split)
    stored = pipeline_of(json.loads(json.dumps(task.facts))["pipeline"])
    assert isinstance(stored, Pipeline)
    known = {r.name: r for r in five}
    for s in (*task.train, *task.valid, *task.test):
        whole = stored.sequence(known[s.name.partition("@")[0]])
        rows = np.isin(whole.times, s.times)
        assert rows.sum() == s.n_steps
        assert np.array_equal(whole.features[rows], s.features)


def test_who_is_tested_has_no_part_in_the_scale(recording_of, labels_of, five, dataset_of) -> None:
    options = {"split": "loso", "held_out": "s0"}
    task = task_of(dataset_of(five), **options)
    other = with_gap(recording_of, labels_of, 99)
    changed = replace(other, name="r0", subject="s0")
    again = task_of(dataset_of([changed, *five[1:]]), **options)
    assert again.facts["pipeline"] == task.facts["pipeline"]
    for one, two in zip((*task.train, *task.valid), (*again.train, *again.valid), strict=True):
        assert np.array_equal(one.features, two.features)
    assert not np.array_equal(task.test[0].features, again.test[0].features)


def test_unlabelled_steps_have_no_part_in_the_scale(five, labels_of, dataset_of) -> None:
    """Labels of half the time: the scale is of that half."""

    def half(recording):
        labels = replace(
            labels_of([(20.0, 6.0)], background=None),
            intervals=(
                Interval(onset=0.0, duration=20.0, label="wake"),
                Interval(onset=20.0, duration=6.0, label="microsleep"),
            ),
        )
        return replace(recording, labels=lambda: labels)

    task = task_of(dataset_of([half(r) for r in five]))
    x = np.concatenate([s.features[s.labelled] for s in task.train])
    rest = np.concatenate([s.features[~s.labelled] for s in task.train])
    assert np.abs(np.median(x, axis=0)).mean() < np.abs(np.median(rest, axis=0)).mean()
    moments = task_of(dataset_of(five)).facts["pipeline"]["centre"]
    assert task.facts["pipeline"]["centre"] != moments


def test_features_without_a_scale_of_their_own_stay(five, dataset_of) -> None:
    task = task_of(dataset_of(five), features=("raw", "relative"))
    plain = task_of(dataset_of(five), features=("raw", "relative"), normalization="none")
    assert len(task.facts["pipeline"]["centre"]) == 28
    assert np.array_equal(task.train[0].features[:, :200], plain.train[0].features[:, :200])
    only = task_of(dataset_of(five), features=("raw",))
    assert only.facts["pipeline"]["centre"] == []


def test_kept_features_are_those_before_any_split(tmp_path, dataset_of) -> None:
    """Another training split, and no normalization, go on from the same kept features."""
    made = []
    for k in range(4):
        random = np.random.default_rng(k)
        tracks = [
            Track(name=n, values=random.normal(size=6000) * 20, rate=100) for n in ("O1", "O2")
        ]
        path = tmp_path / f"s{k}.edf"
        write_edf(path, tracks, annotations=[Interval(onset=20, duration=9, label="microsleep")])
        made.append(path)

    def run(**options):
        recordings = [labelled(open_recording(p, subject=p.stem)) for p in made]
        config = MicrosleepConfig(**{**OPTIONS, "cache": str(tmp_path / "kept"), **options})
        return Microsleep(config, dataset_of(recordings)).task()

    def labelled(recording):
        from memcell_data.recording import Labels

        labels = Labels(
            intervals=(Interval(onset=20, duration=9, label="microsleep"),),
            background="wake",
            positive=frozenset({"microsleep"}),
            negative=frozenset({"wake"}),
        )
        return replace(recording, labels=lambda: labels)

    one = run()
    assert "4 computed and cached" in one.remarks[0]
    for options in ({"split_seed": 3}, {"normalization": "none"}, {}):
        again = run(**options)
        assert "4 recordings from the cache, 0 computed and cached" in again.remarks[0]
    assert again.facts["pipeline"] == one.facts["pipeline"]
    assert np.array_equal(again.train[0].features, one.train[0].features)


def test_moments_are_numpys() -> None:
    x = (np.random.default_rng(0).normal(size=(1000, 4)) * [1, 5, 0.1, 0] + [0, 50, 3, 7]).astype(
        np.float32
    )
    centre, spread = scale.moments([x[:100], x[100:400], x[400:]])
    assert np.allclose(centre, x.mean(axis=0, dtype=np.float64))
    assert np.allclose(spread[:3], x.astype(np.float64).std(axis=0)[:3])
    assert spread[3] == 1e-3  # a feature that never changes
    assert scale.scaled(x, (centre, spread), 2.0).max() == 2.0


def test_a_blind_step_is_told_in_a_part_of_a_recording(five) -> None:
    config = MicrosleepConfig(**OPTIONS)
    pipeline = Pipeline.of(config, choose(("auto",), five), 100.0)
    whole = pipeline.sequence(five[0])
    blind = BlindSteps(pipeline, five, [whole])
    assert np.array_equal(blind.of(whole), blind_steps(pipeline, whole))
    from memcell_eeg.splits.split import cut

    part = cut(whole, 100, whole.n_steps, "@test")  # begins within the first segment
    assert np.array_equal(blind.of(part), blind_steps(pipeline, whole)[100:])
    assert not blind.of(part)[0]
