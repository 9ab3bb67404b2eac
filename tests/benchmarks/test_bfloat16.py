"""``python -m memcell_benchmarks.bfloat16``, and products of bfloat16 numbers in ``memcell bench cells``."""

from __future__ import annotations

import json

import pytest

from memcell.cli.main import run
from memcell_benchmarks import bfloat16
from memcell_compiler.build import target
from memcell_compiler.build.bfloat16 import bfloat16_here, without_bfloat16

TINY = ["--hidden-size", "4", "--batch-size", "3", "--rounds", "1", "--sample", "0.0001"]


@pytest.mark.slow
def test_rates_and_torchs_own_are_printed(capsys, monkeypatch):
    monkeypatch.setattr(bfloat16, "STEPS", 3)
    assert bfloat16.main(TINY) == 0
    said = capsys.readouterr().out
    assert said.count("B3 H4") == (1 if without_bfloat16() else 2)
    if not without_bfloat16():
        assert f"in bfloat16 by {bfloat16_here().instruction} (ratio)" in said
    assert "torch.nn.LSTM, T3 I16, ms in float32 / in bfloat16" in said


def test_a_cpu_without_says_why(capfd, tmp_path, monkeypatch):
    monkeypatch.setattr(target, "processor", lambda: ("AuthenticAMD", frozenset()))
    monkeypatch.setattr(bfloat16, "STEPS", 2)
    assert bfloat16.main(TINY) == 0
    assert "no products of bfloat16 numbers: this CPU has no fast" in capfd.readouterr().out
    with pytest.raises(SystemExit):
        bfloat16.main(["--hidden-size", "0"])
    assert "expected whole numbers from 1" in capfd.readouterr().err
    cells = ["bench", "cells", *TINY, "--time-steps", "5", "--input-size", "2", "--cell", "rnn"]
    code = run([*cells, "--backends", "bfloat16", "--what", "infer"])
    said = capfd.readouterr().out
    assert code == 0, said
    assert "bfloat16: this CPU has no fast products" in said


@pytest.mark.skipif(without_bfloat16() is not None, reason="this CPU has none of it")
def test_a_column_of_ratios_to_torchs_lstm_in_bfloat16(capfd, tmp_path):
    file = tmp_path / "numbers.json"
    code = run(
        [
            *["bench", "cells", *TINY, "--time-steps", "5", "--input-size", "2", "--cell", "rnn"],
            *["--backends", "bfloat16", "--what", "infer,step", "--json", str(file)],
        ]
    )
    said = capfd.readouterr().out
    assert code == 0, said
    assert "xbf16" in said
    assert "torch bfloat16" in said
    peer, rounded, row = json.loads(file.read_text())["results"]
    assert [r["backend"] for r in (peer, rounded, row)] == [
        "nn.LSTM",
        "nn.LSTM bfloat16",
        "bfloat16",
    ]
    assert 0 < row["relative_error"] < 0.1
