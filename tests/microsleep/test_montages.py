"""Montages of other laboratories from the command line: what is taken for what is said, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.cli.main import run
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Interval


def written(path, names):
    random = np.random.default_rng(list(path.name.encode()))
    path.parent.mkdir(exist_ok=True)
    tracks = [Track(name=n, values=random.normal(0, 20, 6000), rate=100) for n in names]
    marks = [Interval(onset=float(a), duration=4.0, label="microsleep") for a in (10, 30, 50)]
    write_edf(path, tracks, annotations=marks)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("montages")
    for k in (1, 2, 3):
        written(folder / "train" / f"s{k}.edf", ["EEG O1-Ref", "A1"])
    typed = ["--data", str(folder / "train"), "--data.positive", "microsleep", "--epochs", "1"]
    small = ["--hidden-size", "4", "--min-updates", "0", "--cache", "off", "--baselines", "few"]
    assert run(["train", "microsleep", *typed, *small, "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.mark.slow
def test_a_prediction_names_another_reference_and_refuses_another_derivation(
    model, tmp_path, capsys
):
    for name in ("O1-LE", "POL O1", "O1-A2"):
        written(tmp_path / "in" / f"{name.replace(' ', '')}.edf", [name])
    out = tmp_path / "found"
    typed = [str(tmp_path / "in"), "--model", str(model), "--out", str(out)]
    assert run(["predict", "microsleep", *typed]) == 1
    said = capsys.readouterr()
    said = said.out + said.err
    assert "O1-LE.edf: channel 'EEG O1-Ref' (against the recording's common reference)" in said
    assert "'O1-LE' (against linked ears)" in said
    assert "failed: O1-A2: " in said
    assert "'O1-A2' (against A2) is of the same electrode, and another signal" in said
    assert "POLO1: " not in said
    assert "against linked ears" in (out / "summary.tsv").read_text()


def test_a_check_names_another_reference(tmp_path, capsys):
    written(tmp_path / "a.edf", ["O1-AVG"])
    assert run(["data", "check", str(tmp_path / "a.edf"), "--channels", "O1"]) == 0
    assert "is taken from 'O1-AVG' (against an average)" in capsys.readouterr().out
