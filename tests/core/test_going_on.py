"""Training that goes on from a trained model: its weights, its form, its name wherever the run speaks."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from memcell.applications.app import Task
from memcell.applications.models import checksum
from memcell.cli.main import run
from memcell.errors import UsageError
from memcell.inference.model_facts import ModelFacts
from memcell.plugins import default_registry
from memcell.runs.source import gone_on
from memcell.sequences.targets import Classes, Values
from memcell.sequences.time_series import TimeSeries
from memcell.settings.run_config import resolve
from memcell.settings.source import SourceModel
from memcell.training.checkpoint import read_head, save_checkpoint

TINY = [
    *("--streams", "4", "--test-streams", "2", "--trials", "6", "--lag", "8"),
    *("--time-steps", "10", "--batch-size", "2", "--epochs", "1"),
]


def train(*words, out):
    return run(["train", "memory", *words, "--control", "none", "--out", str(out)])


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one.keys() | other.keys())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    out = tmp_path_factory.mktemp("source") / "first"
    assert train("--task", "recall", *TINY, "--hidden-size", "6", out=out) == 0
    return out


@pytest.fixture(scope="module")
def second(source):
    """A run that went on from the first, with nothing typed but how it is trained."""
    out = source.parent / "second"
    assert train("--init", str(source), "--epochs", "2", "--seed", "5", out=out) == 0
    return out


def test_without_a_step_it_is_the_model(source, tmp_path) -> None:
    out = tmp_path / "still"
    assert train("--init", str(source), "--epochs", "1", "--learning-rate", "0", out=out) == 0
    assert same(weights(source), weights(out))


def test_network_and_task_are_the_model_s_where_they_are_not_typed(source, second) -> None:
    before, after = (tomllib.loads((p / "config.toml").read_text()) for p in (source, second))
    assert after["network"] == before["network"]
    assert after["network"]["hidden_size"] == 6
    assert after["memory"] == before["memory"]
    assert after["training"]["seed"] == 5
    assert not same(weights(source), weights(second))


def test_the_model_is_named_wherever_the_run_speaks(source, second) -> None:
    named = {"model": str(source), "sha256": checksum(source / "model.safetensors")}
    assert tomllib.loads((second / "config.toml").read_text())["init"] == named
    assert json.loads((second / "environment.json").read_text())["init"] == named
    facts = read_head(second / "model.safetensors").meta["facts"]
    short = {"model": "first", "sha256": named["sha256"]}
    assert facts["task"]["init"] == [short]
    line = f"gone on from model 'first' (SHA-256 {named['sha256'][:12]}...)"
    assert line in facts["notes"][0]
    assert line in json.loads((second / "scores.json").read_text())["notes"][0]


def test_a_third_run_names_both_before_it(second, tmp_path) -> None:
    out = tmp_path / "third"
    # the file of the weights stands for its run
    assert train("--init", str(second / "model.safetensors"), "--epochs", "1", out=out) == 0
    lineage = read_head(out / "model.safetensors").meta["facts"]["task"]["init"]
    assert [each["model"] for each in lineage] == ["first", "second"]


def test_it_goes_on_bit_for_bit_also_without_the_model(source, second, tmp_path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    there = tmp_path / "there"
    shutil.copytree(source, there)
    assert train("--init", str(there), "--epochs", "2", out=whole) == 0
    shutil.copytree(whole, broken)
    shutil.rmtree(there)
    for name in ("checkpoint", "model"):
        (broken / f"{name}.safetensors").unlink()
    assert run(["train", "memory", "--resume", str(broken)]) == 0
    assert (broken / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_config_file_names_it_too(source, second, tmp_path) -> None:
    out = tmp_path / "again"
    assert train("--config", str(second / "config.toml"), out=out) == 0
    assert same(weights(second), weights(out))


REFUSED = {
    "--hidden-size 7": "--hidden-size 7 does not fit model 'first'",
    "--layers 2": "--layers 2 does not fit model",
    "--cell gru": "--cell gru does not fit model",
    "--cell.forget-bias 3": "--cell.forget-bias 3.0 does not fit model",
    "--normalizer layer": "--normalizer layer does not fit model",
    "--skip linear": "--skip linear does not fit model",
    "--symbols 6": "has 9 features a step, and what it would go on with has 11",
    "--policy learned": "'start.parts.0' is missing there",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_made(
    source, words, tmp_path, capsys
) -> None:
    out = tmp_path / "run"
    assert train("--init", str(source), *words.split(), out=out) == 2
    assert REFUSED[words] in capsys.readouterr().err
    assert not out.exists()


def test_what_is_typed_as_the_model_has_it_is_no_mistake(source, tmp_path) -> None:
    words = ("--hidden-size", "6", "--cell", "lstm", "--epochs", "1")
    assert train("--init", str(source), *words, out=tmp_path / "run") == 0


def test_a_policy_of_its_own_is_trained_with(source, tmp_path) -> None:
    out = tmp_path / "run"
    assert train("--init", str(source), "--policy", "reset", "--epochs", "1", out=out) == 0
    assert tomllib.loads((out / "config.toml").read_text())["policy"]["name"] == "reset"


def test_no_run_another_app_a_wrong_name_and_resume_are_refused(source, tmp_path, capsys) -> None:
    def said(*words):
        assert run(["train", "memory", *words]) in (1, 2)
        return capsys.readouterr().err

    assert "is not a run folder" in said("--init", str(tmp_path))
    assert "--init got nothing" in said("--init", "")
    assert "Did you mean 'wake_sleep'?" in said("--init", "wake_slep")
    assert "is of app 'sleep', not 'memory'" in said("--init", "wake_sleep")
    assert "leave out every other option" in said("--init", str(source), "--resume", str(source))
    checkpoint = str(source / "checkpoint.safetensors")
    assert "is no trained model" in said("--init", checkpoint)
    alone = tmp_path / "model.safetensors"
    shutil.copy(source / "model.safetensors", alone)
    assert "without the config.toml" in said("--init", str(alone))


def test_a_damaged_or_exchanged_model_is_refused(source, second, tmp_path, capsys) -> None:
    there = tmp_path / "there"
    shutil.copytree(source, there)
    content = bytearray((there / "model.safetensors").read_bytes())
    content[-3] ^= 1
    (there / "model.safetensors").write_bytes(content)
    assert train("--init", str(there), out=tmp_path / "run") == 2
    assert "is damaged" in capsys.readouterr().err
    # a run whose copy was exchanged is not gone on with
    broken = tmp_path / "broken"
    shutil.copytree(second, broken)
    (broken / "checkpoint.safetensors").unlink()
    shutil.copy(second / "model.safetensors", broken / "init.safetensors")
    assert run(["train", "memory", "--resume", str(broken)]) == 1
    assert "it was changed" in capsys.readouterr().err


def test_a_comparison_trains_from_the_start(second, tmp_path, capsys) -> None:
    words = [
        "compare",
        "memory",
        "--config",
        str(second / "config.toml"),
        "--out",
        str(tmp_path / "c"),
    ]
    assert run([*words, "--policy", "carry,reset"]) == 2
    assert "leave out section [init]" in capsys.readouterr().err
    # the config file of a run that began anew is taken, with its lines above the sections
    config = tmp_path / "config.toml"
    config.write_text((second / "config.toml").read_text().partition("[init]")[0])
    words[3] = str(config)
    assert run([*words, "--policy", "carry,reset", "--seeds", "0"]) == 2
    assert "--seeds got 0" in capsys.readouterr().err
    assert run([*words, "--policy", "carry,carry_q"]) == 2
    assert "unknown policy 'carry_q'" in capsys.readouterr().err


def value_task(target):
    x = np.zeros((4, 3), dtype=np.float32)
    y = np.ones(4, dtype=np.float32 if isinstance(target, Values) else np.int64)
    s = TimeSeries(name="s", subject="s", features=x, targets=y)
    return Task(train=(s,), valid=(), test=(), target=target, main_score="mean_error")


def test_values_keep_the_scale_at_which_the_model_learned_them(tmp_path) -> None:
    file = tmp_path / "model.safetensors"
    facts = ModelFacts(
        n_features=3,
        n_classes=1,
        eval_policy="carry",
        decisions={"carry": {}, "reset": {}},
        task={"subjects": {"train": ["old"]}},
        notes=(),
        target=Values(("seconds",), centre=(300.0,), spread=(40.0,)),
    )
    save_checkpoint(file, {}, {"facts": facts.stored()})
    model = SourceModel(model="before", sha256=checksum(file), file=file)
    config = replace(resolve("memory", {}, default_registry()), init=model)
    other = Values(("seconds",), centre=(10.0,), spread=(1.0,))
    made = gone_on(value_task(other), config)
    assert (made.target.centre, made.target.spread) == ((300.0,), (40.0,))
    assert made.facts["subjects"]["before"] == ["old"]
    with pytest.raises(UsageError, match="targets that are values, and these are classes"):
        gone_on(value_task(Classes(2)), config)
