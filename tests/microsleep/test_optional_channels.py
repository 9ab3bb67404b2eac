"""Channels that are left out in training, and recordings that lack them."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import ConfigError, UsageError
from memcell.sequences.time_series import TimeSeries
from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.datasets.simulated import Simulated
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_eeg.features.optional import columns_of, with_dropout
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

CHANNELS = ("O1", "O2", "C3")


@pytest.fixture(scope="module")
def dataset():
    return Simulated(SimulatedConfig(subjects=3, minutes=2))


@pytest.fixture(scope="module")
def facts(dataset):
    config = MicrosleepConfig(split="time", channels=CHANNELS, channel_dropout=0.4)
    return {**Microsleep(config, dataset).task().facts, "model_id": "m1"}


def test_columns_of_a_channel():
    names = [
        "O1 delta",
        "O1 delta, mean of 20 s",
        "O1~O2",
        "C3~O1",
        "O1-M2 delta",
        "C3~O2, mean of 20 s",
    ]
    assert columns_of("O1", names).tolist() == [True, True, True, True, False, False]


def test_whole_minutes_of_channels_are_left_out_and_never_all(facts):
    from memcell_eeg.features.precomputed import pipeline_of

    pipeline = pipeline_of(facts["pipeline"])
    n = len(pipeline.feature_names)
    steps = round(60 / pipeline.step)
    made = TimeSeries(
        name="r", subject="s", features=np.ones((40 * steps, n), dtype=np.float32),
        targets=np.zeros(40 * steps, dtype=np.int64), step_seconds=pipeline.step,
    )  # fmt: skip
    (dropped,) = with_dropout([made], pipeline, 0.4, seed=0)
    minutes = dropped.features.reshape(40, steps, n)
    assert (minutes == minutes[:, :1]).all(), "for whole minutes"
    masks = np.array([columns_of(c, pipeline.feature_names) for c in CHANNELS])
    assert (masks.sum(axis=0) == 1).all()
    out = np.array([[(m[0, mask] == 0).all() for mask in masks] for m in minutes])
    assert 0.25 < out.mean() < 0.5
    assert not out.all(axis=1).any()
    assert (made.features == 1).all()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"channels": ("O1",)}, "two or more --channels"),
        ({"normalization": "none"}, "--normalization training"),
        ({"reference": "average"}, "--reference none"),
        ({"features": ("raw",)}, "--features relative"),
    ],
)
def test_where_nothing_can_be_left_out(dataset, typed, said):
    options = {"split": "time", "channels": CHANNELS, "channel_dropout": 0.4, **typed}
    with pytest.raises(ConfigError, match=said):
        Microsleep(MicrosleepConfig(**options), dataset).task()


def written(path, **sizes):
    random = np.random.default_rng(1)
    tracks = [
        Track(name=name, values=random.normal(0, size, 6000) if size else np.zeros(6000), rate=100)
        for name, size in sizes.items()
    ]
    write_edf(path, tracks)
    return path


@pytest.mark.parametrize(
    ("sizes", "said", "used"),
    [
        ({"O1": 20, "C3": 20}, "it has no O2, which is left out", "O1,C3"),
        ({"O1": 20, "O2": 0, "C3": 20}, "O2 is lost and left out", "O1,C3"),
        ({"O1": 20, "O2": 20, "C3": 20}, "", "O1,O2,C3"),
    ],
)
def test_a_recording_that_lacks_a_channel_is_predicted_without_it(
    facts, predicted, net, tmp_path, sizes, said, used
):
    seen = []

    def of(x):
        seen.append(x)
        return np.full(len(x), 0.5)

    path = written(tmp_path / "a.edf", **sizes)
    (record,) = predicted([path], facts, tmp_path / "out", net=net(of))
    assert record["status"] == "done", record
    assert said in record.get("note", "")
    assert record["channels"] == used
    x = np.concatenate(seen)
    names = facts["feature_names"]
    assert (x[:, columns_of("O2", names)] == 0).all() == bool(said)
    assert np.abs(x[:, columns_of("O1", names)]).max() > 0


def test_what_is_no_lack_is_refused(facts, predicted, tmp_path):
    few = written(tmp_path / "few.edf", C3=20)
    (record,) = predicted([few], facts, tmp_path / "out")
    assert "lacks 2 of the model's 3 channels (O1, O2), and at most half" in record["reason"]
    other = written(tmp_path / "other.edf", **{"O1": 20, "O2-Cz": 20, "C3": 20})
    (record,) = predicted([other], facts, tmp_path / "out")
    assert record["instead"] == {"reference": "as-is"}, "it has the electrode"
    trained = {**facts, "config": {**facts["config"], "channel_dropout": 0.0}}
    lacking = written(tmp_path / "lacking.edf", O1=20, C3=20)
    (record,) = predicted([lacking], trained, tmp_path / "other")
    assert record["status"] == "failed"


def test_recordings_of_somebody_else_are_scored_without_what_they_lack(facts):
    others = Simulated(SimulatedConfig(subjects=1, minutes=2, seed=7))
    config = MicrosleepConfig(channels=CHANNELS, channel_dropout=0.4, rename=("O2=Oz",))
    task = Microsleep(config, others).unseen({**facts, "subjects": {}})
    assert any("it has no O2, which is left out" in note for note in task.notes)
    whole = MicrosleepConfig(channels=CHANNELS, channel_dropout=0.4)
    (before,) = Microsleep(whole, others).unseen({**facts, "subjects": {}}).test
    lost = columns_of("O2", facts["feature_names"])
    (sequence,) = task.test
    assert not sequence.features[:, lost].any()
    assert np.array_equal(sequence.features[:, ~lost], before.features[:, ~lost])


def test_precomputed_features_have_no_channels(dataset_of, recording_of):
    from memcell_data.recording import Features

    one = recording_of(np.zeros((1, 1000)))
    features = Features(
        names=("x",), values=np.zeros((10, 1)), times=np.arange(10.0), breaks=(), step_seconds=1.0
    )
    object.__setattr__(one, "features", lambda: features)
    with pytest.raises(UsageError, match="precomputed features have none"):
        Microsleep(MicrosleepConfig(channel_dropout=0.4, split="time"), dataset_of([one])).task()
