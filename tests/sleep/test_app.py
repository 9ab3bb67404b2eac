"""The application: hypnograms as labels, its protocols, and a training of its own."""

from __future__ import annotations

import json

import pytest

from memcell.cli.main import run
from memcell_data.datasets.configs import UserRecordingsConfig
from memcell_data.datasets.user_recordings import UserRecordings
from memcell_sleep.app import Sleep, with_hypnograms
from memcell_sleep.config import CHANNEL, SleepConfig
from memcell_sleep.protocols import PROTOCOLS


def dataset(tmp_path, **options):
    return UserRecordings(UserRecordingsConfig(path=str(tmp_path), **options))


def test_stages_of_own_recordings_need_no_option(night_of, tmp_path):
    night_of(tmp_path / "P1.edf")
    made = with_hypnograms(dataset(tmp_path))
    labels = made.recordings()[0].labels()
    assert labels.background is None
    assert labels.negative == {"wake"}
    assert "N2" in labels.positive


def test_typed_data_options_are_kept(tmp_path):
    typed = dataset(tmp_path, positive=("N3",), background="quiet")
    assert with_hypnograms(typed).config.positive == ("N3",)
    kept = with_hypnograms(dataset(tmp_path, background="quiet"))
    assert kept.config.background == "quiet"


def test_a_protocol_without_n1(night_of, tmp_path):
    night_of(tmp_path / "P1.edf")
    made = with_hypnograms(dataset(tmp_path))
    protocol, said = PROTOCOLS.choose("wake_vs_deeper", [r.labels() for r in made.recordings()])
    assert said == ""
    assert protocol.unlabelled == {"N1"}
    assert protocol.positive == {"N2", "N3", "REM"}


def test_defaults():
    config = SleepConfig()
    config.validate()
    assert CHANNEL.startswith("Pz-Oz or Pz or Pz-* or Oz or")
    assert config.feature_kinds == ("sleep_powers",)
    assert Sleep(config).detects.knows


def test_a_laboratory_trains_its_own(night_of, tmp_path, capfd):
    data = tmp_path / "data"
    data.mkdir()
    for k in range(4):
        night_of(data / f"P{k}.edf", seed=10 * k, channel="EEG O1-A2" if k else "EEG O1-LE")
    out = tmp_path / "run"
    options = ["--normalization", "training", "--epochs", "1", "--min-updates", "0"]
    options += ["--control", "none", "--batch-size", "2", "--time-steps", "20", "--out", str(out)]
    assert run(["train", "sleep", "--data", str(data), *options]) == 0
    said = capfd.readouterr().out
    assert "it tells wake from sleep; it does not know microsleeps" in said
    row = json.loads((out / "scores.json").read_text())["rows"][0]
    assert row["cell"] == "gru"
    assert row["scores"]["auc_roc"] == pytest.approx(1.0, abs=0.1)
    assert run(["evaluate", "sleep", str(out)]) == 0
