"""Ctrl-C and kill -9 in a real process; a resumed run leaves the same bytes as one that never stopped."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time

import pytest

TRAIN = [
    *[
        "train",
        "microsleep",
        "--baselines",
        "few",
        "--tune",
        "none",
        "--data.subjects",
        "3",
        "--data.minutes",
        "4",
        "--hidden-size",
        "8",
    ],
    *[
        "--batch-size",
        "2",
        "--time-steps",
        "10",
        "--epochs",
        "4",
        "--min-updates",
        "0",
        "--checkpoint-seconds",
        "0.2",
    ],
]
SAME = ["metrics.jsonl", "model.safetensors", "scores.tsv", "config.toml"]


def start(*args):
    return subprocess.Popen(
        [sys.executable, "-m", "memcell", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def digests(path):
    files = [path / n for n in SAME] + [
        path / "control-reset" / n for n in SAME if n != "scores.tsv"
    ]
    return {str(f.relative_to(path)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def wait_for_updates(path, lines, process):
    begun = time.monotonic()
    while time.monotonic() - begun < 120:  # on a machine that is busy with other work
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return
        if process.poll() is not None:
            pytest.fail(f"ended before it could be stopped:\n{process.stdout.read()}")
        time.sleep(0.02)
    pytest.fail("did not come to train within 120 s")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    process = start(*TRAIN, "--out", str(path))
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    return digests(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        "ctrl-c",
        pytest.param("ctrl-c in the control run", marks=pytest.mark.slow),
        pytest.param("ctrl-c in the control run of 0.1", marks=pytest.mark.slow),
        pytest.param("kill", marks=pytest.mark.slow),
    ],
)
def test_a_stopped_process_goes_on_as_if_it_had_never_stopped(tmp_path, whole, how):
    path = tmp_path / "run"
    process = start(*TRAIN, "--out", str(path))
    control = path / "control-reset"
    metrics = (control if "control" in how else path) / "metrics.jsonl"
    wait_for_updates(metrics, 40, process)
    process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    if how == "kill":
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130, out
        assert f"memcell train microsleep --resume {path}" in out
        assert "Traceback" not in out
    assert not (path / "scores.tsv").exists()
    old = path / "against-reset"
    if "0.1" in how:
        control.rename(old)
    again = start("train", "microsleep", "--resume", str(path))
    out, _ = again.communicate(timeout=120)
    assert again.returncode == 0, out
    assert "going on after update" in out or how == "kill"
    if "0.1" in how:
        assert not control.exists()
        old.rename(control)
    assert digests(path) == whole
