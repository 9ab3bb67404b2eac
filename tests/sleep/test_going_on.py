"""Training that goes on from the model that comes along, with people of one's own."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from memcell.applications.app import Task
from memcell.applications.models import get_model
from memcell.cli.main import run
from memcell.plugins import default_registry
from memcell.runs.predictions import read_predictions
from memcell.runs.run_folder import RunFolder, resolve_stored
from memcell.runs.setup import build_app
from memcell.runs.tuning.tune import candidates_of
from memcell.sequences.time_series import TimeSeries
from memcell.training.checkpoint import read_head
from memcell_eeg.features.pipeline import Pipeline

QUICK = ["--control", "none", "--baselines", "few", "--cache", "off"]
NAMES = ("ada", "ben", "cid", "dot")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, night_of):
    path = tmp_path_factory.mktemp("own")
    for k, name in enumerate(NAMES):
        night_of(path / f"{name}.edf", seed=10 * k)
    return path


def train(folder, *words, out, init="wake_sleep"):
    own = ["--init", str(init)] if init else []
    return run(["train", "sleep", "--data", str(folder), *own, *QUICK, *words, "--out", str(out)])


def facts(folder):
    return read_head(folder / "model.safetensors").meta["facts"]["task"]


@pytest.fixture(scope="module")
def shipped():
    return get_model(default_registry(), "wake_sleep").folder


@pytest.fixture(scope="module")
def folds(folder, tmp_path_factory):
    """A run that leaves each person out once, every fold from the model."""
    out = tmp_path_factory.mktemp("going-on") / "folds"
    assert train(folder, "--split", "loso", out=out) == 0
    return out


@pytest.mark.slow
def test_before_the_first_step_it_is_the_model_at_the_model_s_scale(
    folder, shipped, tmp_path
) -> None:
    out = tmp_path / "still"
    words = ("--tune", "none", "--learning-rate", "0", "--epochs", "1")
    assert train(folder, *words, out=out) == 0
    theirs, mine = (load_file(p / "model.safetensors") for p in (shipped, out))
    assert all(torch.equal(theirs[name], mine[name]) for name in theirs.keys() | mine.keys())
    own, of_model = (Pipeline.from_facts(facts(p)["pipeline"]) for p in (out, shipped))
    assert own == of_model
    row = read_predictions(out)[0].predictions[0]
    found = run(
        ["evaluate", "sleep", "wake_sleep", "--data", str(folder), "--out", str(tmp_path / "of")]
    )
    assert found == 0
    whole = read_predictions(tmp_path / "of")[0].predictions[0]
    theirs = {s.subject: p for s, p in zip(whole.sequences, whole.probabilities, strict=True)}
    for s, p in zip(row.sequences, row.probabilities, strict=True):
        assert np.array_equal(p, theirs[s.subject])


@pytest.mark.slow
def test_every_fold_and_its_inner_folds_begin_from_the_model(folds, shipped) -> None:
    before = load_file(shipped / "model.safetensors")
    for name in NAMES:
        fold = folds / "folds" / name
        lines = (fold / "tuning.tsv").read_text().splitlines()
        first = dict(zip(lines[0].split("\t"), lines[1].split("\t"), strict=True))
        assert first["updates"] == "0"
        assert float(first["auc"]) > 0.95  # nobody has trained yet
        now = load_file(fold / "model.safetensors")
        moved = max(float((now[k] - before[k]).abs().max()) for k in before)
        assert moved < 0.5  # random weights would be further off
        assert facts(fold)["subjects"]["before"] == facts(shipped)["subjects"]["train"]


@pytest.mark.slow
def test_what_makes_features_is_the_model_s_and_the_rest_is_today_s(folds) -> None:
    config = tomllib.loads((folds / "config.toml").read_text())
    assert config["init"]["model"] == "wake_sleep"
    assert (config["sleep"]["step"], config["sleep"]["window"]) == (5.0, 10.0)
    assert config["sleep"]["split"] == "loso"
    assert config["sleep"]["tune"] == "quick"
    assert config["network"]["hidden_size"] == 8
    notes = json.loads((folds / "scores.json").read_text())["notes"]
    assert "gone on from model 'wake_sleep'" in notes[0]


@pytest.mark.slow
def test_no_setting_that_is_tried_is_another_network(folds) -> None:
    """Whatever a config file says was typed, as one of an older run may."""
    registry = default_registry()
    config = resolve_stored(RunFolder.open(folds), "sleep", registry)
    config = replace(config, typed=(), app_config=replace(config.app_config, tune="full"))
    much = TimeSeries(
        name="r", subject="s", features=np.zeros((9000, 1)), targets=np.arange(9000) % 2
    )
    task = Task(train=(much,), valid=(), test=(), n_classes=2, main_score="kappa")
    app = build_app(config, registry)
    assert any(each.options["network"]["skip"] == "none" for each in app.candidates(task))
    job = SimpleNamespace(config=config, app=app, task=task)
    made = candidates_of(job)
    assert {section for each in made for section in each.options} == {"training"}
    assert all(each.options["training"].keys() == {"learning_rate"} for each in made)


@pytest.mark.slow
def test_a_fold_goes_on_bit_for_bit(folds, tmp_path) -> None:
    out = tmp_path / "run"
    shutil.copytree(folds, out)
    fold, whole = out / "folds" / "ben", folds / "folds" / "ben"
    (out / "scores.json").unlink()
    for name in ("model.safetensors", "checkpoint.safetensors", "scores.json", "predictions.npz"):
        (fold / name).unlink()
    assert run(["train", "sleep", "--resume", str(out)]) == 0
    assert (fold / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


REFUSED = {
    "--features bandpower": "--features bandpower does not fit model 'wake_sleep'",
    "--window 5": "--window 5.0 does not fit model",
    "--step 20": "--step 20.0 does not fit model",
    "--context 20,90": "--context 20,90 does not fit model",
    "--channels O1": "--channels O1 does not fit model",
    "--normalization causal": "--normalization causal does not fit model",
    "--encoder linear": "--encoder linear does not fit model",
}


@pytest.mark.parametrize("words", REFUSED)
def test_other_features_are_refused(folder, words, tmp_path, capsys) -> None:
    out = tmp_path / "run"
    assert train(folder, *words.split(), out=out) == 2
    said = capsys.readouterr().err
    assert REFUSED[words] in said
    assert said.count("\n") == 1
    assert not out.exists()


@pytest.mark.slow
def test_nobody_whom_the_model_was_trained_on_is_tested(folder, folds, tmp_path, capsys) -> None:
    (tmp_path / "own").mkdir()
    for name in NAMES[1:]:
        shutil.copy(folder / f"{name}.edf", tmp_path / "own" / f"{name}.edf")
    shutil.copy(folder / "ada.edf", tmp_path / "own" / "SC400.edf")
    out = tmp_path / "run"
    assert train(tmp_path / "own", "--test-subjects", "SC400", out=out) == 2
    said = capsys.readouterr().err
    assert "trained with SC400, who would be tested" in said
    assert "--split none" in said
    assert not out.exists()
    assert (
        train(tmp_path / "own", "--split", "loso", "--tune", "none", "--epochs", "1", out=out) == 0
    )
    assert sorted(p.name for p in (out / "folds").iterdir()) == list(NAMES[1:])
    assert "SC400\ttrain in every fold" in (out / "split.tsv").read_text()
    none = tmp_path / "none"
    assert train(tmp_path / "own", "--split", "none", out=none) == 0
    notes = json.loads((none / "scores.json").read_text())["notes"]
    assert any("SC400 was trained on by that model already" in note for note in notes)
    assert "SC400" in facts(none)["subjects"]["train"]
    assert {s.subject for p in read_predictions(none)[0].predictions for s in p.sequences} == set(
        NAMES[1:]
    )


@pytest.mark.slow
def test_who_was_trained_on_before_the_model_is_not_tested_either(
    folder, folds, tmp_path, capsys
) -> None:
    """The second model never saw SC400 itself: the one before it did."""
    (tmp_path / "own").mkdir()
    shutil.copy(folder / "ben.edf", tmp_path / "own" / "SC400.edf")
    fold = str(folds / "folds" / "ada")
    assert run(["evaluate", "sleep", fold, "--data", str(tmp_path / "own")]) == 2
    assert "trained with SC400" in capsys.readouterr().err


@pytest.mark.slow
def test_somebody_known_to_the_model_may_be_trained_on_and_that_is_said(
    folder, folds, tmp_path
) -> None:
    out = tmp_path / "run"
    words = ("--tune", "none", "--epochs", "1", "--test-subjects", "ada")
    assert train(folder, *words, out=out, init=folds / "folds" / "ada") == 0
    notes = json.loads((out / "scores.json").read_text())["notes"]
    assert any("trained on by that model already" in note for note in notes)


def test_powers_that_came_as_they_are_do_not_fit_a_signal_s(nights, tmp_path, capsys) -> None:
    for k in range(3):
        nights.write(f"SC41{k}1E0", seed=k)
    words = ["train", "sleep", "--data", "sleep-edf-powers", "--data.path", str(nights.folder)]
    assert run([*words, "--init", "wake_sleep", "--out", str(tmp_path / "run")]) == 2
    assert "these recordings have precomputed ones" in capsys.readouterr().err


@pytest.mark.slow
def test_a_slower_recording_is_taken_as_the_model_takes_it(
    folder, night_of, tmp_path, capsys
) -> None:
    (tmp_path / "own").mkdir()
    for name in NAMES[1:]:
        shutil.copy(folder / f"{name}.edf", tmp_path / "own" / f"{name}.edf")
    night_of(tmp_path / "own" / "slow.edf", rate=50, seed=77)
    out = tmp_path / "run"
    words = ("--tune", "none", "--epochs", "1", "--test-subjects", "slow")
    assert train(tmp_path / "own", *words, out=out) == 0
    assert not (out / "left_out.tsv").exists()
    assert {s.subject for s in read_predictions(out)[0].predictions[0].sequences} == {"slow"}
