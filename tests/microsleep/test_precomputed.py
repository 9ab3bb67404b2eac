"""Recordings whose features are precomputed: wake against sleep from band powers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.datasets.configs import SleepPowersConfig
from memcell_data.datasets.sleep_powers import SleepPowers, open_night
from memcell_eeg.features.precomputed import PrecomputedFeatures, pipeline_of
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


def app_of(folder, **options) -> Microsleep:
    data = SleepPowers(SleepPowersConfig(path=str(folder)))
    return Microsleep(MicrosleepConfig(**options), data)


@pytest.fixture
def four(nights):
    """Four people, two nights each."""
    for k in range(4):
        for night in (1, 2):
            nights.write(f"SC40{k}{night}E0", seed=10 * k + night)
    return nights


def test_the_task(four) -> None:
    it = app_of(four.folder)
    task = it.task()
    everyone = (*task.train, *task.valid, *task.test)
    assert {s.subject for s in task.train}.isdisjoint({s.subject for s in task.test})
    assert len(everyone) == 8
    for s in everyone:
        assert s.breaks == (60, 92)
        assert s.step_seconds == 30
        assert s.targets.tolist() == [0] * 40 + [1] * 40 + [0] * 12 + [1] * 10 + [0] * 30
    x = np.concatenate([s.features for s in task.train])
    assert np.abs(x.mean(axis=0)).max() < 1e-5  # the scale is that of the training steps
    assert x.std(axis=0) == pytest.approx(np.ones(3 * 12), abs=1e-3)
    assert np.abs(np.concatenate([s.features for s in task.test]).mean(axis=0)).max() > 1e-3
    assert any("normalization: training" in n for n in task.notes)
    assert not any("simulated" in n for n in task.notes)
    json.dumps(task.facts)
    rows = {r.name: r.scores["balanced_accuracy"] for r in it.baselines(task)}
    assert rows["this step alone"] > 0.85
    assert rows["majority class"] == 0.5


def test_options_of_a_signal_are_said_to_do_nothing(four) -> None:
    notes = app_of(four.folder, low=1.0, features=("correlation",)).task().notes
    (line,) = [n for n in notes if "do nothing" in n]
    assert line.endswith("--low, --features")
    assert not any("do nothing" in n for n in app_of(four.folder).task().notes)


@pytest.mark.parametrize("how", ["causal", "recording", "none"])
def test_other_scales(four, how) -> None:
    task = app_of(four.folder, normalization=how, normalization_memory=3000.0).task()
    plain = app_of(four.folder, normalization="none").task()
    same = np.array_equal(task.train[0].features, plain.train[0].features)
    assert same == (how == "none")
    if how == "causal":
        # The first step is at its own mean; after a gap the scale goes on.
        for start in (0, *task.train[0].breaks):
            assert (task.train[0].features[start] == 0).all() == (start == 0)


def test_means_of_the_past_follow_the_features(four) -> None:
    it = app_of(four.folder, context=("150", "600"))
    task = it.task()
    assert task.facts["feature_names"][-1].endswith(", mean of 600 s")
    assert task.train[0].n_features == len(task.facts["feature_names"]) == 3 * 12
    stored = pipeline_of(json.loads(json.dumps(task.facts))["pipeline"])
    again = stored.sequence(open_night(four.folder / f"{task.test[0].name}.npz"))
    assert np.array_equal(again.features, task.test[0].features)
    bare = app_of(four.folder, context=("none",)).task()
    assert np.array_equal(task.train[0].features[:, :12], bare.train[0].features)
    plain = app_of(four.folder, context=("150",), normalization="none").task().train[0]
    x, times, n = plain.features.astype(np.float64), plain.times, plain.breaks[0] + 5
    weight = np.exp(-(times[n] - times[: n + 1]) / 150)
    expected = (weight[:, None] * x[: n + 1, :12]).sum(axis=0) / weight.sum()
    assert np.allclose(x[n, 12:], expected, rtol=1e-5)


def test_signals_and_ready_features_do_not_mix(four, recording_of, dataset_of, labels_of) -> None:
    signal = recording_of(np.ones((2, 4000)), labels=labels_of([(2.0, 3.0)]))
    night = open_night(four.folder / "SC4001E0.npz")
    with pytest.raises(DataError, match="'r1' has a signal"):
        Microsleep(MicrosleepConfig(), dataset_of([night, signal])).task()
    other = replace(night, features=lambda: replace(night.features(), step_seconds=20.0))
    with pytest.raises(DataError, match=r"in steps of 20 s, 'SC4001E0' 12"):
        Microsleep(MicrosleepConfig(), dataset_of([night, other])).task()


def test_what_is_stored_makes_the_same_sequence(four) -> None:
    it = app_of(four.folder)
    task = it.task()
    stored = pipeline_of(json.loads(json.dumps(task.facts))["pipeline"])
    assert isinstance(stored, PrecomputedFeatures)
    for sequence in task.test:
        again = stored.sequence(open_night(four.folder / f"{sequence.name}.npz"))
        assert np.array_equal(again.features, sequence.features)
        assert (again.targets == -1).all()


def test_prediction_of_nights(four, net, predicted, tmp_path) -> None:
    facts = {**app_of(four.folder).task().facts, "model_id": "m"}
    by_first = net(lambda x: (x[:, 0] > 0).astype(np.float32))
    records = predicted([four.folder], facts, tmp_path / "out", by_first, threshold=0.5)
    # A hypnogram in the folder is the label file of a night and no recording of its own.
    assert [(r["recording"], r["status"]) for r in records] == [
        (f"SC40{k}{n}E0", "done") for k in range(4) for n in (1, 2)
    ]
    assert (tmp_path / "out" / "SC4001E0_events.tsv").is_file()


def test_a_signal_is_no_input_of_a_model_of_ready_features(four, predicted, tmp_path) -> None:
    from memcell_data.formats.edf.writer import Track, write_edf

    values = np.random.default_rng(0).normal(0, 20, 4000)
    write_edf(tmp_path / "a.edf", [Track(name="O1", values=values, rate=100)])
    facts = {**app_of(four.folder).task().facts, "model_id": "m"}
    (record,) = predicted([tmp_path / "a.edf"], facts, tmp_path / "out")
    assert record["status"] == "failed"
    assert "trained on precomputed features" in record["reason"]


def test_the_picture_shows_features_in_place_of_the_eeg(four, tmp_path) -> None:
    it = app_of(four.folder)
    task = it.task()
    p = [np.full((s.n_steps, 2), 0.5, dtype=np.float32) for s in task.test]
    it.picture(task, {"net": p}, {"threshold": 0.4}, tmp_path / "t.png")
    flat = replace(
        task, test=tuple(replace(s, features=np.zeros_like(s.features)) for s in task.test)
    )
    it.picture(flat, {"net": p}, {"threshold": 0.4}, tmp_path / "u.png")
    assert (tmp_path / "t.png").read_bytes() != (tmp_path / "u.png").read_bytes()


def test_real_nights_wake_against_sleep(shared_data) -> None:
    """A step alone tells wake from sleep on real nights, as the first looks at this set had it (kappa .9)."""
    it = app_of(shared_data("sleep-edf"), tune="none", context=("none",))
    task = it.task()
    assert 0.25 < np.mean(np.concatenate([s.targets for s in task.train])) < 0.35
    rows = {r.name: r.scores["kappa"] for r in it.baselines(task)}
    assert rows["this step alone"] > 0.85
    assert rows["clock only"] < rows["this step alone"]
