"""Recordings as another device would have them, and channels that stand in for lost ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_data.recording import Channel, LostChannels, Segment
from memcell_eeg.config import EegConfig
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal.channels import choose, locate
from memcell_eeg.signal.disturbed import at_half_rate, with_gain, with_hum
from memcell_eeg.signal.stand_in import in_words, living_on, mirrored, sources, standing_in

RATE = 200.0


def eeg(seconds=60.0, channels=2, rate=RATE, seed=0):
    """Return noise whose spectrum falls as that of an EEG, uV."""
    random = np.random.default_rng(seed)
    x = np.cumsum(random.normal(size=(channels, round(seconds * rate))), axis=1)
    return 4 * (x - np.cumsum(x, axis=1) / np.arange(1, x.shape[1] + 1))


def pipeline_of(recording, **options):
    config = EegConfig(**{"step": 2.0, "window": 4.0, **options})
    return Pipeline.of(config, choose(("auto",), [recording]), recording.channels[0].rate)


def features(recording, pipeline):
    return pipeline.sequence(recording).features


@pytest.mark.parametrize("gain", [0.7, 1.5])
def test_a_gain_changes_no_relative_power(recording_of, gain) -> None:
    recording = recording_of(eeg(), rate=RATE)
    pipeline = pipeline_of(recording, outlier=0.0)
    louder = features(with_gain(recording, gain), pipeline)
    assert np.allclose(louder, features(recording, pipeline), atol=2e-4)


@pytest.mark.parametrize("gain", [0.7, 1.5])
def test_a_gain_adds_its_logarithm_to_absolute_powers(recording_of, gain) -> None:
    recording = recording_of(eeg(), rate=RATE)
    pipeline = pipeline_of(recording, features=("bandpower",), context=("none",), outlier=0.0)
    change = features(with_gain(recording, gain), pipeline) - features(recording, pipeline)
    powers = change[3:].reshape(len(change) - 3, 2, 7)[:, :, :5]
    assert np.allclose(powers, 2 * np.log(gain), atol=0.02)


def test_hum_above_the_band_is_gone_after_the_filter(recording_of) -> None:
    recording = recording_of(eeg(), rate=RATE)
    pipeline = pipeline_of(recording)
    as_it_is = features(recording, pipeline)
    spread = as_it_is.std(axis=0)
    with_mains = features(with_hum(recording, 50.0, 50.0), pipeline)
    assert (np.abs(with_mains - as_it_is)[3:] / spread).max() < 0.05
    # the test can fail: in the band it is seen
    in_band = features(with_hum(recording, 20.0, 50.0), pipeline)
    assert (np.abs(in_band - as_it_is)[3:] / spread).max() > 1


def test_no_recording_holds_hum_beyond_half_its_rate(recording_of) -> None:
    recording = recording_of(eeg(rate=100.0), rate=100.0)
    with pytest.raises(DataError, match="cannot hold 50 Hz"):
        features(with_hum(recording, 50.0, 50.0), pipeline_of(recording))


def test_half_the_rate_is_every_second_sample_of_what_is_slow(recording_of) -> None:
    t = np.arange(round(20 * RATE)) / RATE
    wave = 30 * np.sin(2 * np.pi * 10 * t)[None]
    recording = recording_of(wave, rate=RATE)
    half = at_half_rate(recording)
    signal = half.read(["O1"])
    assert signal.rate == half.channels[0].rate == RATE / 2
    assert signal.segments == (Segment(start=0, stop=wave.shape[1] // 2, onset=0.0),)
    inside = slice(50, -50)  # where the filter looks over no edge
    assert np.allclose(signal.values[0, inside], wave[0, ::2][inside], atol=0.05)
    fast = recording_of(30 * np.sin(2 * np.pi * 80 * t)[None], rate=RATE)
    assert np.abs(at_half_rate(fast).read(["O1"]).values[0, inside]).max() < 1.0


def test_half_the_rate_keeps_gaps_and_the_time_of_each_segment(recording_of) -> None:
    parts = [Segment(start=0, stop=2001, onset=0.0), Segment(start=2001, stop=6000, onset=31.5)]
    recording = recording_of(eeg(30), rate=RATE, segments=parts)
    signal = at_half_rate(recording).read(["O1", "O2"])
    assert [(s.stop - s.start, s.onset) for s in signal.segments] == [(1001, 0.0), (2000, 31.5)]
    assert np.isfinite(signal.values).all()


def test_half_the_rate_changes_relative_powers_little(recording_of) -> None:
    recording = recording_of(eeg(120), rate=RATE)
    pipeline = pipeline_of(recording)
    as_it_is = features(recording, pipeline)
    half = features(at_half_rate(recording), pipeline)
    assert half.shape == as_it_is.shape
    assert np.abs(half - as_it_is)[3:].mean() < 0.1 * as_it_is.std(axis=0).mean()
    slower = recording_of(eeg(120, rate=80.0), rate=80.0)
    assert features(slower, pipeline).shape == as_it_is.shape  # below the run's 100 Hz
    with pytest.raises(DataError, match=r"has 60 Hz .* its features need 78 Hz or more"):
        features(recording_of(eeg(rate=60.0), rate=60.0), pipeline)


def test_changed_recordings_are_not_cached(recording_of) -> None:
    recording = replace(recording_of(eeg()), fingerprint="f")
    for changed in (with_gain(recording, 2), with_hum(recording, 50, 1), at_half_rate(recording)):
        assert changed.fingerprint == ""


@pytest.mark.parametrize(
    ("name", "other"),
    [("O1", "o2"), ("EEG C4-M1", "c3"), ("F7", "f8"), ("TP10", "tp9"), ("Cz", ""), ("left", "")],
)
def test_the_mirrored_electrode(name, other) -> None:
    assert mirrored(name) == other


def channels(*names):
    return [Channel(name=n, kind="eog" if n.startswith("E") else "eeg", rate=RATE) for n in names]


def test_the_other_side_stands_in_else_the_mean_of_its_kind() -> None:
    own = channels("O1", "Cz", "O2", "E1", "E2")
    assert sources(own, ["O1"]) == {0: (2,)}
    assert sources(own, ["Cz"]) == {1: (0, 2)}
    assert sources(own, ["O1", "O2"]) == {0: (1,), 2: (1,)}
    assert sources(own, ["E2"]) == {4: (3,)}
    assert "O1 is lost, and O2 stands in for it" in in_words(own, ["O1"])


def test_no_channel_stands_in_for_another_kind_or_for_most() -> None:
    with pytest.raises(DataError, match="no other EOG"):
        sources(channels("O1", "O2", "E1"), ["E1"])
    with pytest.raises(DataError, match="at most half"):
        sources(channels("O1", "Cz", "O2"), ["O1", "O2"])


def test_a_model_of_one_channel_has_nothing_to_go_on_with(recording_of) -> None:
    with pytest.raises(LostChannels):
        living_on(recording_of(eeg()), ["O1"], LostChannels("dead", ["O1"]))


def test_of_several_channels_that_would_do_the_next_one_is_taken(recording_of) -> None:
    recording = recording_of(eeg(channels=3), channels=("O1", "O2", "C3"))
    wanted = ["Pz or O1 or C3"]
    living, line = living_on(recording, wanted, LostChannels("dead", ["O1"]))
    assert [c.name for c in locate(wanted, living)] == ["C3"]
    assert line == "O1 is lost, and C3 is taken"
    with pytest.raises(LostChannels):
        living_on(living, wanted, LostChannels("dead", ["C3"]))


def test_a_stand_in_is_read_in_the_place_of_the_lost(recording_of) -> None:
    x = eeg(channels=3)
    x[0] = 0.0
    recording = recording_of(x, rate=RATE, channels=("O1", "O2", "C3"))
    living = standing_in(recording, recording.channels, ["O1"])
    assert np.array_equal(living.read(["O1", "O2", "C3"]).values, x[[1, 1, 2]])
    blocks = list(living.blocks(["C3", "O1"], seconds=7.0))
    assert np.array_equal(np.concatenate([b.values for b in blocks], axis=1), x[[2, 1]])


def test_a_dead_electrode_in_a_file_is_told_by_name(tmp_path) -> None:
    x = eeg(channels=3)
    x[1] = 0.0
    names = ("O1", "O2", "C3")
    write_edf(
        tmp_path / "a.edf",
        [Track(name=n, values=v, rate=RATE) for n, v in zip(names, x, strict=True)],
    )
    recording = open_recording(tmp_path / "a.edf", subject="s", dataset="d")
    with pytest.raises(LostChannels, match="O2") as raised:
        list(recording.blocks(list(names)))
    assert raised.value.channels == ("O2",)
    living = living_on(recording, names, raised.value)[0]
    values = living.read(list(names)).values
    assert np.array_equal(values[0], values[1])
