"""The trained model on people it never saw, where these recordings are at hand; skipped loudly where not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from memcell.cli.main import run

DREAMS = Path(__file__).parents[3] / "shared" / "data" / "dreams-sleep"


def test_wake_and_sleep_of_patients_in_another_country(tmp_path):
    if not DREAMS.is_dir():
        pytest.skip("REAL DATA ABSENT: ../shared/data/dreams-sleep is not on this machine")
    edf = tmp_path / "edf"
    subprocess.run([sys.executable, str(DREAMS / "to_edf.py"), str(edf)], check=True)
    out = tmp_path / "scores"
    assert run(["evaluate", "sleep", "wake_sleep", "--data", str(edf), "--out", str(out)]) == 0
    (row,) = json.loads((out / "scores.json").read_text())["rows"]
    assert len(row["subjects"]) == 5
    assert row["scores"]["kappa"] == pytest.approx(0.628, abs=0.02)
    assert row["scores"]["auc_roc"] == pytest.approx(0.891, abs=0.01)
