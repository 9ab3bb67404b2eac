"""Two threads give what one gives: on torch's own OpenMP team, and where there is none to be had."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from memcell.backends import StepMasks
from memcell.recurrent.state import leaves
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.runtime import runner, threads
from memcell_compiler.runtime.unroll import unroll_native

RUN = """
import os, sys, torch
from memcell.plugins import default_registry
from memcell.backends import StepMasks
from memcell.backends.eager import unroll_eager
from memcell_compiler.runtime.unroll import unroll_native
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.window_call import WindowCall

registry = default_registry()
entry = registry.get("cell", "lstm")
cell = entry.build(3, 4, entry.config({})).double()
batch = registry.get("normalizer", "batch")
options = batch.config({"min_lanes": 2})
norms = SiteNorms(cell.norm_sites, lambda width: batch.build(width, options)).double()
x = torch.randn(7, 9, 3, dtype=torch.float64)
no = torch.zeros(7, 9, dtype=torch.bool)
marks = StepMasks.of(no, ~no, torch.zeros(9, dtype=torch.int64))
start = cell.initial_state(9, dtype=torch.float64)
norms.train()

def outputs(unroll, count):
    torch.set_num_threads(count)
    with torch.no_grad():
        return unroll(WindowCall(cell, norms, x, start, start, marks, (7,), True))[0]

def check():
    want = outputs(unroll_eager, 1)
    got = outputs(unroll_native, 2)
    assert torch.allclose(want, got, rtol=1e-10, atol=1e-12), (want - got).abs().max()
"""
FORK = """
check()
child = os.fork()
if child == 0:
    # torch's own team has died with the fork as well
    want = outputs(unroll_eager, 1)
    torch.set_num_threads(1)
    try:
        window = outputs(unroll_native, 2)
        os._exit(0 if torch.allclose(want, window, rtol=1e-10, atol=1e-12) else 1)
    except BaseException:
        os._exit(2)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_threads_of_our_own_where_the_runtime_is_not_known(agree, monkeypatch, norm):
    monkeypatch.setattr(threads, "openmp", lambda: None)
    cell = agree.cell("lstm")
    assert not agree.difference(
        cell, agree.norms(cell, norm), agree.Window(lanes=9, resets=True), threads=2
    )


def test_the_team_runs_every_thread_once(agree, monkeypatch):
    if threads.openmp() is None:
        pytest.skip("SKIPPED LOUDLY: this torch has no OpenMP runtime with GNU entries")

    def never(work, count):
        raise AssertionError("threads of our own beside the team")

    monkeypatch.setattr(threads, "run", never)
    cell = agree.cell("gru")
    assert not agree.difference(
        cell, agree.norms(cell, "batch"), agree.Window(lanes=9, padding=True), threads=2
    )


def test_fewer_threads_than_asked_are_no_deadlock(monkeypatch):
    _python(RUN + "check()", OMP_THREAD_LIMIT="1")


def test_a_forked_process_does_not_wait_for_the_team_it_has_lost():
    _python(RUN + FORK)


def _python(script, **environment):
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("cell", ["lstm", "gru", "lstm97", "peephole"])
@pytest.mark.parametrize("own", [True, False])
def test_one_lane_on_two_threads_is_bit_for_bit_the_one_of_one(monkeypatch, agree, cell, own):
    """Few lanes: the threads share the columns of each product."""
    if own:
        monkeypatch.setattr(threads, "openmp", lambda: None)
    monkeypatch.setattr(runner, "SHARED_WEIGHTS", 0)
    made = agree.cell(cell, features=3, hidden=75, dtype=torch.float32)
    norms = agree.norms(made, "none")
    x = torch.randn(40, 1, 3)
    resets = torch.zeros(40, 1, dtype=torch.bool)
    resets[17] = True
    masks = StepMasks.of(resets, torch.ones_like(resets), torch.zeros(1, dtype=torch.int64))
    start = made.initial_state(1)
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        with torch.no_grad():
            out, states = unroll_native(
                WindowCall(made, norms, x, start, start, masks, (9, 40), False)
            )
        found.append([out, *leaves(states[9]), *leaves(states[40])])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
