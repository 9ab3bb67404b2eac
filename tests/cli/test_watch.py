"""Predicting what comes into a folder: rest, changes, failures, names, and going on after a restart."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import mne
import numpy as np
import pytest

from memcell.errors import UsageError
from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.datasets.simulated import Simulated
from memcell_data.formats.incomplete import missing_of
from memcell_eeg.prediction.watched import WatchedFiles


def names(watched, folder):
    return {item.name: mark for item, mark in watched.look([str(folder)])}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return Simulated(SimulatedConfig(subjects=2, minutes=1)).get(
        tmp_path_factory.mktemp("recordings")
    )


def test_names_stay_when_others_come(recordings, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "in" / "out"
    (folder / "b").mkdir(parents=True)
    watched = WatchedFiles(out, {})
    assert names(watched, folder) == {}
    shutil.copy(recordings / "sim01.edf", folder / "b" / "night.edf")
    assert [*names(watched, folder)] == ["night"]
    (folder / "a").mkdir()
    shutil.copy(recordings / "sim02.edf", folder / "a" / "night.edf")
    out.mkdir()
    shutil.copy(recordings / "sim02.edf", out / "night_detected.edf")
    assert {*names(watched, folder)} == {"night", "a_night"}
    again = WatchedFiles(out, {folder / "a" / "night.edf": "a_night"})
    assert {*names(again, folder)} == {"night", "a_night"}


def test_a_mark_changes_with_the_file_and_with_what_belongs_to_it(recordings, tmp_path):
    path = tmp_path / "x.edf"
    shutil.copy(recordings / "sim01.edf", path)
    watched = WatchedFiles(tmp_path / "out", {})
    first = names(watched, tmp_path)
    assert names(watched, tmp_path) == first
    (tmp_path / "x.dat").write_bytes(b"samples")
    second = names(watched, tmp_path)
    assert second != first
    with path.open("ab") as file:
        file.write(b" ")
    assert names(watched, tmp_path) != second
    path.unlink()
    (tmp_path / "gone.edf").symlink_to("nowhere.edf")
    assert names(watched, tmp_path) == {}
    assert watched.look([str(tmp_path / "not there")]) == []


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from memcell.cli.main import run

    small = ["--tune", "none", "--baselines", "few", "--hidden-size", "4", "--min-updates", "0"]
    data = ["--data.subjects", "3", "--data.minutes", "2", "--epochs", "1", "--control", "none"]
    out = tmp_path_factory.mktemp("model") / "run"
    assert (
        run(["train", "microsleep", *small, *data, "--robustness", "none", "--out", str(out)]) == 0
    )
    return out


@pytest.mark.slow
def test_a_folder_is_watched(recordings, model, tmp_path):
    from memcell.runs.watch import WatchRequest, watch

    folder, out = tmp_path / "in", tmp_path / "found"
    folder.mkdir()
    said = []

    def looks(*steps):
        """Watch, doing one thing after each look."""
        left = iter([*steps, *[None] * 2])

        def over():
            step = next(left, StopIteration)
            if step is StopIteration:
                return True
            if step is not None:
                step()
            return False

        request = WatchRequest(
            app="microsleep", paths=(str(folder),), run=model, out=out, every=0.0
        )
        said.clear()
        return watch(request, said.append, over)

    def copy(name, to=None, part=None):
        content = (recordings / name).read_bytes()
        (folder / (to or name)).write_bytes(content[: part and len(content) // part])

    def status():
        rows = (out / "summary.tsv").read_text().splitlines()[1:]
        return {row.split("\t")[0]: row.split("\t")[1] for row in rows}

    # begins empty; one grows for two looks, and one is no recording; others are taken when they rest
    assert looks(
        lambda: copy("sim01.edf", part=4),
        lambda: copy("sim01.edf", part=2),
        lambda: (copy("sim01.edf"), (folder / "bad.edf").write_bytes(b"no EDF"), (folder / "a.txt").touch()),
    ) == 1  # fmt: skip
    assert sum(line.endswith("sim01: done") for line in said) == 1
    assert sum(line.startswith("failed: bad:") for line in said) == 1
    assert "1 recording predicted, 1 failed (bad)" in said[-1]
    assert status() == {"bad": "failed", "sim01": "done"}
    assert (out / "report.html").is_file()
    # goes on: nothing again, but what failed and was mended, and what is new
    events = out / "sub-sim01/eeg/sub-sim01_task-unknown_desc-microsleep_events.json"
    before = events.stat().st_mtime_ns
    assert looks(lambda: copy("sim02.edf", to="bad.edf")) == 0
    assert "1 recording done before" in said
    assert not [line for line in said if line.startswith("failed")], "mended before it rested"
    assert status() == {"bad": "done", "sim01": "done"}
    assert events.stat().st_mtime_ns == before
    assert (out / "study.tsv").is_file()
    # a file that goes while it failed is no failure at the end
    (folder / "gone.edf").write_bytes(b"no EDF")
    assert looks(None, None, (folder / "gone.edf").unlink) == 0
    assert "gone: failed before, and its file is gone" in said
    with pytest.raises(UsageError, match="which is no folder"):
        watch(WatchRequest(app="microsleep", paths=("nowhere",), run=model, out=out), said.append)


#: Copies a file in two pieces, with a pause between them as of a network that stalls.
STALLING = """
import sys, time
from pathlib import Path
given, to, pause = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), float(sys.argv[3])
with to.open("wb") as file:
    file.write(given[: len(given) // 3])
    file.flush()
    time.sleep(pause)
    file.write(given[len(given) // 3 :])
"""


@pytest.mark.slow
def test_a_copy_that_stalls_is_waited_for(recordings, model, tmp_path):
    from memcell.runs.watch import WatchRequest, watch

    folder, out, said = tmp_path / "in", tmp_path / "found", []
    folder.mkdir()
    night = folder / "night.edf"

    def watched(patience, times):
        """Watch until the night was predicted so often; return what was said of it."""
        said.clear()
        end = time.monotonic() + 60

        def over():
            return sum(": done" in line for line in said) >= times or time.monotonic() > end

        request = WatchRequest(
            app="microsleep", paths=(str(folder),), run=model, out=out, every=0.1, patience=patience
        )
        assert watch(request, said.append, over) == 0
        return [line.partition("night: ")[2] for line in said if "night: " in line]

    def copied(pause):
        command = [
            sys.executable,
            "-c",
            STALLING,
            str(recordings / "sim01.edf"),
            str(night),
            str(pause),
        ]
        return subprocess.Popen(command)

    def steps():
        return len(next(out.rglob("*_probability.tsv")).read_text().splitlines()) - 1

    with copied(3) as process:
        waited, done = watched(60, 1)
        assert process.wait() == 0
    assert waited == (
        "incomplete, 19 of 60 data records (31 %) are there; waited for until it has not changed for 60 s"
    )
    assert done == "done"
    assert steps() == 300, "the whole minute, and no part of it before"
    # what stays cut is predicted as far as it goes, and again when the rest comes
    shutil.rmtree(out)
    with copied(8):
        waited, given_up, first, second = watched(1.5, 2)
    assert waited.startswith("incomplete, 19 of 60")
    assert "has not changed for 2 s: predicted as far as it goes" in given_up
    assert (first, second) == ("done", "done")
    assert steps() == 300


def test_what_is_not_all_there_is_told_by_the_files(recordings, tmp_path):
    whole = (recordings / "sim01.edf").read_bytes()
    path = tmp_path / "x.edf"
    n = int(whole[252:256])
    for content, said in (
        (whole, ""),
        (whole[:-1], "59 of 60 data records (98 %) are there"),
        (whole[: 256 * (n + 1)], "0 of 60 data records (0 %) are there"),
        (whole[:300], "its header is not all there"),
        (b"", "the file is empty"),
        (
            whole[:236] + b"-1      " + whole[244:],
            "its recorder has not closed it: 60 data records",
        ),
        (b"no EDF", ""),
    ):
        path.write_bytes(content)
        assert missing_of(path).startswith(said)
        assert bool(missing_of(path)) == bool(said)
    header = tmp_path / "v.vhdr"
    lines = [
        "[Common Infos]",
        "DataFile=v.eeg",
        "MarkerFile=v.vmrk",
        "NumberOfChannels=2",
        "DataPoints=100",
    ]
    header.write_text("\n".join([*lines, "[Binary Infos]", "BinaryFormat=INT_16"]))
    assert missing_of(header) == "its 'v.eeg' is not there"
    (tmp_path / "v.eeg").write_bytes(bytes(4 * 40))
    (tmp_path / "v.vmrk").touch()
    assert missing_of(header) == "40 of 100 samples (40 %) are there"
    (tmp_path / "v.eeg").write_bytes(bytes(400))
    assert missing_of(header) == ""
    fif = tmp_path / "x_raw.fif"
    info = mne.create_info(["O1"], 100.0, "eeg")
    mne.io.RawArray(np.zeros((1, 500)), info, verbose="error").save(fif, verbose="error")
    assert missing_of(fif) == ""
    fif.write_bytes(fif.read_bytes()[:-40])
    assert missing_of(fif) == "'x_raw.fif' ends before its last tag"
