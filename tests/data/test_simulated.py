"""The simulated data set: deterministic, honest about being simulated, neither empty nor trivial."""

from __future__ import annotations

import time

import numpy as np
import pytest

from memcell_data.datasets.configs import SimulatedConfig, UserRecordingsConfig
from memcell_data.datasets.simulated import Simulated
from memcell_data.datasets.user_recordings import UserRecordings
from memcell_data.formats.reader import open_recording


def bytes_of(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_same_seed_same_bytes(tmp_path):
    small = SimulatedConfig(subjects=2, minutes=2)
    a = bytes_of(Simulated(small).get(tmp_path / "a"))
    assert sorted(a) == ["sim01.edf", "sim02.edf"]
    assert a == bytes_of(Simulated(small).get(tmp_path / "b"))
    other = SimulatedConfig(subjects=2, minutes=2, seed=1)
    assert a != bytes_of(Simulated(other).get(tmp_path / "a"))
    more = bytes_of(Simulated(SimulatedConfig(subjects=3, minutes=2)).get(tmp_path / "a"))
    assert more["sim01.edf"] == a["sim01.edf"]


def test_no_global_seed_is_set(tmp_path):
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    Simulated(SimulatedConfig(subjects=1, minutes=1)).get(tmp_path)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_made_once_and_only_what_is_missing(tmp_path):
    data = Simulated(SimulatedConfig(subjects=2, minutes=1))
    home = data.get(tmp_path)
    first = home / "sim01.edf"
    written = first.stat().st_mtime_ns
    (home / "sim02.edf").unlink()
    assert data.get(tmp_path) == home
    assert first.stat().st_mtime_ns == written
    assert (home / "sim02.edf").is_file()
    assert not list(home.glob(".*")), "a temporary file was left"


def test_the_cache_is_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = Simulated(SimulatedConfig(subjects=1, minutes=1))
    assert data.recordings()[0].path.is_relative_to(tmp_path / "memcell")


def test_the_default_set(tmp_path):
    data = Simulated(SimulatedConfig())
    begun = time.monotonic()
    home = data.get(tmp_path)
    assert time.monotonic() - begun < 10
    recordings = data.recordings()
    assert [r.name for r in recordings] == [f"sim0{i}" for i in range(1, 7)]
    assert len({r.subject for r in recordings}) == 6
    gaps = 0
    for recording in recordings:
        assert recording.simulated
        assert recording.dataset == "simulated"
        assert b"simulated" in (home / f"{recording.name}.edf").read_bytes()[8:88]
        assert recording.duration == 600
        signal = recording.read([c.name for c in recording.channels])
        assert signal.warnings == ()
        kinds = [c.kind for c in recording.channels]
        assert kinds == ["eeg"] * 4 + ["eog"] * 2
        labels = recording.labels()
        assert all(1 <= i.duration <= 15 for i in labels.intervals)
        share = sum(i.duration for i in labels.intervals) / (signal.values.shape[1] / signal.rate)
        assert 0.08 < share < 0.13
        if len(signal.segments) == 2:
            gaps += 1
            first, second = signal.segments
            start, stop = first.stop / signal.rate, second.onset
            assert 20 <= stop - start <= 60
            assert not [
                i for i in labels.intervals if i.onset < stop and i.onset + i.duration > start
            ]
    assert gaps == 2


def test_theta_marks_microsleeps_but_not_alone(tmp_path):
    signal_scores = []
    data = Simulated(SimulatedConfig(subjects=3))
    data.get(tmp_path)
    for recording in data.recordings():
        signal = recording.read(["C3"])
        labels = recording.labels()
        size = int(signal.rate)
        steps = signal.values[0][: len(signal.values[0]) // size * size].reshape(-1, size)
        power = (np.abs(np.fft.rfft(steps * np.hanning(size)))[:, 4:9] ** 2).sum(axis=1)
        onsets = np.concatenate(
            [np.arange(s.start, s.stop, size) / size - s.start / size + s.onset
             for s in signal.segments]
        )  # fmt: skip
        asleep = np.zeros(len(onsets), dtype=bool)
        for i in labels.intervals:
            asleep |= (onsets + 0.5 >= i.onset) & (onsets + 0.5 < i.onset + i.duration)
        ranks = power.argsort().argsort() + 1
        n = asleep.sum()
        area = (ranks[asleep].sum() - n * (n + 1) / 2) / (n * (~asleep).sum())
        signal_scores.append(area)
    assert 0.7 < np.mean(signal_scores) < 0.97


@pytest.mark.parametrize("minutes", [1, 1.5])
def test_short_sets_have_labels(tmp_path, minutes):
    data = Simulated(SimulatedConfig(subjects=3, minutes=minutes))
    data.get(tmp_path)
    for recording in data.recordings():
        assert recording.labels() is not None
        assert recording.duration == minutes * 60


def test_a_simulated_file_is_called_simulated_wherever_it_is_handed_in(tmp_path):
    home = Simulated(SimulatedConfig(subjects=1, minutes=1)).get(tmp_path)
    found = UserRecordings(UserRecordingsConfig(path=str(home))).recordings()
    assert found
    assert all(r.simulated for r in found)


def test_a_recording_of_a_person_is_not(make_edf):
    assert not open_recording(make_edf().path).simulated
