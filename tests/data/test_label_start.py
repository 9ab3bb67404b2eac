"""EDF+ label files that begin at another time than their recording: every pair of starts."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.labels.reading import read_labels

edfio = pytest.importorskip("edfio")
mne = pytest.importorskip("mne")
NIGHT = dt.date(2020, 3, 1)
UNKNOWN = dt.date(1985, 1, 1)


def written(path, date, time, signal, marks=((60.0, 30.0),)):
    made = []
    if signal:
        x = np.clip(np.random.default_rng(0).normal(0, 30, 900 * 100), -199, 199)
        made = [
            edfio.EdfSignal(x, 100, label="O1", physical_dimension="uV", physical_range=(-200, 200))
        ]
    labels = () if signal else [edfio.EdfAnnotation(a, d, "microsleep") for a, d in marks]
    path.parent.mkdir(exist_ok=True)
    edfio.Edf(
        made,
        annotations=labels,
        starttime=time,
        recording=edfio.Recording(startdate=date),
    ).write(path)
    return path


def read(folder, recorded, scored, marks=((60.0, 30.0),)):
    psg = written(folder / "psg" / "s1.edf", *recorded, True)
    labels, said = read_labels(psg, written(folder / "hyp" / "s1.edf", *scored, False, marks))
    return [(i.onset, i.duration) for i in labels], " ".join(said)


T = dt.time


@pytest.mark.parametrize(
    ("recorded", "scored", "onset", "word"),
    [
        ((NIGHT, T(22)), (NIGHT, T(22)), 60, ""),
        ((NIGHT, T(22)), (NIGHT, T(22, 10)), 660, "600 s after its recording"),
        ((NIGHT, T(22)), (NIGHT, T(21, 59, 30)), 30, "30 s before its recording"),
        ((NIGHT, T(23, 55)), (dt.date(2020, 3, 2), T(0, 5)), 660, "600 s after"),
        ((UNKNOWN, T(22)), (UNKNOWN, T(22, 10)), 660, "600 s after"),
        ((UNKNOWN, T(22)), (NIGHT, T(22, 10)), 660, "time of day in both headers"),
        ((NIGHT, T(23, 55)), (UNKNOWN, T(0, 5)), 660, "time of day in both headers"),
        ((UNKNOWN, T(22)), (NIGHT, T(22)), 60, ""),
        ((NIGHT, T(22)), (UNKNOWN, T(0)), 60, "label file does not say when it starts"),
        ((UNKNOWN, T(0)), (NIGHT, T(22, 10)), 60, "recording does not say when it starts"),
    ],
)
def test_labels_count_from_the_start_of_their_own_file(
    tmp_path, recorded, scored, onset, word
) -> None:
    labels, said = read(tmp_path, recorded, scored)
    assert labels == [(onset, 30.0)]
    assert (word in said) if word else (said == "")


@pytest.mark.parametrize("date", [dt.date(2020, 3, 4), dt.date(2019, 3, 1)])
def test_a_label_file_of_another_day_is_refused(tmp_path, date) -> None:
    with pytest.raises(DataError, match=r"hyp/s1.edf: begins .* its recording .*another recording"):
        read(tmp_path, (NIGHT, T(22)), (date, T(22)))


def test_labels_from_before_the_recording_are_cut(tmp_path) -> None:
    marks = ((0.0, 30.0), (590.0, 30.0), (700.0, 10.0))
    labels, said = read(tmp_path, (NIGHT, T(22, 10)), (NIGHT, T(22)), marks)
    assert labels == [(0.0, 20.0), (100.0, 10.0)]
    assert "600 s before its recording" in said


def test_a_fraction_of_a_second_is_in_the_first_time_stamp(tmp_path) -> None:
    """EDF+ headers have whole seconds; the rest stands in the first record's time stamp."""
    psg = written(tmp_path / "psg" / "s1.edf", NIGHT, T(22, 0, 0, 250_000), True)
    hyp = written(tmp_path / "hyp" / "s1.edf", NIGHT, T(22, 0, 1), False)
    (label,), _ = read_labels(psg, hyp)
    assert label.onset == pytest.approx(60.75)


@pytest.mark.parametrize(("hours", "seconds"), [(0, 0.0), (2, 0.0), (0, 100.0)])
def test_a_fif_recording_is_in_universal_time(tmp_path, hours, seconds) -> None:
    start = dt.datetime(2020, 3, 1, 22, tzinfo=dt.UTC)
    x = np.random.default_rng(0).normal(0, 3e-5, (1, 90_000))
    raw = mne.io.RawArray(x, mne.create_info(["O1"], 100.0, "eeg"), verbose="error")
    raw.set_meas_date(start)
    raw.save(tmp_path / "s1_raw.fif", verbose="error")
    later = start + dt.timedelta(hours=hours, seconds=seconds)
    hyp = written(tmp_path / "hyp" / "s1.edf", later.date(), later.time(), False)
    (label,), said = read_labels(tmp_path / "s1_raw.fif", hyp)
    assert label.onset == 60 + seconds
    assert ("time zone" in " ".join(said)) == (hours > 0)
