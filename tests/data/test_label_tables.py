"""Label tables as laboratories have them: each is read right, or refused with what to write."""

from __future__ import annotations

import datetime

import pytest

from memcell.errors import DataError
from memcell_data.labels.reading import labels_in, read_table

ROWS = ((1.5, 2.0, "microsleep"), (6.0, 1.25, "wake"))


def found(source, recording):
    return tuple(
        (round(i.onset, 6), i.duration, i.label) for i in labels_in(recording, source).intervals
    )


def written(tmp_path, text, name="night.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


HEAD = "onset,duration,description\n"
READ = {
    "crlf": "onset,duration,description\r\n1.5,2,microsleep\r\n6,1.25,wake\r\n",
    "mac line ends": "onset,duration,description\r1.5,2,microsleep\r6,1.25,wake\r",
    "semicolons": "onset;duration;description\n1.5;2;microsleep\n6;1.25;wake\n",
    "decimal commas": "onset;duration;description\n1,5;2;microsleep\n6,0;1,25;wake\n",
    "excel's first line": "sep=;\nOnset;Duration;Description\n1,5;2;microsleep\n6;1,25;wake\n",
    "tabs in a csv": "onset\tduration\tdescription\n1.5\t2\tmicrosleep\n6\t1.25\twake\n",
    "bars": "onset|duration|description\n1.5|2|microsleep\n6|1.25|wake\n",
    "quotes": '"onset","duration","description"\n"1.5","2","microsleep"\n"6","1.25","wake"\n',
    "blanks": "onset, duration, description\n 1.5, 2, microsleep \n6, 1.25, wake\n\n",
    "other order": "label,onset,duration\nmicrosleep,1.5,2\nwake,6,1.25\n",
    "start and end": "Start,End,Label\n1.5,3.5,microsleep\n6,7.25,wake\n",
    "end before duration": "onset,end,duration,stage\n1.5,3.5,2,microsleep\n6,7.25,,wake\n",
    "german": "Beginn;Dauer (s);Beschreibung\n1,5;2;microsleep\n6,0;1,25;wake\n",
    "german, end": "Anfang\tEnde\tStadium\n1,5\t3,5\tmicrosleep\n6\t7,25\twake\n",
    "german milliseconds": "Von_ms;Länge [ms];Ereignis\n1500;2000;microsleep\n6000;1250;wake\n",
    "units": "onset (s),duration (s),description\n1.5,2,microsleep\n6,1.25,wake\n",
    "milliseconds": "onset_ms,duration_ms,description\n1500,2000,microsleep\n6000,1250,wake\n",
    "edfbrowser": "Onset,Duration,Annotation\n+1.5000000,2.0000000,microsleep\n+6.0,1.25,wake\n",
    "edfbrowser, end": "#Onset,End,Annotation\n1.5,3.5,microsleep\n6,7.25,wake\n",
    "annotation text": "# MNE-Annotations\n# onset, duration, description\n1.5,2,microsleep\n6,1.25,wake\n",
    "mne csv without a date": HEAD
    + "1970-01-01 00:00:01.500,2.0,microsleep\n1970-01-01 00:00:06.000,1.25,wake\n",
    "clock": "start,duration,stage\n22:10:01.5,2,microsleep\n22:10:06,1.25,wake\n",
    "clock, am and pm": "start,duration,stage\n10:10:01.5 PM,2,microsleep\n10:10:06 pm,1.25,wake\n",
    "clock, end": "start,end,stage\n22:10:01.5,22:10:03.5,microsleep\n22:10:06,22:10:07.25,wake\n",
    "time since the start": "start,duration,stage\n00:00:01.5,00:00:02,microsleep\n00:00:06,1.25,wake\n",
    "date and time": HEAD + "2019-05-03T22:10:01.5,2,microsleep\n2019-05-03 22:10:06,1.25,wake\n",
    "further columns": "onset,duration,trial_type,value,sample\n1.5,2,microsleep,1,150\n6,1.25,wake,2,600\n",
}


@pytest.fixture
def recording(make_edf):
    file = make_edf()
    return file.field("start date", "03.05.19").field("start time", "22.10.00").path


@pytest.mark.parametrize("kind", READ)
def test_a_table_is_read_right(recording, tmp_path, kind) -> None:
    assert found(written(tmp_path, READ[kind]), recording) == ROWS


def test_a_header_without_a_row_is_read_as_nothing_happened_and_that_is_said(
    recording, tmp_path
) -> None:
    found = labels_in(recording, written(tmp_path, "Beginn;Dauer;Beschreibung\n"))
    assert found.intervals == ()
    (line,) = found.warnings
    assert line.startswith("night.csv: holds a header and no label: taken as 'nothing happened'")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("name", ["night.csv", "night.TXT"])
def test_encodings(recording, tmp_path, encoding, name) -> None:
    text = "onset,duration,description\n1.5,2,müde\n"
    assert found(written(tmp_path, text, name, encoding), recording) == ((1.5, 2.0, "müde"),)


REFUSED = {
    "decimal commas between commas": (
        HEAD + "1,5,2,0,microsleep\n",
        ["line 2", "5 columns", "semicolons"],
    ),
    "a comma in a label": (HEAD + "1,2,tired, very\n", ["line 2", "4 columns", "quotes"]),
    "thousands": ("onset;duration;description\n1.234,5;2;nap\n", ["line 2", "thousands"]),
    "quoted decimal comma": (HEAD + '"1,500",2,nap\n', ["line 2", "1.500"]),
    "samples": ("onset_samples,duration,description\n1,2,nap\n", ["line 1", "counts samples"]),
    "minutes and seconds": (HEAD + "1:30,2,nap\n", ["line 2", "'1:30'", "hh:mm:ss"]),
    "a German date": (HEAD + "03.05.2019 22:10:01,2,nap\n", ["line 2", "2026-01-31"]),
    "another time zone": (HEAD + "2019-05-03T22:10:01+02:00,2,nap\n", ["line 2", "time zone"]),
    "no header": ("1.5,2,microsleep\n", ["line 1", "onset,duration,description"]),
    "epochs that jump": ("Epoch,Stage\n1,W\n3,N1\n", ["line 1", "onset,duration,description"]),
    "no label": ("onset,duration\n1,2\n", ["line 1", "onset,duration,description"]),
    "end before start": ("start,end,label\n3,1,nap\n", ["line 2", "ends before"]),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_table_is_refused_with_what_to_write(recording, tmp_path, kind) -> None:
    text, words = REFUSED[kind]
    with pytest.raises(DataError) as caught:
        labels_in(recording, written(tmp_path, text))
    for word in ["night.csv", *words]:
        assert word in str(caught.value)


def test_a_clock_that_may_be_either_is_refused(make_edf, tmp_path) -> None:
    # it began ten seconds past midnight: 00:00:12 is two seconds, or twelve, after the start
    path = make_edf(records=30).field("start time", "00.00.10").path
    with pytest.raises(DataError, match="may be times of day or times since the start"):
        labels_in(path, written(tmp_path, HEAD + "00:00:12,2,nap\n"))


def test_a_clock_over_midnight(make_edf, tmp_path) -> None:
    path = make_edf(records=30).field("start time", "23.59.50").path
    source = written(tmp_path, "start,end,label\n23:59:58,00:00:03,nap\n")
    assert found(source, path) == ((8.0, 5.0, "nap"),)


def test_dates_where_the_recording_has_none_are_refused(make_edf, tmp_path) -> None:
    with pytest.raises(DataError, match="does not say when it began"):
        labels_in(make_edf().path, written(tmp_path, HEAD + "2019-05-03 22:10:01,2,nap\n"))


@pytest.mark.parametrize("ending", ["csv", "txt"])
@pytest.mark.parametrize("dated", [True, False])
def test_what_mne_writes_comes_back(make_edf, tmp_path, ending, dated) -> None:
    mne = pytest.importorskip("mne")
    file = make_edf()
    if dated:
        file.field("start date", "03.05.19").field("start time", "22.10.00")
        file.field("recording", "Startdate 03-MAY-2019 X X X")
    raw = mne.io.read_raw_edf(file.path, verbose="error")
    began = raw.info["meas_date"]
    raw.set_annotations(
        mne.Annotations([1.5, 6.0], [2.0, 1.25], ["microsleep", "wake"], orig_time=began)
    )
    source = tmp_path / f"night-annot.{ending}"
    raw.annotations.save(source, verbose="error")
    assert found(source, file.path) == ROWS


def test_what_mne_writes_of_a_cropped_recording_comes_back(tmp_path) -> None:
    mne = pytest.importorskip("mne")
    import numpy as np

    info = mne.create_info(["O1"], 100, "eeg")
    raw = mne.io.RawArray(
        np.random.default_rng(0).normal(0, 2e-5, (1, 3000)), info, verbose="error"
    )
    raw.set_meas_date(datetime.datetime(2019, 5, 3, 22, 10, tzinfo=datetime.UTC))
    raw.crop(tmin=12.0)
    raw.set_annotations(mne.Annotations([1.5, 6.0], [2.0, 1.25], ["microsleep", "wake"]))
    path = tmp_path / "cropped_raw.fif"
    raw.save(path, verbose="error")
    for ending in ("csv", "txt"):
        source = tmp_path / f"cropped-annot.{ending}"
        mne.io.read_raw_fif(path, verbose="error").annotations.save(source, verbose="error")
        assert found(source, path) == ROWS


def test_a_bad_line_does_not_take_the_others(tmp_path) -> None:
    with pytest.raises(DataError, match="line 3"):
        read_table(written(tmp_path, HEAD + "1,2,nap\nsoon,2,nap\n"))
