"""BIDS folders as mne-bids writes them: entities, events, channels, participants; and without mne-bids."""

from __future__ import annotations

import json

import numpy as np
import pytest

from memcell.cli.main import run
from memcell.errors import ConfigError, DataError
from memcell_data.checks.check import Check
from memcell_data.datasets import bids
from memcell_data.datasets.bids import Bids
from memcell_data.datasets.configs import BidsConfig
from memcell_data.datasets.recognise import is_bids
from memcell_data.formats.edf.fields import field_at
from memcell_data.formats.reader import open_recording
from memcell_data.tables.bids import channel_table_of, read_channels, read_participants

mne = pytest.importorskip("mne")
mne_bids = pytest.importorskip("mne_bids")
pytest.importorskip("edfio")
NAP = ("microsleep", 2.0, 3.0)


def write(root, subject, task="drive", session=None, events=(NAP,), seconds=20, format="EDF"):
    seed = sum(map(ord, subject + task + str(session)))
    values = np.random.default_rng(seed).normal(0, 20e-6, (3, 100 * seconds))
    info = mne.create_info(["O1", "O2", "left"], 100, ["eeg", "eeg", "eog"])
    info["line_freq"] = 50
    raw = mne.io.RawArray(values, info, verbose="error")
    label, onset, duration = zip(*events, strict=True)
    raw.set_annotations(mne.Annotations(onset, duration, label))
    path = mne_bids.BIDSPath(root=root, subject=subject, task=task, session=session, datatype="eeg")
    mne_bids.write_raw_bids(
        raw, path, allow_preload=True, format=format, overwrite=True, verbose="error"
    )
    return values * 1e6


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Three people, one of them with two sessions and one with another task."""
    root = tmp_path_factory.mktemp("bids") / "set"
    values = {"01": write(root, "01"), "02": write(root, "02", session="a")}
    write(root, "02", session="b")
    write(root, "03", task="rest", events=(NAP, ("blink", 8.0, 0.2)))
    return root, values


@pytest.fixture
def root(written, tmp_path):
    """A copy that can be damaged."""
    import shutil

    return shutil.copytree(written[0], tmp_path / "set")


def opened(root, **options):
    data = Bids(BidsConfig(path=str(root), **options))
    return data, list(data.recordings())


def test_a_folder(written):
    root, values = written
    data, found = opened(root)
    assert data.problems == []
    assert [(r.name, r.subject, r.dataset) for r in found] == [
        ("sub-01_task-drive", "sub-01", "bids"),
        ("sub-02_ses-a_task-drive", "sub-02", "bids"),
        ("sub-02_ses-b_task-drive", "sub-02", "bids"),
        ("sub-03_task-rest", "sub-03", "bids"),
    ]
    first = found[0]
    # the name alone would make 'left' an EEG channel: its type is in channels.tsv
    assert [(c.name, c.kind) for c in first.channels] == [
        ("O1", "eeg"),
        ("O2", "eeg"),
        ("left", "eog"),
    ]
    assert np.abs(first.read(["O1", "left"]).values - values["01"][[0, 2]]).max() < 0.1
    labels = first.labels()
    assert [(i.label, i.onset, i.duration) for i in labels.intervals] == [NAP]
    assert labels.positive == {"microsleep"}
    assert is_bids(root)
    assert data.get() == root


def test_entities(written):
    root, _ = written
    assert [r.subject for r in opened(root, tasks=("rest",))[1]] == ["sub-03"]
    assert [r.name for r in opened(root, sessions=("b",))[1]] == ["sub-02_ses-b_task-drive"]
    with pytest.raises(DataError, match=r"no EEG recording in it of tasks sing; looked for"):
        opened(root, tasks=("sing",))


def test_labels_of_an_unknown_vocabulary(written):
    root, _ = written
    _, found = opened(root, positive=("nap",))
    with pytest.raises(
        DataError, match=r"no label is called 'nap'.*'microsleep' \(4\), 'blink' \(1\)"
    ):
        found[0].labels()


def test_bad_channels_are_said(root):
    table = next(root.glob("sub-01/eeg/*_channels.tsv"))
    lines = table.read_text(encoding="utf-8-sig").splitlines()
    at = lines[0].split("\t").index("status")
    cells = lines[1].split("\t")
    cells[0], cells[at] = cells[0].lower(), "Bad"
    table.write_text("\n".join([lines[0], "\t".join(cells), *lines[2:]]) + "\n", encoding="utf-8")
    _, found = opened(root)
    (said,) = found[0].read(["O1", "O2"]).warnings
    assert "channel 'O1' is marked bad in sub-01_task-drive_channels.tsv" in said
    assert found[0].read(["O2"]).warnings == ()
    told = []
    blocks = list(found[0].blocks(["O1"], seconds=3, warn=told.append))
    assert sum(b.values.shape[1] for b in blocks) == 2000
    assert told == [said]
    assert read_channels(table).bad == {"o1"}
    assert [c.name for c in found[0].channels if c.bad] == ["O1"]


def test_a_unit_that_only_the_table_tells_is_used(root):
    path = next(root.glob("sub-01/eeg/*_eeg.edf"))
    content = bytearray(path.read_bytes())
    for channel in range(3):
        at, width = field_at("unit", channel, 4)
        content[at : at + width] = b" " * width
    path.write_bytes(bytes(content))
    _, found = opened(root)
    assert 15 < found[0].read(["O1"]).values.std() < 25
    # and by who knows the file alone, as predict, stream and data check do
    assert 15 < open_recording(path).read(["O1"]).values.std() < 25
    assert not Check().check(path, samples=True, channels=["O1"]).refused
    table = next(root.glob("sub-01/eeg/*_channels.tsv"))
    table.write_text(table.read_text(encoding="utf-8-sig").replace("µV", "n/a"), encoding="utf-8")
    _, found = opened(root)
    with pytest.raises(DataError, match="'O1' has no unit"):
        found[0].read(["O1"])


def test_events_may_lie_above_the_recording(root):
    events = next(root.glob("sub-01/eeg/*_events.tsv"))
    events.rename(root / "sub-01" / "sub-01_task-drive_events.tsv")
    _, found = opened(root)
    assert [i.label for i in found[0].labels().intervals] == ["microsleep"]


def test_participants_are_compared(root):
    table = root / "participants.tsv"
    lines = table.read_text(encoding="utf-8-sig").splitlines()
    kept = [line.replace("sub-03", "sub-77") for line in lines]
    table.write_text("\n".join(kept) + "\n", encoding="utf-8")
    data, found = opened(root)
    assert len(found) == 4
    assert any("lists sub-77, of whom no recording is used" in p for p in data.problems)
    assert any("sub-03 is not in participants.tsv" in p for p in data.problems)
    table.write_text("name\nx\n")
    with pytest.raises(DataError, match=r"participants\.tsv: lacks the column participant_id"):
        read_participants(root)


def test_a_broken_recording_is_named_and_the_others_go_on(root):
    path = next(root.glob("sub-01/eeg/*_eeg.edf"))
    path.write_bytes(path.read_bytes()[:300])
    data, found = opened(root)
    assert len(found) == 3
    assert "sub-01_task-drive_eeg.edf: the header is cut" in data.problems[0]


def test_without_mne_bids_the_folder_is_read_lightly(root, monkeypatch):
    monkeypatch.setattr(bids, "find_spec", lambda name: None)
    data, found = opened(root)
    assert [r.subject for r in found] == ["sub-01", "sub-02", "sub-02", "sub-03"]
    assert [i.label for i in found[0].labels().intervals] == ["microsleep"]
    assert "pip install 'memcell-rnn[bids]'" in data.problems[-1]
    with pytest.raises(DataError, match=r"--data\.tasks chooses by BIDS.*pip install"):
        opened(root, tasks=("rest",))


def test_what_is_no_bids_folder(tmp_path):
    with pytest.raises(DataError, match=r"has no dataset_description\.json"):
        opened(tmp_path)
    with pytest.raises(ConfigError, match=r"--data\.path"):
        opened("")
    (tmp_path / "dataset_description.json").write_text(json.dumps({"Name": "x"}))
    with pytest.raises(DataError, match="no EEG recording in it; looked for"):
        opened(tmp_path)


def test_data_check_of_a_bids_folder(written, capfd):
    assert run(["data", "check", str(written[0]), "--headers-only"]) == 0
    said = capfd.readouterr().out
    assert "4 files: 4 usable with remarks" in said
    assert said.count("1 x 'microsleep'") == 4


def test_the_nearest_table_whose_entities_are_the_recordings_is_its_own(tmp_path):
    folder = tmp_path / "sub-01" / "ses-2" / "eeg"
    folder.mkdir(parents=True)
    (tmp_path / "dataset_description.json").write_text("{}", encoding="utf-8")
    recording = folder / "sub-01_ses-2_task-rest_run-01_eeg.edf"

    def there(*names):
        for path in tmp_path.rglob("*channels.tsv"):
            path.unlink()
        for name in names:
            (tmp_path / name).write_text("name\ttype\tunits\n", encoding="utf-8")
        found = channel_table_of(recording)
        return None if found is None else str(found.relative_to(tmp_path))

    own = "sub-01/ses-2/eeg/sub-01_ses-2_task-rest_run-01_channels.tsv"
    assert there() is None
    assert there("channels.tsv") == "channels.tsv"
    assert there("task-rest_channels.tsv", "task-drive_channels.tsv") == "task-rest_channels.tsv"
    assert there("channels.tsv", "task-rest_channels.tsv") == "task-rest_channels.tsv"
    assert there("task-rest_channels.tsv", own) == own
    other = own.replace("run-01", "run-02")
    assert there("sub-01/sub-01_channels.tsv", other) == "sub-01/sub-01_channels.tsv"
    assert channel_table_of(folder / "night.edf") is None


def made_of(root, name, events=None):
    """Write one recording under a name of its own, and its events."""
    from memcell_data.formats.edf.writer import Track, write_edf

    folder = root / name.split("_")[0] / "eeg"
    folder.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(list(name.encode())).normal(0, 20, 2000)
    write_edf(folder / f"{name}_eeg.edf", [Track(name="O1", values=values, rate=100)])
    if events:
        (folder / f"{name}_events.tsv").write_text(f"onset\tduration\ttrial_type\n{events}\n")
    return folder / f"{name}_eeg.edf"


def test_events_of_another_acquisition_are_no_labels(root):
    path = made_of(root, "sub-07_task-x")
    made_of(root, "sub-07_task-x_acq-high", "2\t3\tmicrosleep")
    _, found = opened(root, tasks=("x",))
    labels = {r.name: r.labels() for r in found}
    assert len(labels["sub-07_task-x_acq-high"].intervals) == 1
    assert not (labels["sub-07_task-x"] and labels["sub-07_task-x"].intervals)
    assert not Check().check(path, samples=False).annotations


def test_inherited_events_are_labels_in_check_and_training_alike(root):
    path = made_of(root, "sub-07_task-x_run-1")
    (root / "task-x_events.tsv").write_text("onset\tduration\ttrial_type\n2\t3\tmicrosleep\n")
    _, (recording,) = opened(root, tasks=("x",))
    assert [i.onset for i in recording.labels().intervals] == [2.0]
    assert Check().check(path, samples=False).annotations == {"microsleep": 1}


def test_what_is_derived_is_no_recording_of_its_own(root):
    derived = root / "derivatives" / "clean"
    made_of(derived, "sub-01_task-drive_desc-clean", "2\t3\tmicrosleep")
    (derived / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    _, found = opened(root)
    assert not [r.name for r in found if "clean" in r.name]
    assert [r.name for r in opened(derived)[1]] == ["sub-01_task-drive_desc-clean"]


def test_participants_without_sub_and_without_a_name(root):
    (root / "participants.tsv").write_text("participant_id\tage\n01\t3\nsub-02\tn/a\nn/a\t1\n\t2\n")
    assert read_participants(root) == ("sub-01", "sub-02")
    data, _ = opened(root)
    assert data.problems == ["sub-03 is not in participants.tsv, but is used"]
