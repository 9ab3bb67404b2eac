"""A person's own recordings: files, folders, globs, BIDS, labels, and what goes wrong."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from memcell.errors import ConfigError, DataError
from memcell_data.datasets.configs import UserRecordingsConfig
from memcell_data.datasets.user_recordings import UserRecordings
from memcell_data.recording import Interval
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


def own(path, **options):
    return UserRecordings(UserRecordingsConfig(path=str(path), **options))


def test_a_file(make_edf, episode):
    file = make_edf(annotations=[episode])
    (recording,) = own(file.path).recordings()
    assert (recording.name, recording.subject, recording.dataset) == ("night", "night", "own")
    assert not recording.simulated
    assert recording.labels().intervals == (episode,)


def test_a_recording_can_be_sent_to_another_process(make_edf, episode):
    (recording,) = own(make_edf(annotations=[episode]).path).recordings()
    twin = pickle.loads(pickle.dumps(recording))
    assert (twin.read(["O1"]).values == recording.read(["O1"]).values).all()
    assert twin.labels() == recording.labels()


def test_a_folder_with_a_broken_file(make_edf, tmp_path):
    make_edf(name="a_1.edf")
    make_edf(name="b_1.edf").cut(100)
    (tmp_path / "c.edf").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not looked at")
    (tmp_path / ".hidden.edf").write_bytes(b"")
    data = own(tmp_path)
    assert [(r.name, r.subject) for r in data.recordings()] == [("a_1", "a")]
    assert len(data.problems) == 2
    assert "b_1.edf" in data.problems[0]
    assert "c.edf" in data.problems[1]


def test_nothing_usable(make_edf, tmp_path):
    make_edf(name="a.edf").cut(100)
    make_edf(name="b.edf").cut(50)
    with pytest.raises(DataError, match=r"a\.edf.*and 1 more"):
        own(tmp_path).recordings()


def test_empty_folder_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"no recording in it.*\.edf.*\.vhdr"):
        own(tmp_path).recordings()
    with pytest.raises(DataError, match="nothing is there"):
        own(tmp_path / "*.edf").recordings()
    with pytest.raises(DataError, match="nothing is there"):
        own(tmp_path / "absent").get()
    with pytest.raises(ConfigError, match=r"--data\.path"):
        own("").recordings()


def test_glob_and_names(make_edf, tmp_path):
    for name in ("x/night.edf", "y/night.edf", "z/other.edf"):
        make_edf(name=name)
    names = [r.name for r in own(tmp_path / "*" / "night.edf").recordings()]
    assert names == ["x_night", "y_night"]
    assert len({r.name for r in own(tmp_path).recordings()}) == 3
    assert own(tmp_path).get() == tmp_path


def test_bids(make_edf, tmp_path):
    make_edf(name="sub-07/eeg/sub-07_task-drive_eeg.edf")
    events = tmp_path / "sub-07" / "eeg" / "sub-07_task-drive_events.tsv"
    events.write_text("onset\tduration\ttrial_type\n1\t2\tmicrosleep\n")
    (recording,) = own(tmp_path).recordings()
    assert recording.subject == "sub-07"
    assert [i.label for i in recording.labels().intervals] == ["microsleep"]


def test_csv_beside(make_edf, tmp_path):
    make_edf()
    (tmp_path / "night.csv").write_text("onset,duration,description\n1,2,nap\n")
    (recording,) = own(tmp_path, positive=("nap",)).recordings()
    labels = recording.labels()
    assert labels.positive == {"nap"}
    assert labels.background == "wake"
    first = recording.fingerprint
    (tmp_path / "night.csv").write_text("onset,duration,description\n1,3.5,nap\n")
    assert own(tmp_path, positive=("nap",)).recordings()[0].fingerprint != first


def test_labels_elsewhere(make_edf, tmp_path):
    make_edf(name="rec/a.edf")
    make_edf(name="rec/b.edf")
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "a.csv").write_text("onset,duration,description\n1,2,microsleep\n")
    a, b = own(tmp_path / "rec", labels=str(folder)).recordings()
    assert len(a.labels().intervals) == 1
    assert b.labels() is None
    make_edf(name="rec/c.edf", annotations=[Interval(onset=1, duration=2, label="microsleep")])
    everyone = own(tmp_path / "rec", labels=str(folder))
    assert everyone.recordings()[2].labels() is None  # what is inside is not what was named
    assert any("in 'labels', and so no labels, of b.edf, c.edf" in n for n in everyone.notes)
    (tmp_path / "rec/c.edf").unlink()
    (folder / "a.csv").rename(folder / "x.csv")
    with pytest.raises(DataError, match="named like a recording"):
        own(tmp_path / "rec", labels=str(folder)).recordings()[0].labels()
    (folder / "x.csv").rename(folder / "a.csv")
    with pytest.raises(DataError, match="one label file for 2 recordings"):
        own(tmp_path / "rec", labels=str(folder / "a.csv")).recordings()
    with pytest.raises(DataError, match=r"absent\.csv.*no such label file"):
        own(tmp_path / "rec", labels=str(tmp_path / "absent.csv")).recordings()
    (one,) = own(tmp_path / "rec" / "b.edf", labels=str(folder / "a.csv")).recordings()
    assert len(one.labels().intervals) == 1


def test_the_positive_label_is_not_guessed(make_edf, tmp_path):
    make_edf()
    (tmp_path / "night.csv").write_text("onset,duration,description\n1,2,nap\n4,1,blink\n")
    (recording,) = own(tmp_path).recordings()
    recording.read(["O1"])  # predicting needs no labels
    with pytest.raises(DataError, match=r"'blink' \(1\), 'nap' \(1\)\. Type --data\.positive NAME"):
        recording.labels()
    (recording,) = own(tmp_path, positive=("sleepy",)).recordings()
    with pytest.raises(DataError, match=r"no label is called 'sleepy'.*'blink' \(1\), 'nap' \(1\)"):
        recording.labels()


def test_a_vocabulary_that_nobody_knows_is_listed_with_its_counts(make_edf, tmp_path):
    make_edf(name="a.edf")
    make_edf(name="b.edf")
    rows = "onset,duration,description\n"
    (tmp_path / "a.csv").write_text(rows + "1,1,Schlaf\n3,1,Schlaf\n5,1,blink\n")
    (tmp_path / "b.csv").write_text(rows + "1,1,Schlaf\n")
    with pytest.raises(DataError) as caught:
        own(tmp_path).recordings()[0].labels()
    assert "There are: 'Schlaf' (3), 'blink' (1). Type --data.positive NAME" in str(caught.value)
    with pytest.raises(DataError, match=r"no label is called 'Schalf'.*Did you mean 'Schlaf'\?"):
        own(tmp_path, positive=("Schalf",)).recordings()[0].labels()
    with pytest.raises(
        DataError, match=r"'ruhig' \(--data\.negative\)\. There are: 'Schlaf' \(3\)"
    ):
        own(tmp_path, positive=("Schlaf",), negative=("ruhig",)).recordings()[0].labels()
    mapped = (
        own(tmp_path, positive=("Schlaf",), negative=("blink", "ruhig")).recordings()[0].labels()
    )
    assert mapped.positive == {"Schlaf"}
    assert "blink" in mapped.negative


def test_a_night_without_microsleep_among_others(make_edf, tmp_path, episode):
    make_edf(name="a.edf", annotations=[episode])
    make_edf(name="b.edf", annotations=[type(episode)(onset=1, duration=1, label="drowsy")])
    for recording in own(tmp_path).recordings():
        assert recording.labels().positive == {"microsleep"}


def test_subject_pattern(make_edf, tmp_path):
    make_edf(name="night_p3_x.edf")
    (recording,) = own(tmp_path, subject_pattern=r"night_(p\d)").recordings()
    assert recording.subject == "p3"
    with pytest.raises(ConfigError, match="group"):
        own(tmp_path, subject_pattern="p3").recordings()
    with pytest.raises(ConfigError, match="subject-pattern"):
        own(tmp_path, subject_pattern="(").recordings()
    with pytest.raises(DataError, match="no subject found"):
        own(tmp_path, subject_pattern="(q)").recordings()


def test_a_task_says_which_files_are_left_out(make_edf, tmp_path, episode):
    for seed, name in enumerate("abc"):
        values = np.random.default_rng(seed).normal(0, 20, 6000)
        make_edf(name=f"{name}_1.edf", records=60, annotations=[episode], values=values)
    make_edf(name="d_1.edf").cut(100)
    task = Microsleep(MicrosleepConfig(), own(tmp_path)).task()
    assert len(task.train + task.valid + task.test) == 3
    assert any("d_1.edf: the header is cut" in note for note in task.notes)
