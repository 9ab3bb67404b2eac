"""The script that says what the layer costs beside its arithmetic."""

from __future__ import annotations

import re

import pytest

from memcell_benchmarks import layer


@pytest.mark.slow
def test_calls_are_timed_beside_generated_code(capsys):
    layer.main(["--calls-only"])
    printed = capsys.readouterr().out
    found = re.findall(r"(\d+) us of (\d) layers?, (-?\d+) more than generated code", printed)
    assert [layers for _, layers, _ in found] == ["1", "2", "1", "2"]
    assert all(int(whole) > 0 for whole, _, _ in found)
    assert re.search(r"T128 B32 H64: [\d.]+ ms, through the trainer's layers [\d.]+ ms", printed)


def test_import_and_first_window_are_timed(monkeypatch):
    monkeypatch.setattr(
        layer, "_printed", lambda script, cache=None: [0.5, 0.25, 0][: 3 - bool(cache)]
    )
    assert layer.import_seconds() == ((0.5, 0.25), False)
    cold, warm = layer.first_window_seconds()
    assert str(cold) == str(warm) == "0.50 s (0.25)"
