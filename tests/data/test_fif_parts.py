"""One recording split into several FIF files is one recording, whichever way it is asked for."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.checks.check import Check
from memcell_data.datasets.configs import UserRecordingsConfig
from memcell_data.datasets.finding import label_file_beside, recordings_in
from memcell_data.datasets.user_recordings import UserRecordings
from memcell_data.formats.reader import companions, open_recording

mne = pytest.importorskip("mne")
SECONDS = 600


@pytest.fixture(scope="module", params=["neuromag", "bids"])
def parts(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    values = np.random.default_rng(0).normal(0, 30e-6, (2, 100 * SECONDS))
    raw = mne.io.RawArray(values, mne.create_info(["O1", "O2"], 100.0, "eeg"), verbose="error")
    raw.save(
        folder / "night_raw.fif",
        split_size=1_250_000,  # MNE leaves 1 MB of it free
        split_naming=request.param,
        buffer_size_sec=1,
        verbose="error",
    )
    listed = sorted(folder.iterdir(), key=lambda p: (len(p.name), p.name))
    assert len(listed) == 3
    return listed


def test_a_folder_holds_one_recording(parts) -> None:
    (found,) = recordings_in(parts[0].parent)
    assert found == parts[0]
    assert recordings_in(parts[0].parent / "*.fif*") == [parts[0]]
    assert Check().files(str(parts[0].parent / "*")) == [parts[0]]
    (recording,) = UserRecordings(UserRecordingsConfig(path=str(parts[0].parent))).recordings()
    assert recording.duration == pytest.approx(SECONDS)
    assert recording.read(["O1"]).values.shape == (1, 100 * SECONDS)


@pytest.mark.parametrize("number", [1, 2])
def test_a_later_part_alone_says_which_to_read(parts, number) -> None:
    with pytest.raises(DataError, match=f"later part.*type '{parts[0].name}'"):
        open_recording(parts[number])
    assert "later part" in Check().check(parts[number], samples=True).refused


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_part_that_is_missing_is_named(parts, tmp_path, missing) -> None:
    for path in parts:
        shutil.copy(path, tmp_path / path.name)
    (tmp_path / parts[missing].name).unlink()
    reasons = {p.name: Check().check(p, samples=True).refused for p in recordings_in(tmp_path)}
    assert reasons
    assert all(parts[missing].name in reason for reason in reasons.values())


def test_parts_that_were_renamed_are_refused(parts, tmp_path) -> None:
    for path in parts:
        shutil.copy(path, tmp_path / path.name.replace("night", "nap"))
    for path in recordings_in(tmp_path):
        assert (
            "under the names that they were written with"
            in Check().check(path, samples=True).refused
        )


def test_a_change_of_a_later_part_is_a_change(parts, tmp_path) -> None:
    for path in parts:
        shutil.copy(path, tmp_path / path.name)
    assert companions(tmp_path / parts[0].name) == [tmp_path / p.name for p in parts[1:]]
    before = open_recording(tmp_path / parts[0].name).fingerprint
    with (tmp_path / parts[1].name).open("ab") as file:
        file.write(b"\0")
    assert open_recording(tmp_path / parts[0].name).fingerprint != before


def test_a_name_alone_makes_no_part(tmp_path) -> None:
    """Nights that are called as parts would be, and parts of an EDF that a hospital cut by the hour."""
    values = np.random.default_rng(0).normal(0, 30e-6, (1, 2000))
    for name in ("night_raw.fif", "night_raw-1.fif", "sub-01_split-02_raw.fif"):
        raw = mne.io.RawArray(values, mne.create_info(["O1"], 100.0, "eeg"), verbose="error")
        raw.save(tmp_path / name, verbose="error")
    for name in ("psg.edf", "psg_1.edf", "psg-1.edf"):
        (tmp_path / name).touch()
    assert len(recordings_in(tmp_path)) == 6


def test_one_table_of_events_is_for_all_parts(tmp_path) -> None:
    events = tmp_path / "sub-01_task-rest_events.tsv"
    events.touch()
    recording = tmp_path / "sub-01_task-rest_split-01_eeg.fif"
    assert label_file_beside(recording, tmp_path) == events


def test_links_and_hidden_folders(tmp_path) -> None:
    """A folder of git-annex, links to folders, a link round in a circle, and a second name of a file."""
    store = tmp_path / ".git" / "annex"
    store.mkdir(parents=True)
    (store / "key.edf").write_bytes(b"0")
    (tmp_path / "a.edf").symlink_to(store / "key.edf")
    (tmp_path / "second-name.edf").symlink_to(tmp_path / "a.edf")
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.edf").write_bytes(b"0")
    (tmp_path / "linked").symlink_to(elsewhere)
    (elsewhere / "round").symlink_to(tmp_path)
    found = [str(p.relative_to(tmp_path)) for p in recordings_in(tmp_path)]
    assert found == ["a.edf", "linked/b.edf"]
