"""A predicted hypnogram: a word an epoch of 30 s, through gaps, as YASA reads it."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import UsageError
from memcell_eeg.export.hypnogram import HypnogramEpochs, check_staged


def test_epochs_through_a_gap_are_at_their_times(tmp_path):
    epochs = HypnogramEpochs(5.0)
    before = np.arange(12) * 5.0  # two epochs
    after = 160.0 + np.arange(10) * 5.0  # from the middle of the sixth to the seventh
    asleep = np.r_[np.zeros(6), np.ones(3), np.zeros(3)].astype(bool)
    epochs.push(before[:5], asleep[:5])
    epochs.push(before[5:], asleep[5:])
    epochs.push(after, np.ones(10, dtype=bool))
    assert epochs.lines() == ["WAKE", "SLEEP", "UNS", "UNS", "UNS", "SLEEP", "SLEEP"]
    epochs.write(tmp_path / "n_hypnogram.txt")
    assert (tmp_path / "n_hypnogram.txt").read_text().splitlines() == epochs.lines()


def test_yasa_takes_the_lines():
    yasa = pytest.importorskip("yasa", reason="YASA is not installed")
    lines = ["WAKE", "SLEEP", "UNS", "SLEEP"]
    hypnogram = yasa.Hypnogram(lines, n_stages=2, freq="30s")
    assert hypnogram.hypno.tolist() == lines
    assert hypnogram.sleep_statistics()["TST"] == 1.0


def test_a_step_of_30_s_is_an_epoch_and_a_cut_last_one_counts():
    epochs = HypnogramEpochs(30.0)
    epochs.push(np.arange(3) * 30.0, np.array([True, False, True]))
    assert epochs.lines() == ["SLEEP", "WAKE", "SLEEP"]
    epochs = HypnogramEpochs(5.0)
    epochs.push(np.arange(7) * 5.0, np.zeros(7, dtype=bool))
    assert epochs.lines() == ["WAKE", "WAKE"]
    assert HypnogramEpochs(5.0).lines() == []


def test_what_is_no_sleep_has_no_hypnogram():
    with pytest.raises(UsageError, match=r"detects microsleep; type 'memcell predict sleep'"):
        check_staged("microsleep", "wake", 0.2)
    with pytest.raises(UsageError, match="60 s is longer"):
        check_staged("sleep", "wake", 60.0)
    check_staged("sleep", "wake", 5.0)
