"""Names of channels, files and people, and annotations, that are commands, formulas or markup."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import mne
import numpy as np
import pytest

from campaigns.file_names import unseen
from memcell.cli.main import run

CHANNELS = ["=1+1", "\x1b[2J", "<script>alert(1)</script>", "$x_{$ \x07"]
LABELS = [
    "microsleep",
    "=cmd|' /C calc'!A0",
    "\x1b]0;x\x07",
    "a\nmemcell: all is well",
    "[red]\u2066",
]
PEOPLE = ["=p1", "p2\x1b[31m", "p3\nx", "-p4", "p5\u202e"]


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    rng = np.random.default_rng(0)
    for name in PEOPLE:
        info = mne.create_info(CHANNELS, 100.0, "eeg")
        raw = mne.io.RawArray(rng.normal(size=(4, 12_000)) * 20e-6, info, verbose="error")
        onsets = [5.0, 20.0, 40.0, 60.0, 90.0]
        raw.set_annotations(mne.Annotations(onsets, [5.0] * 5, LABELS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw.save(os.fspath(folder / f"{name}.fif"), verbose="error")
    return folder


def scanned(folder: Path) -> list[str]:
    found = []
    for path in folder.rglob("*"):
        if path.suffix in (".tsv", ".html", ".txt", ".csv", ".json", ".jsonl", ".toml"):
            content = path.read_bytes()
            found += [f"{path.name}: {what}" for what in unseen(content, path.suffix[1:])]
            if path.suffix == ".json":
                json.loads(content)
    return found


@pytest.mark.slow
def test_control_characters_of_a_file_reach_no_output(night, tmp_path, capfd):
    calls = [
        (["data", "check", str(night), "--out", str(tmp_path / "checked.tsv")], (0, 1)),
        (["data", "check", str(night), "--json"], (0, 1)),
        (["train", "microsleep", "--data", str(night), "--data.positive", "microsleep", "--channels", "eeg",
          "--epochs", "1", "--min-updates", "1", "--hidden-size", "4", "--out", str(tmp_path / "run")], (0,)),
        (["evaluate", "microsleep", str(tmp_path / "run")], (0,)),
        (["predict", "microsleep", str(night), "--model", str(tmp_path / "run"), "--out",
          str(tmp_path / "found"), "--export", "edf"], (0,)),
        (["stream", "microsleep", "--model", str(tmp_path / "run"), "--file",
          str(night / f"{PEOPLE[0]}.fif"), "--speed", "max", "--out", str(tmp_path / "live")], (0,)),
        (["report", str(tmp_path / "run")], (0,)),
        (["report", str(tmp_path / "found")], (0,)),
        (["compare", "microsleep", "--data", str(night), "--data.positive", "microsleep", "--channels", "eeg",
          "--policy", "carry,reset", "--seeds", "1", "--epochs", "1", "--min-updates", "1",
          "--hidden-size", "4", "--anyway", "--out", str(tmp_path / "compared")], (0,)),
    ]  # fmt: skip
    for call, codes in calls:
        code = run(call)
        said = capfd.readouterr()
        assert code in codes, said.err
        for printed in (said.out, said.err):
            assert not unseen(printed.encode("utf-8", "surrogateescape"), "terminal"), call[0]
            assert "\nmemcell: all is well" not in printed
    assert not scanned(tmp_path)
