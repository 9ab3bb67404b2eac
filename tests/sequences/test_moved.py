"""A run whose folder or whose data was moved goes on, and is scored again."""

from __future__ import annotations

import shutil

import memcell
from memcell.cli.main import run
from sequence_files import sequence, write_npz

TINY = {"cell": "gru", "hidden_size": 4, "epochs": 1, "time_steps": 20, "control": "none"}


def test_arrays_move_with_the_folder_of_their_run(tmp_path, capsys):
    first = memcell.fit([sequence(k) for k in range(5)], out=tmp_path / "run", **TINY)
    scores = first.scores
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    assert memcell.fit(resume=tmp_path / "elsewhere").scores == scores
    assert run(["evaluate", "sequences", str(tmp_path / "elsewhere")]) == 0, capsys.readouterr().err


def test_a_folder_that_was_moved_is_named_again(tmp_path, capsys):
    data = write_npz(tmp_path / "data", 5)
    done = memcell.fit(data=data, out=tmp_path / "run", **TINY)
    scores = done.scores
    data.rename(tmp_path / "moved")
    resume = ["train", "sequences", "--resume", str(tmp_path / "run")]
    assert run(resume) == 1
    assert f"'{data}' does not exist: type --data FOLDER" in capsys.readouterr().err
    assert run([*resume, "--data", str(tmp_path / "moved")]) == 0, capsys.readouterr().err
    assert memcell.Run(tmp_path / "run").scores == scores
    evaluate = ["evaluate", "sequences", str(tmp_path / "run"), "--data", str(tmp_path / "moved")]
    assert run(evaluate) == 0, capsys.readouterr().err
    assert run([*resume, "--data", str(tmp_path / "moved"), "--epochs", "9"]) == 2
    assert "leave out every other option, but for --data" in capsys.readouterr().err
