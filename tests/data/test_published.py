"""The published sets: local copies, and what is said where they cannot be fetched."""

from __future__ import annotations

import time
import urllib.error

import numpy as np
import pytest

from memcell.applications.datasets import DataUnavailable
from memcell.errors import DataError
from memcell_data.datasets import fetching
from memcell_data.datasets.configs import EyesConfig, EyeStateConfig
from memcell_data.datasets.eye_state import CHANNELS, EyeState, load_table, without_outliers
from memcell_data.datasets.eyes import Eyes
from memcell_data.datasets.recognise import is_eye_state, is_eyes
from memcell_data.recording import Interval


def test_eye_state_real(real_data):
    folder = real_data("eeg-eye-state")
    (recording,) = EyeState(EyeStateConfig(path=str(folder))).recordings()
    assert recording.duration == 14980 / 128
    signal = recording.read(["P7", "O1"])
    assert signal.values.shape == (2, 14980)
    assert any("4 rows" in w for w in signal.warnings)
    published, closed = load_table(recording.path)
    bad = [898, 10386, 11509, 13179]
    same = np.delete(published[:, CHANNELS.index("P7")], bad)
    assert (np.delete(signal.values[0], bad) == same).all()
    assert abs(signal.values[0, 898] - signal.values[0, 897]) < 50
    labels = recording.labels()
    assert len(labels.intervals) == 24  # 23 transitions
    assert labels.positive == {"closed"}
    assert closed.sum() == 6723
    seconds = sum(i.duration for i in labels.intervals if i.label == "closed")
    assert seconds == 6723 / 128
    assert is_eye_state(folder)
    assert is_eye_state(folder / "eeg-eye-state.csv")


def test_eyes_real(real_data):
    folder = real_data("eegmmidb-eyes")
    recordings = Eyes(EyesConfig(path=str(folder))).recordings()
    assert len(recordings) == 8
    assert {r.subject for r in recordings} == {"S001", "S002", "S003", "S004"}
    closed = next(r for r in recordings if r.name == "S001R02")
    assert len(closed.channels) == 64
    signal = closed.read(["FC5", "Oz"])
    assert signal.rate == 160
    assert 5 < signal.values[1].std() < 200
    (interval,) = closed.labels().intervals
    assert interval.label == "closed"
    assert interval.duration == pytest.approx(60.2)  # the last .8 s are unlabelled
    assert closed.duration == 61
    assert is_eyes(folder)
    assert is_eyes(closed.path)


def test_eyes_closed_have_more_alpha(real_data):
    folder = real_data("eegmmidb-eyes")
    power = {"open": [], "closed": []}
    for recording in Eyes(EyesConfig(path=str(folder))).recordings():
        signal = recording.read(["O1"])
        spectrum = np.abs(np.fft.rfft(signal.values[0])) ** 2
        hertz = np.fft.rfftfreq(signal.values.shape[1], 1 / signal.rate)
        label = recording.labels().intervals[0].label
        power[label].append(spectrum[(hertz > 8) & (hertz < 12)].sum())
    assert np.mean(power["closed"]) > 2 * np.mean(power["open"])


def test_eyes_from_the_file_name(make_edf, tmp_path):
    covered = [Interval(onset=0, duration=8.5, label="T0")]
    make_edf(name="S007/S007R01.edf", channels=("Oz..",), annotations=covered)
    make_edf(name="S007/S007R02.edf", channels=("Oz..",), annotations=covered)
    make_edf(name="S008/S008R02.edf").cut(300)
    make_edf(name="S007/S007R03.edf")
    data = Eyes(EyesConfig(path=str(tmp_path)))
    recordings = data.recordings()
    assert [(r.name, r.subject) for r in recordings] == [("S007R01", "S007"), ("S007R02", "S007")]
    assert [r.labels().intervals for r in recordings] == [
        (Interval(onset=0, duration=8.5, label="open"),),
        (Interval(onset=0, duration=8.5, label="closed"),),
    ]
    assert recordings[0].labels().background is None
    assert len(data.problems) == 1
    assert "S008R02.edf" in data.problems[0]
    assert is_eyes(tmp_path)


def small_table(classes=(0, 1)):
    rng = np.random.default_rng(0)
    rows = np.column_stack([4000 + rng.normal(0, 20, (50, 14)), np.repeat(classes, 25)])
    rows[7, 3] = 300_000
    return rows


def test_eye_state_csv_and_arff(tmp_path):
    names = ",".join(["AF3,F7,F3,FC5,T7,P,O1,O2,P8,T8,FC6,F4,F8,AF4", "class"])
    lines = "\n".join(",".join(f"{v:g}" for v in row) for row in small_table())
    csv = tmp_path / "table.csv"
    csv.write_text(f"{names}\n{lines}\n")
    head = "\n".join(f"@ATTRIBUTE V{i} NUMERIC" for i in range(1, 15))
    openml = "\n".join(",".join(f"{v:g}" for v in row) for row in small_table((1, 2)))
    arff = tmp_path / "table.arff"
    arff.write_text(f"% note\n@RELATION eeg\n{head}\n@ATTRIBUTE Class {{1,2}}\n@DATA\n{openml}\n")
    for path in (csv, arff):
        assert is_eye_state(path)
        (recording,) = EyeState(EyeStateConfig(path=str(path))).recordings()
        labels = recording.labels()
        assert [i.label for i in labels.intervals] == ["open", "closed"]
        signal = recording.read(["FC5"])
        assert np.abs(signal.values - 4000).max() < 200
        assert any("1 rows" in w for w in signal.warnings)


def test_outliers_are_found_by_rule():
    values = small_table()[:, :-1]
    out, n_bad = without_outliers(values)
    assert n_bad == 1
    assert out[7, 3] == pytest.approx((values[6, 3] + values[8, 3]) / 2)
    assert (np.delete(out, 7, axis=0) == np.delete(values, 7, axis=0)).all()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("AF3,F7\n1,2\n", "line 2"),
        ("", "classes"),
        ("x\n" + ",".join(["1"] * 14 + ["7"]) + "\n", "classes"),
    ],
)
def test_eye_state_bad_table(tmp_path, text, word):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"table\.csv.*{word}"):
        EyeState(EyeStateConfig(path=str(path))).recordings()


def test_local_copy_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"eeg-eye-state\.csv"):
        EyeState(EyeStateConfig(path=str(tmp_path))).recordings()
    with pytest.raises(DataError, match=r"S001R01\.edf"):
        Eyes(EyesConfig(path=str(tmp_path))).recordings()
    with pytest.raises(DataError, match="no such folder"):
        Eyes(EyesConfig(path=str(tmp_path / "absent"))).get()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (EyeState(EyeStateConfig()), ["OpenML", "eeg-eye-state", "https://www.openml.org"]),
        (Eyes(EyesConfig()), ["PhysioNet", "eegmmidb", "https://physionet.org"]),
    ],
)
def test_no_network_says_what_to_type(data, words, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(fetching.urllib.request, "urlopen", fail)
    begun = time.monotonic()
    with pytest.raises(DataUnavailable) as caught:
        data.get(tmp_path)
    assert time.monotonic() - begun < 5
    for word in [*words, "Name or service not known", f"--data {data.card.name} --data.path"]:
        assert word in str(caught.value)


def test_download_that_breaks_off(tmp_path, monkeypatch):
    import sklearn.datasets

    def fail(*args, **kwargs):
        raise ConnectionError("broken off")

    monkeypatch.setattr("memcell_data.datasets.eye_state.require_reachable", lambda *a: None)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fail)
    with pytest.raises(DataUnavailable, match=r"broken off.*--data\.path"):
        EyeState(EyeStateConfig()).get(tmp_path)
    assert not (tmp_path / "eeg-eye-state.csv").exists()


def test_fetched_table_is_kept_as_csv(tmp_path, monkeypatch):
    import sklearn.datasets

    rows = small_table((1, 2))

    class Fetched:
        data = rows[:, :-1]
        target = np.array([str(int(v)) for v in rows[:, -1]])

    monkeypatch.setattr("memcell_data.datasets.eye_state.require_reachable", lambda *a: None)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *a, **k: Fetched)
    data = EyeState(EyeStateConfig())
    home = data.get(tmp_path)
    (recording,) = EyeState(EyeStateConfig(path=str(home))).recordings()
    assert [i.label for i in recording.labels().intervals] == ["open", "closed"]
    assert data.get(tmp_path) == home


def test_recognise_says_no(tmp_path, make_edf):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert not is_eye_state(tmp_path / "other.csv")
    assert not is_eye_state(tmp_path)
    assert not is_eye_state(tmp_path / "absent.csv")
    assert not is_eyes(make_edf().path)
    assert not is_eyes(tmp_path)
