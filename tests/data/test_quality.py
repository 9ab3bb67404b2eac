"""Missing, flat and clipped samples."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.quality import inspect
from memcell_data.recording import Signal, Stretch


def signal(row, stretches=None):
    row = np.asarray(row, dtype=float)
    whole = (Stretch(start=0, stop=len(row), onset=0.0),)
    return Signal(values=row[None], rate=100.0, channels=("O1",), stretches=stretches or whole)


def noise(n=2000):
    return np.random.default_rng(3).normal(0, 20, n)


def test_a_little_missing_becomes_a_gap(tmp_path):
    row = noise()
    row[500:510] = np.nan
    out = inspect(signal(row), tmp_path / "a.fif", ("eeg",))
    assert out.values.shape == (1, 1990)
    assert np.isfinite(out.values).all()
    assert out.stretches == (
        Stretch(start=0, stop=500, onset=0.0),
        Stretch(start=500, stop=1990, onset=5.1),
    )
    assert any("10 samples are missing" in w and "a.fif" in w for w in out.warnings)


def test_missing_across_a_gap_keeps_both_onsets(tmp_path):
    row = noise()
    row[995:1005] = np.nan
    two = (Stretch(start=0, stop=1000, onset=0.0), Stretch(start=1000, stop=2000, onset=70.0))
    out = inspect(signal(row, two), tmp_path / "a.fif", ("eeg",))
    assert [(s.start, s.stop) for s in out.stretches] == [(0, 995), (995, 1990)]
    assert [s.onset for s in out.stretches] == [0.0, pytest.approx(70.05)]


def test_much_missing_is_refused(tmp_path):
    row = noise()
    row[:100] = np.nan
    with pytest.raises(DataError, match=r"a\.fif.*'O1'.*100 of 2000"):
        inspect(signal(row), tmp_path / "a.fif", ("eeg",))


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
    lines = inspect(signal(noise() * 1e-6), tmp_path / "a", ("eeg",)).warnings
    assert any("unit may be wrong" in w for w in lines)
