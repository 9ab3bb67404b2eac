"""The laboratory's page: every block on it runs as it stands, one after the other, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.results import result

PAGE = Path(__file__).parent.parent.parent / "docs/microsleep.md"
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.strip().splitlines()]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder after all commands, with what each of them said."""
    folder = tmp_path_factory.mktemp("laboratory")
    beside = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    said = {}
    for command in COMMANDS:
        ran = subprocess.run(
            command, shell=True, cwd=folder, env=beside, capture_output=True, text=True
        )
        assert ran.returncode == 0, f"$ {command}\n{ran.stdout}\n{ran.stderr}"
        said[command] = ran.stdout
    return folder, said


@pytest.mark.slow
def test_what_the_page_promises_is_there(done):
    folder, _ = done
    for name in (
        "check.tsv", "run/report.html", "run/scores.tsv", "run/model.onnx", "everyone/report.html",
        "everyone/subjects.tsv", "found/summary.tsv", "found/report.html",
        "found/sub-sim01/eeg/sub-sim01_task-unknown_desc-microsleep_events.tsv",
        "found-edf/sub-sim01/eeg/sub-sim01_task-unknown_desc-microsleep_detected.edf",
    ):  # fmt: skip
        assert (folder / name).stat().st_size > 0, name


@pytest.mark.slow
def test_the_stream_gives_the_bytes_of_the_prediction(done):
    folder, _ = done
    predicted = result(folder / "found-edf", "sim01", "_probability.tsv").read_bytes()
    assert (folder / "live/sim01_probability.tsv").read_bytes() == predicted


@pytest.mark.slow
def test_simulated_is_said_wherever_a_score_is(done):
    _, said = done
    for command, text in said.items():
        if " train " in command or " predict " in command:
            assert "simulated" in text, command
