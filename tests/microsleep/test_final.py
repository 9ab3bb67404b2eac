"""A network of everybody after leaving each one out: trained once, used like any, its card of the folds."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from memcell.applications.models import ModelCard, checksum
from memcell.cli.main import run
from memcell.training.checkpoint import read_head

pytestmark = pytest.mark.slow
QUICK = ["--control", "none", "--baselines", "few", "--step", "1", "--window", "1", "--epochs", "1"]
SMALL = [*QUICK, "--hidden-size", "4", "--cache", "off"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("final") / "people"
    words = ["--subjects", "3", "--minutes", "3"]
    assert run(["data", "make", "simulated", "--to", str(path), *words]) == 0
    return path


def train(data, *words, out):
    own = ["--data", str(data), "--data.positive", "microsleep", *SMALL]
    return run(["train", "microsleep", *own, *words, "--out", str(out)])


@pytest.fixture(scope="module")
def without(data):
    out = data.parent / "without"
    assert train(data, "--split", "loso", out=out) == 0
    return out


@pytest.fixture(scope="module")
def whole(data, without):
    """The same run, with the network of everybody added afterwards."""
    out = data.parent / "whole"
    shutil.copytree(without, out)
    assert run(["train", "microsleep", "--resume", str(out), "--final"]) == 0
    return out


def test_it_is_trained_on_everybody_and_the_folds_stay_as_they_were(without, whole) -> None:
    facts = read_head(whole / "final" / "model.safetensors").meta["facts"]["task"]
    assert len(facts["subjects"]["train"]) == 3
    assert facts["subjects"]["test"] == []
    assert (whole / "scores.tsv").read_bytes() == (without / "scores.tsv").read_bytes()
    for fold in sorted((without / "folds").glob("sim*")):
        name = f"folds/{fold.name}/model.safetensors"
        assert (whole / name).read_bytes() == (without / name).read_bytes()


@pytest.mark.slow
def test_asked_for_at_once_it_is_the_same_network(data, whole, tmp_path) -> None:
    out = tmp_path / "run"
    assert train(data, "--split", "loso", "--final", out=out) == 0
    again, model = (p / "final" / "model.safetensors" for p in (out, whole))
    assert again.read_bytes() == model.read_bytes()


def test_its_card_has_the_scores_of_the_folds(whole) -> None:
    card = ModelCard.read(whole / "final" / "card.toml")
    assert card.sha256 == checksum(whole / "final" / "model.safetensors")
    row = json.loads((whole / "scores.json").read_text())["rows"][0]
    of_card = {score.score: score for score in card.scores}
    assert {score.on for score in card.scores} == {"each of 3 people left out once"}
    for name in ("kappa", "balanced_accuracy"):
        assert of_card[name].value == pytest.approx(row["scores"][name], abs=1e-4)
        low, high = row["intervals"].get(name, (math.nan, math.nan))
        assert of_card[name].low == pytest.approx(low, abs=1e-4, nan_ok=True)
        assert of_card[name].high == pytest.approx(high, abs=1e-4, nan_ok=True)
    notes = read_head(whole / "final" / "model.safetensors").meta["facts"]["notes"]
    assert f"kappa {row['scores']['kappa']:.3f}" in notes[0]
    assert any("simulated" in limit for limit in card.limits)


def test_the_folder_of_the_folds_is_a_model(whole, data, tmp_path, capsys) -> None:
    one = next(iter(sorted(data.rglob("*.edf"))))
    out = tmp_path / "found"
    assert run(["predict", "microsleep", str(one), "--model", str(whole), "--out", str(out)]) == 0
    assert (out / "summary.tsv").is_file()
    # what is said of the model are the scores of the folds
    said = json.loads((out / "prediction.json").read_text())["scores"]
    assert said == json.loads((whole / "scores.json").read_text())["rows"][0]["scores"]
    assert run(["models", "show", str(whole)]) == 0
    said = capsys.readouterr().out
    assert "each of 3 people left out once" in said
    assert "It was tested on nobody." in said
    assert "final/card.toml" in (whole / "report.html").read_text()
    assert run(["evaluate", "microsleep", str(whole), "--data", str(data)]) == 2
    assert "the model was trained with sim01" in capsys.readouterr().err
    live = ["stream", "microsleep", "--model", str(whole), "--file", str(one), "--speed", "max"]
    assert run(live) == 0


def test_without_it_the_message_says_what_to_type(without, data, tmp_path, capsys) -> None:
    hint = f"memcell train microsleep --resume {without} --final"
    for words in (
        ["predict", "microsleep", str(data), "--model", str(without), "--out", str(tmp_path / "x")],
        ["evaluate", "microsleep", str(without), "--data", str(data)],
        ["stream", "microsleep", "--model", str(without), "--file", str(data)],
        ["train", "microsleep", "--init", str(without), "--data", str(data)],
    ):
        assert run(words) != 0
        assert hint in capsys.readouterr().err, words
    assert run(["models", "show", str(without)]) == 2
    assert "has no card" in capsys.readouterr().err


@pytest.mark.slow
def test_the_calibration_script_reads_a_run_of_folds(without) -> None:
    script = Path(__file__).parents[2] / "docs" / "results" / "calibration.py"
    ran = subprocess.run(
        [sys.executable, str(script), str(without), "--minutes", ".1"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = ran.stdout.strip().splitlines()
    assert len(rows) == 5
    kappa = json.loads((without / "scores.json").read_text())["rows"][0]["scores"]["kappa"]
    uncalibrated = float(rows[2].split("|")[3].split("/")[0])
    assert uncalibrated == pytest.approx(kappa, abs=0.1)  # but for 6 s of each


def test_finished_final_network_is_not_trained_again(whole, capsys) -> None:
    model = whole / "final" / "model.safetensors"
    before = model.stat().st_mtime_ns
    # without --final: the run remembers that it was asked for
    assert run(["train", "microsleep", "--resume", str(whole)]) == 0
    assert "memcell models show" in capsys.readouterr().out
    assert model.stat().st_mtime_ns == before


def test_final_network_resumes_bit_for_bit(whole, tmp_path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    final = out / "final"
    for name in ("model.safetensors", "checkpoint.safetensors", "card.toml", "predictions.npz"):
        (final / name).unlink()
    assert run(["train", "microsleep", "--resume", str(out)]) == 0
    model = whole / "final" / "model.safetensors"
    assert (final / "model.safetensors").read_bytes() == model.read_bytes()
    assert (final / "card.toml").is_file()


def test_exchanged_weights_are_refused(whole, tmp_path, capsys) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    shutil.copy(next((out / "folds").glob("*/model.safetensors")), out / "final")
    assert run(["models", "show", str(out)]) == 2
    assert "is not what its card speaks of" in capsys.readouterr().err


def test_where_there_is_no_such_network_it_is_refused_before_training(
    data, tmp_path, capsys
) -> None:
    out = tmp_path / "run"
    assert train(data, "--split", "subject", "--final", out=out) == 2
    assert "--split loso" in capsys.readouterr().err
    assert train(data, "--split", "loso", "--tune", "none", "--final", out=out) == 2
    assert "--final needs --tune quick" in capsys.readouterr().err
    assert not out.exists()


def test_its_config_trains_it_again(whole) -> None:
    config = tomllib.loads((whole / "final" / "config.toml").read_text())
    assert config["microsleep"]["split"] == "none"
    assert config["training"]["control"] == "none"
