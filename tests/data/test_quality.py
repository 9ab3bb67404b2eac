"""Missing, flat and clipped samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.quality.amplitudes import Quality, inspect
from memcell_data.recording import Segment, Signal


def signal(row, segments=None):
    row = np.asarray(row, dtype=float)
    whole = (Segment(start=0, stop=len(row), onset=0.0),)
    return Signal(values=row[None], rate=100.0, channels=("O1",), segments=segments or whole)


def noise(n=2000):
    return np.random.default_rng(3).normal(0, 20, n)


def test_a_little_missing_becomes_a_gap(tmp_path):
    row = noise()
    row[500:510] = np.nan
    out = inspect(signal(row), tmp_path / "a.fif", ("eeg",))
    assert out.values.shape == (1, 1990)
    assert np.isfinite(out.values).all()
    assert out.segments == (
        Segment(start=0, stop=500, onset=0.0),
        Segment(start=500, stop=1990, onset=5.1),
    )
    assert any("10 samples are missing" in w and "a.fif" in w for w in out.warnings)


def test_missing_across_a_gap_keeps_both_onsets(tmp_path):
    row = noise()
    row[995:1005] = np.nan
    two = (Segment(start=0, stop=1000, onset=0.0), Segment(start=1000, stop=2000, onset=70.0))
    out = inspect(signal(row, two), tmp_path / "a.fif", ("eeg",))
    assert [(s.start, s.stop) for s in out.segments] == [(0, 995), (995, 1990)]
    assert [s.onset for s in out.segments] == [0.0, pytest.approx(70.05)]


def test_missing_is_a_gap_up_to_the_share_that_flat_may_have(tmp_path):
    row = noise()
    row[100:1800] = np.nan
    out = inspect(signal(row), tmp_path / "a.fif", ("eeg",))
    assert [s.onset for s in out.segments] == [0.0, 18.0]
    assert any("1700 samples are missing" in w and "1.00-18.00 s" in w for w in out.warnings)
    row[1800:1950] = np.nan
    with pytest.raises(DataError, match=r"a\.fif.*'O1' is missing .* 92% of the time"):
        inspect(signal(row), tmp_path / "a.fif", ("eeg",))


def two(first, second):
    whole = (Segment(start=0, stop=len(first), onset=0.0),)
    values = np.stack([first, second])
    return Signal(values=values, rate=100.0, channels=("O1", "O2"), segments=whole)


def test_channels_that_are_never_signal_at_the_same_time(tmp_path):
    first, second = noise(), noise()[::-1].copy()
    first[:1000], second[1000:] = 0.0, np.nan
    with pytest.raises(DataError) as refused:
        inspect(two(first, second), tmp_path / "a.fif", ("eeg", "eeg"))
    said = str(refused.value)
    assert "a.fif: at no time do all channels have a signal" in said
    assert "'O1' 50% of the time (0.00-10.00 s), 'O2' 50% of the time (10.00-20.00 s)" in said
    assert "--channels" in said
    second[1000:1400] = noise(400)
    lines = inspect(two(first, second), tmp_path / "a.fif", ("eeg", "eeg")).warnings
    assert any("only 20% of the time do all channels have a signal" in w for w in lines)


def test_values_held_for_several_samples(tmp_path):
    held = np.repeat(noise(400), 5)
    lines = inspect(signal(held), tmp_path / "a", ("eeg",)).warnings
    assert any("about 5 samples: it was sampled at about 20 Hz" in w for w in lines)
    # coarse steps of a slow signal are equal to their neighbours by chance
    slow = 40 * np.round(1.2 * np.sin(np.arange(2000) / 60) + np.sin(np.arange(2000) / 7) / 3)
    lines = inspect(signal(slow), tmp_path / "a", ("eeg",)).warnings
    assert not any("holds each value" in w for w in lines)


@pytest.mark.parametrize("shape", ["sine", "rectangle"])
def test_a_calibration_signal_is_named_and_eeg_and_hum_are_none(tmp_path, shape):
    t = np.arange(20000) / 100
    row = noise(20000)
    tone = np.sin(2 * np.pi * 10 * t) if shape == "sine" else np.where(t % 1 < 0.5, 1.0, -1.0)
    row[:8000] = 50 * tone[:8000] + noise(8000) / 40
    lines = inspect(signal(row), tmp_path / "a", ("eeg",)).warnings
    assert any(
        "repeats itself every second about 38% of the time: a calibration" in w for w in lines
    )
    for eeg in (noise(20000), 100 * np.sin(2 * np.pi * 45 * t) + noise(20000) / 4):
        lines = inspect(signal(eeg), tmp_path / "a", ("eeg",)).warnings
        assert not any("calibration" in w for w in lines)


def test_the_noise_of_an_open_input_is_flat(tmp_path):
    row = noise()
    row[500:1500] = noise(1000) / 400
    out = inspect(signal(row), tmp_path / "a", ("eeg",))
    assert out.values.shape[1] == pytest.approx(1000, abs=4)
    assert any("flat 50% of the time" in w for w in out.warnings)
    # a muscle is that quiet between two contractions
    assert inspect(signal(row), tmp_path / "a", ("emg",)).values.shape[1] == 2000


def test_flat(tmp_path):
    row = noise()
    row[:400] = 3.0
    assert any("flat 20%" in w for w in inspect(signal(row), tmp_path / "a", ("eeg",)).warnings)
    row[:1900] = 3.0
    with pytest.raises(DataError, match="'O1' is flat"):
        inspect(signal(row), tmp_path / "a", ("eeg",))


def test_clipped(tmp_path):
    row = np.clip(np.repeat(noise(1000), 2), -20, 20)
    assert any("clipped" in w for w in inspect(signal(row), tmp_path / "a", ("eeg",)).warnings)
    assert inspect(signal(noise()), tmp_path / "a", ("eeg",)).warnings == ()


def test_hardly_moving_speaks_of_the_unit(tmp_path):
    with pytest.raises(
        DataError, match=r"less than 1 uV.* type it for all channels: --unit all:uV"
    ):
        inspect(signal(noise() * 1e-6), tmp_path / "a", ("eeg",))
    lines = inspect(signal(noise() * 0.03), tmp_path / "a", ("eeg",)).warnings
    assert any("its unit may be wrong" in w and "--unit all:uV" in w for w in lines)
    with pytest.raises(DataError, match=r"beyond 10 mV .*--data\.unit all:uV"):
        inspect(signal(noise() * 1e4), tmp_path / "a", ("eeg",))


def test_a_rate_that_no_amplifier_has_is_refused_by_name():
    with pytest.raises(
        DataError, match=r"night\.gdf: is sampled at 4e\+08 Hz, expected 1e\+06 Hz or less"
    ):
        Quality(["O1"], ["eeg"], 4e8, Path("night.gdf"))
