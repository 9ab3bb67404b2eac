"""Files with a name and no content, endings in capitals, folders of hypnograms: each is said as it is."""

from __future__ import annotations

import os

import numpy as np
import pytest

from memcell.cli.main import run
from memcell.errors import DataError
from memcell_data.datasets.configs import SleepEdfConfig, UserRecordingsConfig
from memcell_data.datasets.finding import label_file_beside, recordings_in, what_was_sought
from memcell_data.datasets.sleep_edf import SleepEdf
from memcell_data.datasets.user_recordings import UserRecordings
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.labels.reading import labels_in
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.live.file_source import FileSource
from memcell_eeg.prediction.sources import find_sources
from memcell_eeg.signal.channels import ChannelChoice
from memcell_microsleep.config import MicrosleepConfig

ANNEX = ".git/annex/objects/aa/bb/MD5E-s1--x.edf/MD5E-s1--x.edf"
CSV = "onset,duration,description\n1,2,microsleep\n"


def hypnogram(path, label="Sleep stage W"):
    edfio = pytest.importorskip("edfio")
    edfio.Edf([], annotations=[edfio.EdfAnnotation(0, 30, label)]).write(path)


@pytest.mark.parametrize("as_text", [False, "/annex/objects/MD5E-s1--x.edf\n", f"../{ANNEX}"])
def test_content_that_was_not_fetched(tmp_path, capsys, as_text) -> None:
    path = tmp_path / "n.edf"
    path.write_text(as_text) if as_text else path.symlink_to(ANNEX)
    for typed in (path, tmp_path):
        assert run(["data", "check", str(typed)]) == 1
        said = capsys.readouterr().out
        assert "datalad get n.edf" in said
        assert "git annex get n.edf" in said
        assert [s.path.name for s in find_sources([str(typed)])] == ["n.edf"]
        with pytest.raises(DataError, match="was not fetched"):
            UserRecordings(UserRecordingsConfig(path=str(typed))).recordings()


def test_a_link_to_nowhere(tmp_path, capsys) -> None:
    (tmp_path / "n.edf").symlink_to("elsewhere/n.edf")
    assert run(["data", "check", str(tmp_path)]) == 1
    assert "is a link to 'elsewhere/n.edf', which is not there" in capsys.readouterr().out


def test_labels_that_were_not_fetched_are_not_taken_for_none(make_edf, tmp_path) -> None:
    path = make_edf().path
    (tmp_path / "night.csv").symlink_to(ANNEX)
    source = label_file_beside(path, tmp_path)
    assert source is not None
    with pytest.raises(DataError, match=r"night\.csv: its content was not fetched"):
        labels_in(path, source)
    (tmp_path / "night.csv").unlink()
    (tmp_path / "night.csv").write_text("version https://git-lfs.github.com/spec/v1\noid x\n")
    with pytest.raises(DataError, match="git-lfs pointer"):
        labels_in(path, source)


def test_samples_that_were_not_fetched(tmp_path) -> None:
    (tmp_path / "a.vhdr").write_text("Brain Vision Data Exchange Header File Version 1.0\n")
    (tmp_path / "a.eeg").symlink_to(ANNEX)
    with pytest.raises(DataError, match=r"a\.eeg: its content was not fetched"):
        UserRecordings(UserRecordingsConfig(path=str(tmp_path / "a.vhdr"))).recordings()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "N1.CSV",
            "N1.TSV",
            "N1.TXT",
            "n1.csv",
            "N1_EVENTS.TSV",
            "N1_annot.txt",
            "N1_annotations.csv",
        ),
        *("N1-Hypnogram.csv", "n1_SCORING.Csv", "N1.events.tsv"),
    ],
)
def test_a_label_file_is_found_whatever_its_case(make_edf, tmp_path, name) -> None:
    path = make_edf(name="N1.EDF").path
    text = CSV.replace(",", "\t") if name.lower().endswith(".tsv") else CSV
    (tmp_path / name).write_text(text)
    (recording,) = UserRecordings(UserRecordingsConfig(path=str(tmp_path))).recordings()
    assert [i.label for i in recording.labels().intervals] == ["microsleep"]
    assert label_file_beside(path, tmp_path).name == name


def test_edf_labels_beside_a_recording(make_edf, tmp_path) -> None:
    make_edf(name="a.edf")
    hypnogram(tmp_path / "a_annotations.edf", "microsleep")
    (recording,) = UserRecordings(UserRecordingsConfig(path=str(tmp_path))).recordings()
    assert [i.label for i in recording.labels().intervals] == ["microsleep"]


def test_a_note_beside_a_recording_is_no_label_file(make_edf, tmp_path, episode) -> None:
    make_edf(annotations=[episode])
    (tmp_path / "night.txt").write_text("electrode O2 was loose\n")
    (recording,) = UserRecordings(UserRecordingsConfig(path=str(tmp_path))).recordings()
    assert recording.labels().intervals == (episode,)
    # without annotations it may be the scoring, and is refused with what to write
    make_edf()
    (recording,) = UserRecordings(
        UserRecordingsConfig(path=str(tmp_path), positive=("microsleep",))
    ).recordings()
    with pytest.raises(DataError, match=r"night\.txt: line 1: expected the columns onset"):
        recording.labels()


def test_several_label_files_and_a_detector_s_own_are_said(make_edf, tmp_path) -> None:
    make_edf(name="a.edf")
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "a_events.tsv").write_text(CSV.replace(",", "\t"))
    (tmp_path / "a_events.json").write_text('{"GeneratedBy": {"Name": "memcell"}}')
    own = UserRecordings(UserRecordingsConfig(path=str(tmp_path)))
    own.recordings()[0].labels()
    assert any("read a_events.tsv and not a.csv" in n for n in own.notes)
    assert any("memcell predicted" in n and "a_events.tsv" in n for n in own.notes)


def test_a_folder_of_hypnograms(tmp_path, capsys) -> None:
    hypnogram(tmp_path / "SC4001EC-Hypnogram.edf")
    hypnogram(tmp_path / "x_annotations.edf")
    assert "it holds 2 hypnograms and no recording" in what_was_sought(tmp_path)
    assert run(["data", "check", str(tmp_path)]) == 2
    assert "it holds 2 hypnograms and no recording" in capsys.readouterr().err
    with pytest.raises(DataError, match="it holds 2 hypnograms and no recording"):
        find_sources([str(tmp_path)])
    with pytest.raises(DataError, match="it holds 2 hypnograms and no recording"):
        UserRecordings(UserRecordingsConfig(path=str(tmp_path))).recordings()


def test_a_recording_named_as_labels_is_a_recording(make_edf, tmp_path) -> None:
    make_edf(name="a_annotations.edf")
    assert [p.name for p in recordings_in(tmp_path)] == ["a_annotations.edf"]


def test_sleep_edf_in_capitals(make_edf, tmp_path) -> None:
    make_edf(name="SC4001E0-PSG.EDF", records=60)
    hypnogram(tmp_path / "SC4001EC-HYPNOGRAM.EDF")
    (night,) = SleepEdf(SleepEdfConfig(path=str(tmp_path))).recordings()
    assert night.subject == "SC400"
    assert len(night.labels().intervals) == 1


def test_bids_links(tmp_path) -> None:
    pytest.importorskip("mne_bids")
    from memcell_data.datasets.bids import Bids
    from memcell_data.datasets.configs import BidsConfig

    root = tmp_path / "set"
    for k in (1, 2):
        folder = root / f"sub-0{k}" / "eeg"
        folder.mkdir(parents=True)
        values = np.random.default_rng(k).normal(0, 20, 3000)
        write_edf(folder / f"sub-0{k}_task-x_eeg.edf", [Track(name="O1", values=values, rate=100)])
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    events = root / "sub-01" / "eeg" / "sub-01_task-x_events.tsv"
    events.symlink_to(ANNEX)
    other = root / "sub-02" / "eeg" / "sub-02_task-x_eeg.edf"
    other.unlink()
    other.symlink_to(ANNEX)
    data = Bids(BidsConfig(path=str(root)))
    (first,) = data.recordings()
    assert any("sub-02" in p and "was not fetched" in p for p in data.refused)
    with pytest.raises(DataError, match=r"sub-01_task-x_events\.tsv: its content was not fetched"):
        first.labels()
    assert os.path.lexists(events)


def test_ten_thousand_recordings_list_their_folder_once(tmp_path, monkeypatch) -> None:
    from pathlib import Path

    from memcell_data.datasets.finding import FolderListing, label_files_beside

    (tmp_path / "p7.CSV").write_text(CSV)
    listed = []
    real = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: listed.append(self) or real(self))
    listing = FolderListing()
    found = [label_files_beside(tmp_path / f"p{k}.edf", tmp_path, listing) for k in range(50)]
    assert [len(f) for f in found] == [int(k == 7) for k in range(50)]
    assert len(listed) == 1


def test_a_pipe_and_links_in_a_circle_are_named_and_nothing_waits(
    make_edf, tmp_path, capsys
) -> None:
    make_edf(name="good.edf")
    os.mkfifo(tmp_path / "pipe.edf")
    (tmp_path / "one.edf").symlink_to("two.edf")
    (tmp_path / "two.edf").symlink_to("one.edf")
    assert run(["data", "check", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "is not a regular file (but a pipe, a device or a folder)" in said
    assert said.count("is a link that leads back to itself") == 2
    own = UserRecordings(UserRecordingsConfig(path=str(tmp_path)))
    assert [r.name for r in own.recordings()] == ["good"]
    assert len(own.problems) == 3


def test_a_file_of_two_names_is_one_recording(make_edf, tmp_path) -> None:
    path = make_edf(name="a.edf").path
    (tmp_path / "b.edf").hardlink_to(path)
    make_edf(name="c.edf")
    assert [p.name for p in recordings_in(tmp_path)] == ["a.edf", "c.edf"]
    assert [s.path.name for s in find_sources([str(tmp_path)])] == ["a.edf", "c.edf"]


def test_a_stream_of_what_was_not_fetched(tmp_path):
    path = tmp_path / "n.edf"
    path.symlink_to(ANNEX)
    choice = ChannelChoice(names=("O1",), eeg=("O1",), reason="")
    pipeline = Pipeline.of(MicrosleepConfig(), choice, 128.0)
    with pytest.raises(DataError, match="was not fetched"):
        FileSource(path, pipeline, 1.0, 0.05)
    with pytest.raises(DataError, match="does not exist; type --file"):
        FileSource(tmp_path / "m.edf", pipeline, 1.0, 0.05)
