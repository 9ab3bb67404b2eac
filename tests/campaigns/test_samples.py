"""A small sample of each campaign."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from campaigns import other_user

ROOT = Path(__file__).parents[2]


def campaign(name, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", f"tests.campaigns.{name}", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_hostile_streams_are_named_and_end_no_monitor():
    pytest.importorskip("mne_lsl.lsl", reason="the extra 'live' is not installed")
    said = campaign("hostile_streams", "fast", "jumping", "back_with_another_order")
    assert "3 kinds of streams, 0 not as they should be" in said


@pytest.mark.slow
@pytest.mark.parametrize("what", ["train", "evaluate", "workers"])
def test_killed_processes_leave_the_bytes_of_an_undisturbed_run(what):
    if what == "workers":
        pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    assert " 0 not as they should be" in campaign("kills", what, "--kills", "3")


@pytest.mark.slow
def test_results_depend_on_no_clock_and_no_hash_seed():
    said = campaign("hostile_places", "clock set back", "hash seed 1")
    assert "8 runs compared, 0 not as they should be" in said


@pytest.mark.slow
def test_mutated_files_of_results_are_refused_by_name_or_harmless(tmp_path):
    said = campaign("run_folders", "--trials", "40", "--seed", "1", "--work", str(tmp_path))
    assert "40 trials, 0 faults" in said


@pytest.mark.slow
def test_hostile_file_names_are_predicted_and_written_as_names(tmp_path):
    assert "40 names, 0 faults" in campaign("file_names", "--names", "40", "--work", str(tmp_path))


@pytest.mark.slow
def test_another_user_of_the_machine_opens_no_door():
    if not other_user.can_act():
        pytest.skip("only root may act as another user of this machine")
    # not below pytest's own folder, which nobody else may enter: nothing would be tried
    with tempfile.TemporaryDirectory(prefix="memcell-two-users-") as folder:
        Path(folder).chmod(0o755)
        said = campaign("two_users", "--work", str(Path(folder) / "work"))
    assert "exchanged: 20 tried, 0 open" in said
