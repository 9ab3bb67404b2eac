"""What a stranger types wrongly gets one clear line, the right exit code and no traceback."""

from __future__ import annotations

import json

import pytest

from memcell.cli.main import run

SMALL = [
    "--data.subjects",
    "3",
    "--data.minutes",
    "2",
    "--hidden-size",
    "4",
    "--epochs",
    "1",
    "--min-updates",
    "0",
]


def failing(capfd, *args):
    code = run(list(args))
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    return code, said.err


TYPED = [
    (["trian"], 2, ["unknown command 'trian'", "'train'"]),
    (["train", "microslep"], 2, ["unknown app", "'microsleep'"]),
    (["train", "microsleep", "--cel", "lstm"], 2, ["--cel", "--cell"]),
    (["train", "microsleep", "--cell", "lstn"], 2, ["unknown cell 'lstn'", "'lstm'"]),
    (["train", "microsleep", "--cell.forget", "1"], 2, ["cell 'lstm'", "--cell.forget-bias"]),
    (["train", "microsleep", "--policy.p", "0.1"], 2, ["policy 'carry'", "--policy.p"]),
    (["train", "microsleep", "--normalizer.x", "1"], 2, ["no options"]),
    (["train", "microsleep", "--time-steps", "0"], 2, ["time-steps", "0", "1 to"]),
    (["train", "microsleep", "--time-steps", "ten"], 2, ["time-steps", "'ten'", "whole number"]),
    (["train", "microsleep", "--schedule", "cosin"], 2, ["'cosin'", "'cosine'"]),
    (["train", "microsleep", "--sampler", "reshuffle"], 2, ["'stream'", "'reset'"]),
    (["train", "microsleep", "--normalizer", "batch", "--batch-size", "4"], 2, ["16", "'layer'"]),
    (["train", "microsleep", "--data", "nowhere"], 2, ["nowhere", "simulated"]),
    (["train", "microsleep", "--device", "tpu"], 2, ["'tpu'", "cpu"]),
    (["train", "microsleep", "--resume", "x", "--epochs", "2"], 2, ["--resume"]),
    (["train", "microsleep", "--against", "carry"], 2, ["--against"]),
    (["plugins", "lstn"], 2, ["'lstm'"]),
    (["data", "get", "eye-stat"], 2, ["'eye-state'"]),
    (["data", "make", "eyes"], 2, ["simulated"]),
    (["predict", "microsleep", "a.edf", "--out", "o"], 2, ["--model"]),
]


@pytest.mark.parametrize(("args", "code", "words"), TYPED, ids=[" ".join(t[0])[:50] for t in TYPED])
def test_a_wrong_call_says_what_to_type(args, code, words, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got, said = failing(capfd, *args)
    assert got == code
    for word in words:
        assert word in said
    assert not list(tmp_path.iterdir()), "a refused call leaves nothing behind"


def test_file_that_is_no_recording_stops_training(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    code, said = failing(capfd, "train", "microsleep", "--data", "empty")
    assert code == 1
    assert "no recording" in said
    (tmp_path / "letter.edf").write_text("Dear colleague,\n" * 40)
    code, said = failing(capfd, "train", "microsleep", "--data", "letter.edf")
    assert code == 1
    assert "letter.edf" in said
    assert not (tmp_path / "runs").exists()


def test_a_broken_config_file_is_named(capfd, tmp_path):
    (tmp_path / "c.toml").write_text("[cell]\nname = lstm\n")
    code, said = failing(capfd, "train", "microsleep", "--config", str(tmp_path / "c.toml"))
    assert code == 2
    assert "c.toml" in said
    (tmp_path / "c.toml").write_text("[sell]\nname = 'lstm'\n")
    code, said = failing(capfd, "train", "microsleep", "--config", str(tmp_path / "c.toml"))
    assert code == 2
    assert "'cell'" in said


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    assert run(["train", "microsleep", *SMALL, "--out", str(path)]) == 0
    return path


def test_a_finished_run_is_not_written_over(capfd, run_folder):
    before = (run_folder / "scores.tsv").read_bytes()
    code, said = failing(capfd, "train", "microsleep", *SMALL, "--out", str(run_folder))
    assert code == 2
    assert "--resume" in said
    assert (run_folder / "scores.tsv").read_bytes() == before


def test_a_run_of_a_newer_version_is_refused_by_name(capfd, run_folder, tmp_path):
    import shutil

    newer = tmp_path / "newer"
    shutil.copytree(run_folder, newer)
    environment = json.loads((newer / "environment.json").read_text())
    environment |= {"format": environment["format"] + 1, "memcell": "9.1"}
    (newer / "environment.json").write_text(json.dumps(environment))
    for args in (
        ["evaluate", "microsleep", str(newer)],
        ["train", "microsleep", "--resume", str(newer)],
    ):
        code, said = failing(capfd, *args)
        assert code == 1
        assert "9.1" in said
        assert "update memcell" in said


def test_a_damaged_model_is_refused(capfd, run_folder, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(run_folder, broken)
    data = bytearray((broken / "model.safetensors").read_bytes())
    data[-3] ^= 1
    (broken / "model.safetensors").write_bytes(data)
    code, said = failing(capfd, "evaluate", "microsleep", str(broken))
    assert code == 2
    assert "damaged" in said


def test_a_folder_that_is_no_run_is_named(capfd, tmp_path):
    code, said = failing(capfd, "evaluate", "microsleep", str(tmp_path))
    assert code == 1
    assert "not a run folder" in said


def test_an_output_that_cannot_be_written_is_said_before_any_work(capfd, tmp_path):
    (tmp_path / "file").write_text("")
    code, said = failing(
        capfd, "train", "microsleep", *SMALL, "--out", str(tmp_path / "file" / "run")
    )
    assert code == 1
    assert "--out" in said


def test_an_unexpected_error_is_one_line(capfd, monkeypatch):
    def broken(*_):
        raise RuntimeError("a plugin's own trouble")

    monkeypatch.setattr("memcell.plugins.registry.Registry.entries", broken)
    code, said = failing(capfd, "plugins")
    assert code == 1
    assert "a plugin's own trouble" in said
    assert len(said.strip().splitlines()) == 1
    with pytest.raises(RuntimeError):
        run(["--traceback", "plugins"])
