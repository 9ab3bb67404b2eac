"""`--head` and `--encoder`: names, options, and the applications that have an encoder of their own."""

from __future__ import annotations

import json

import pytest

from memcell.cli.main import run
from memcell.errors import ConfigError
from memcell.plugins import default_registry
from memcell.settings.run_config import resolve

TINY = (
    *("--task", "recall", "--streams", "4", "--test-streams", "2", "--trials", "6", "--lag", "8"),
    *("--time-steps", "10", "--hidden-size", "6", "--batch-size", "2", "--epochs", "1"),
    *("--min-updates", "0", "--control", "none", "--backend", "eager"),
)


def resolved(app, **sections):
    return resolve(app, sections, default_registry())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--head", "atention"), "unknown head 'atention'. Did you mean 'attention'? There are: "),
        (("--head.width", "3"), "--head.width: the chosen head does not have it"),
        (("--head", "mlp", "--head.past", "3"), "its options are: --head.width, --head.layers."),
        (
            ("--head", "attention", "--head.heads", "3"),
            "attention: heads=3 does not divide width=32; --head.width 30 or 33 would do",
        ),
        (("--encoder", "conv", "--encoder.kernel", "1"), "'kernel' got 1; expected a whole number"),
    ],
)
def test_what_cannot_be_is_said(words, said, capsys):
    assert run(["train", "memory", *TINY, *words]) == 2
    assert said in capsys.readouterr().err


def test_options_of_another_head_in_a_file_are_refused():
    with pytest.raises(ConfigError, match=r"head 'linear'.*'width'"):
        resolved("memory", head={"name": "linear", "width": 3})


def test_config_says_only_what_was_chosen():
    plain = resolved("memory")
    assert not {"head", "encoder"} & plain.sections().keys()
    chosen = resolved("memory", head={"name": "attention", "past": 7}, encoder={"name": "conv"})
    assert chosen.sections()["head"] == {"name": "attention", "past": 7, "width": 32, "heads": 1}
    assert resolve("memory", chosen.sections(), default_registry()).sections() == chosen.sections()


def test_word_that_is_no_encoder_of_the_app_is_the_plugins():
    config = resolved("microsleep", microsleep={"encoder": "conv"}, encoder={"kernel": 3})
    assert config.app_config.encoder == "step"
    assert (config.choices["encoder"].name, config.choices["encoder"].config.kernel) == ("conv", 3)
    own = resolved("microsleep", microsleep={"encoder": "linear"})
    assert (own.app_config.encoder, own.choices["encoder"].name) == ("linear", "none")
    with pytest.raises(
        ConfigError, match=r"unknown encoder 'cnv'.*conv, linear, none, raw_cnn, step"
    ):
        resolved("microsleep", microsleep={"encoder": "cnv"})


def test_help_shows_options_of_the_chosen_parts(capsys):
    words = ["train", "microsleep", "--encoder", "conv", "--head", "attention", "--help"]
    assert run(words) == 0
    shown = capsys.readouterr().out
    assert "--encoder.kernel N" in shown
    assert "--head.past N" in shown


@pytest.mark.slow
def test_bidirectional_predicts_and_is_refused_live(tmp_path, capsys):
    options = [
        "--baselines",
        "few",
        "--tune",
        "none",
        "--data.subjects",
        "3",
        "--data.minutes",
        "2",
    ]
    options += ["--channels", "O1,O2", "--epochs", "1", "--hidden-size", "6", "--min-updates", "0"]
    options += ["--control", "none", "--backend", "eager", "--head", "bidirectional"]
    out = tmp_path / "run"
    assert run(["train", "microsleep", *options, "--encoder", "conv", "--out", str(out)]) == 0
    assert "encoder 'conv', head 'bidirectional'" in capsys.readouterr().out
    assert run(["stream", "microsleep", "--model", str(out), "--file", "nowhere.edf"]) == 2
    assert "cannot be run step by step, as a stream does" in capsys.readouterr().err
    assert run(["export", str(out), "--to", "onnx"]) == 2
    assert "cannot be exported to ONNX" in capsys.readouterr().err


@pytest.mark.slow
def test_heads_are_an_axis_of_a_comparison(tmp_path):
    out = tmp_path / "compared"
    words = [w for w in TINY if w not in ("--control", "none")]
    heads = ["--head", "linear,attention", "--sweep", "head.past=3,5"]
    assert run(["compare", "memory", *words, *heads, "--seeds", "2", "--out", str(out)]) == 0
    compared = json.loads((out / "comparison.json").read_text())
    values = ["linear", "attention(past=3)", "attention(past=5)"]
    assert compared["axes"] == [{"name": "head", "values": values}]
