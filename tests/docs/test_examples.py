"""The programs in docs/examples run, and print what their pages say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs/examples"


def run(name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SMALL = ("--updates", "40", "--hidden-size", "24", "--lanes", "8", "--time-steps", "20")


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_characters_are_learned_as_torch_learns_them(cell):
    printed = run("characters.py", "--cell", cell, *SMALL)
    ours, theirs = map(float, re.findall(r": ([\d.]+) bits a character", printed))
    assert ours == pytest.approx(theirs, abs=2e-3)
    assert ours < 6.0
    assert float(re.search(r"time / torch's: ([\d.]+)", printed)[1]) > 0


@pytest.mark.slow
def test_cell_without_a_counterpart_is_trained_alone():
    printed = run("characters.py", "--cell", "peephole", "--normalizer", "layer", *SMALL)
    assert "alone: Peephole" in printed
    assert len(re.findall("bits a character", printed)) == 1
