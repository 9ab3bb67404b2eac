"""The script that times an update of training beside plain torch."""

from __future__ import annotations

import re

import pytest

from memcell_benchmarks import update


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_both_updates_are_timed(capsys, cell):
    sizes = ["--hidden-size", "4", "--batch-size", "2", "--time-steps", "5"]
    update.main([*sizes, "--rounds", "1", "--cell", cell])
    printed = capsys.readouterr().out
    assert f"an update, {cell}, H4 B2 T5, one thread: " in printed
    assert re.search(r"[\d.]+ us \(median \d+\), plain torch \d+ \(\d+\): ratio [\d.]+", printed)


@pytest.mark.parametrize("normalizer", ["layer", "batch"])
def test_a_normalizer_is_said_to_be_on_one_side(capsys, normalizer):
    sizes = ["--hidden-size", "4", "--batch-size", "16", "--time-steps", "5"]
    update.main([*sizes, "--rounds", "1", "--normalizer", normalizer])
    printed = capsys.readouterr().out
    assert f"an update, lstm+{normalizer}, H4 B16 T5, one thread: " in printed
    assert "plain torch without a normalizer " in printed
