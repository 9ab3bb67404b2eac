"""Predicting what comes into a folder: rest, changes, failures, names, and going on after a restart."""

from __future__ import annotations

import shutil

import pytest

from memcell.errors import UsageError
from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.datasets.simulated import Simulated
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


@pytest.mark.slow
def test_a_folder_is_watched(recordings, tmp_path):
    from memcell.cli.main import run
    from memcell.runs.watch import WatchRequest, watch

    small = ["--tune", "none", "--baselines", "few", "--hidden-size", "4", "--min-updates", "0"]
    data = ["--data.subjects", "3", "--data.minutes", "2", "--epochs", "1", "--against", "none"]
    model = tmp_path / "run"
    assert (
        run(["train", "microsleep", *small, *data, "--robustness", "none", "--out", str(model)])
        == 0
    )
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
    before = (out / "sim01_events.json").stat().st_mtime_ns
    assert looks(lambda: copy("sim02.edf", to="bad.edf")) == 0
    assert "1 recording done before" in said
    assert not [line for line in said if line.startswith("failed")], "mended before it rested"
    assert status() == {"bad": "done", "sim01": "done"}
    assert (out / "sim01_events.json").stat().st_mtime_ns == before
    assert (out / "study.tsv").is_file()
    # a file that goes while it failed is no failure at the end
    (folder / "gone.edf").write_bytes(b"no EDF")
    assert looks(None, None, (folder / "gone.edf").unlink) == 0
    assert "gone: failed before, and its file is gone" in said
    with pytest.raises(UsageError, match="which is no folder"):
        watch(WatchRequest(app="microsleep", paths=("nowhere",), run=model, out=out), said.append)
