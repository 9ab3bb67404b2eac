"""Two processes that share the lanes train as one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memcell.errors import UsageError
from memcell.training.processes import Processes, gpu_backend

COMMON = [
    "--baselines",
    "few",
    "--tune",
    "none",
    "--hidden-size",
    "5",
    "--epochs",
    "2",
    "--min-updates",
    "0",
    "--time-steps",
    "20",
    "--patience",
    "0",
    "--against",
    "none",
]
#: Other conditions take longer than these networks: one variant is scored under them.
BRIEF = ["--robustness", "none"]
VARIANTS = {
    "carry": ["--policy", "carry", "--batch-size", "4"],
    "learned": [*BRIEF, "--policy", "learned", "--sampler", "reshuffle", "--batch-size", "4"],
    "batch": [*BRIEF, "--policy", "carry", "--normalizer", "batch", "--batch-size", "32"],
    "drawn": [
        *BRIEF,
        "--normalizer",
        "batch",
        "--batch-size",
        "32",
        "--gradient",
        "random_length",
        "--length-sd",
        "4",
    ],
}


def train(out, options, processes=1, check=True):
    command = [sys.executable, "-m"]
    if processes > 1:
        command += ["torch.distributed.run", f"--nproc-per-node={processes}", "--standalone", "-m"]
    done = subprocess.run(
        [*command, "memcell", "train", "microsleep", *options, "--out", str(out)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def metrics(out: Path):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "variant",
    [pytest.param(name, marks=pytest.mark.slow) for name in ("carry", "learned", "batch", "drawn")],
)
def test_two_processes_give_the_result_of_one(tmp_path, variant):
    options = [*COMMON, *VARIANTS[variant]]
    train(tmp_path / "one", options)
    said = train(tmp_path / "two", options, processes=2).stdout
    assert "2 processes" in said
    one, two = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert len(one) == len(two) > 4
    # statistics of small groups of an age: one norm of the gradient differs by 1.4e-5
    near = 1e-4 if variant == "drawn" else 1e-6
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        assert all(b[k] == pytest.approx(a[k], abs=near, rel=near) for k in a)
    scores = [json.loads((tmp_path / n / "scores.json").read_text()) for n in ("one", "two")]
    assert [r["name"] for r in scores[0]["rows"]] == [r["name"] for r in scores[1]["rows"]]


@pytest.mark.slow
def test_a_run_of_two_processes_is_taken_up_by_two_and_not_by_one(tmp_path):
    out = tmp_path / "run"
    train(out, [*COMMON, *BRIEF, *VARIANTS["carry"]], processes=2)
    alone = subprocess.run(
        [sys.executable, "-m", "memcell", "train", "microsleep", "--resume", str(out)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert alone.returncode == 1
    assert "2 process(es)" in alone.stderr
    assert "Traceback" not in alone.stderr


def test_processes_on_gpus_speak_from_cpu_to_cpu_as_well():
    assert gpu_backend(2, 2) == "cpu:gloo,cuda:nccl"
    assert gpu_backend(1, 2) == "gloo", "NCCL wants a GPU for each"


def test_lanes_that_cannot_be_shared_are_refused_with_what_can():
    with pytest.raises(UsageError, match="try --batch-size 8"):
        Processes(0, 4).check(7)
