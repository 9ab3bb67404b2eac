"""Sleep-EDF as recorded: pairs of recording and hypnogram, stages to classes, what is missing or double."""

from __future__ import annotations

import shutil
import urllib.error
from datetime import datetime, timedelta

import numpy as np
import pytest

from memcell.applications.datasets import DataUnavailable
from memcell.errors import ConfigError, DataError
from memcell.plugins.options import from_mapping
from memcell_data.datasets import fetching
from memcell_data.datasets.configs import SleepEdfConfig
from memcell_data.datasets.recognise import is_sleep_edf, is_sleep_powers
from memcell_data.datasets.sleep_edf import SleepEdf, open_psg
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

EEG = ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal")


def psg(folder, name, epochs=136, names=EEG, start=None, seed=0):
    """Write a recording as the published ones are: 100 Hz, beside slower channels in other units."""
    rng = np.random.default_rng(seed)
    tracks = [Track(name=n, values=rng.normal(0, 30, epochs * 3000), rate=100) for n in names]
    tracks.append(Track(name="Temp rectal", values=np.full(epochs * 30, 37.0), rate=1, unit="DegC"))
    tracks.append(Track(name="Event marker", values=np.zeros(epochs * 30), rate=1, unit=""))
    path = folder / name
    write_edf(path, tracks, seconds=30, start=start)
    return path


def nights_of(folder, **options):
    data = SleepEdf(SleepEdfConfig(path=str(folder), **options))
    return data, data.recordings()


def seconds(labels, words):
    return sum(i.duration for i in labels.intervals if i.label in words)


def test_a_night(nights):
    path = psg(nights.folder, "SC4001E0-PSG.edf")
    nights.hypnogram("SC4001EC-Hypnogram.edf")
    data, (night,) = nights_of(nights.folder)
    assert data.problems == []
    assert (night.name, night.subject, night.dataset) == ("SC4001E0", "SC400", "sleep-edf")
    assert [(c.name, c.kind, c.rate) for c in night.channels] == [
        ("EEG Fpz-Cz", "eeg", 100),
        ("EEG Pz-Oz", "eeg", 100),
        ("EOG horizontal", "eog", 100),
        ("Temp rectal", "misc", 1),
        ("Event marker", "misc", 1),
    ]
    signal = night.read(["Fpz-Cz", "EOG horizontal"])
    assert signal.values.shape == (2, 136 * 3000)
    labels = night.labels()
    assert labels.warnings == ()
    assert labels.negative == {"Sleep stage W"}
    assert labels.positive == {f"Sleep stage {s}" for s in "1234R"}
    assert labels.background is None
    assert seconds(labels, labels.positive) == (4 + 16 + 10 + 6 + 4 + 10) * 30
    assert seconds(labels, labels.negative) == (40 + 12 + 30) * 30
    assert is_sleep_edf(nights.folder)
    assert is_sleep_edf(path)
    assert not is_sleep_powers(nights.folder)


def test_the_classes_that_are_asked_for(nights):
    psg(nights.folder, "SC4001E0-PSG.edf")
    nights.hypnogram("SC4001EC-Hypnogram.edf")
    _, (night,) = nights_of(nights.folder, positive=("N3",), negative=("W", "N1", "N2", "REM"))
    assert night.labels().positive == {"Sleep stage 3", "Sleep stage 4"}
    assert "Sleep stage R" in night.labels().negative
    _, (near,) = nights_of(nights.folder, wake_margin=5)
    assert seconds(near.labels(), {"Sleep stage W"}) == (10 + 12 + 10) * 30
    with pytest.raises(ConfigError, match="N4"):
        from_mapping(SleepEdfConfig, {"positive": ["N4"]}, "data")


def test_a_recording_shorter_than_its_hypnogram(nights):
    psg(nights.folder, "SC4001E0-PSG.edf", epochs=120)
    nights.hypnogram("SC4001EC-Hypnogram.edf")
    _, (night,) = nights_of(nights.folder)
    labels = night.labels()
    assert max(i.onset + i.duration for i in labels.intervals) == 3600
    assert any("past the recording's end (3600 s)" in w for w in labels.warnings)


def test_the_hypnogram_of_another_night_is_said(nights):
    psg(nights.folder, "SC4001E0-PSG.edf", start=datetime(1990, 5, 1, 22, 0))
    nights.hypnogram("SC4001EC-Hypnogram.edf")
    _, (night,) = nights_of(nights.folder)
    (said,) = night.labels().warnings
    assert "SC4001EC-Hypnogram.edf: the label file does not say when it starts" in said
    assert "1990" not in said


def test_missing_and_double_files_are_named(nights):
    for name in ("SC4001E0", "SC4011E0", "SC4021E0", "SC4021F0", "SC4031E0"):
        psg(nights.folder, f"{name}-PSG.edf", epochs=2, names=EEG[:1])
    for name in ("SC4001EC", "SC4021EC", "SC4031EC", "SC4031EJ", "SC4041EC"):
        nights.hypnogram(f"{name}-Hypnogram.edf", (("Sleep stage W", 2),))
    data, found = nights_of(nights.folder)
    assert [r.name for r in found] == ["SC4001E0"]
    said = "\n".join(data.problems)
    assert len(data.problems) == 5
    assert "SC4011E0-PSG.edf: expected one hypnogram beside it" in said
    assert "found none" in said
    assert "SC4021E0-PSG.edf: is one of 2 recordings of one night" in said
    assert "SC4021F0-PSG.edf: is one of 2" in said
    assert "found SC4031EC-Hypnogram.edf, SC4031EJ-Hypnogram.edf" in said
    assert "SC4041EC-Hypnogram.edf: its recording SC4041E0-PSG.edf is not beside it" in said


def test_paths_that_hold_no_night(nights):
    with pytest.raises(DataError, match="holds no night"):
        nights_of(nights.folder)
    with pytest.raises(DataError, match="no such folder"):
        nights_of(nights.folder / "absent")
    other = psg(nights.folder, "other.edf", epochs=2)
    with pytest.raises(DataError, match=r"other\.edf: is no night"):
        open_psg(other)
    psg(nights.folder, "SC4001E0-PSG.edf", epochs=2)
    with pytest.raises(DataError, match=r"no night can be used: .*found none"):
        nights_of(nights.folder)


def test_a_real_hypnogram(nights, real_data):
    name = "SC4001EC-Hypnogram.edf"
    shutil.copy(real_data("sleep-edf") / name, nights.folder / name)
    start = datetime(1989, 4, 24, 16, 13)
    psg(nights.folder, "SC4001E0-PSG.edf", 2650, ("EEG Fpz-Cz",), start)  # as long as the real one
    _, (night,) = nights_of(nights.folder)
    labels = night.labels()
    assert labels.warnings == ()
    assert labels.intervals[0].duration == 30630  # until N1 begins
    assert seconds(labels, labels.positive) == 653 * 30
    assert seconds(labels, labels.positive | labels.negative) == 2650 * 30


def test_no_network_says_what_to_type(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(fetching.urllib.request, "urlopen", fail)
    with pytest.raises(DataUnavailable, match=r"PhysioNet.*--data sleep-edf --data\.path FOLDER"):
        SleepEdf(SleepEdfConfig()).get(tmp_path)


def test_microsleep_takes_a_folder_of_them(nights):
    for i, name in enumerate(("SC400", "SC401", "SC402")):
        psg(nights.folder, f"{name}1E0-PSG.edf", seed=i)
        nights.hypnogram(f"{name}1EC-Hypnogram.edf")
    nights.hypnogram("SC4031EC-Hypnogram.edf")
    config = MicrosleepConfig(step=10, window=10, split_gap=10, max_duration=0, tune="none")
    task = Microsleep(config, SleepEdf(SleepEdfConfig(path=str(nights.folder)))).task()
    assert task.facts["channels"] == ["EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal"]
    assert task.facts["dataset"] == "sleep-edf"
    (sequence,) = task.train
    assert sequence.n_steps == pytest.approx(408, abs=2)
    asleep, awake = (sequence.targets == 1).sum(), (sequence.targets == 0).sum()
    assert asleep == pytest.approx(50 * 3, abs=3)
    assert awake == pytest.approx(82 * 3, abs=3)
    assert any("SC4031EC-Hypnogram.edf: its recording" in note for note in task.notes)


@pytest.mark.parametrize("later", [600, -600])
def test_a_hypnogram_that_begins_at_another_time_is_moved(nights, later):
    start = datetime(1990, 5, 1, 22, 0)
    psg(nights.folder, "SC4001E0-PSG.edf", start=start)
    path = nights.hypnogram("SC4001EC-Hypnogram.edf")
    _, (night,) = nights_of(nights.folder)
    before = night.labels().intervals
    content = bytearray(path.read_bytes())
    content[168:184] = (start + timedelta(seconds=later)).strftime("%d.%m.%y%H.%M.%S").encode()
    path.write_bytes(bytes(content))
    labels = night.labels()
    asleep = [
        next(i for i in found if i.label != "Sleep stage W") for found in (before, labels.intervals)
    ]
    assert asleep[1].onset - asleep[0].onset == later
    assert labels.intervals[0].onset == max(0, later)
    assert any(
        f"begins 600 s {'after' if later > 0 else 'before'} its recording" in w
        for w in labels.warnings
    )
    content[168:176] = b"09.05.90"
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="none of its labels lies inside"):
        night.labels()
