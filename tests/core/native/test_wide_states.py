"""States too wide for a thread's stack: rows of them lie in scratch."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap

import pytest

from memcell_compiler.emit import context

STACK = 512 * 1024
SCRIPT = """
    import warnings
    from typing import NamedTuple
    import torch
    from memcell.recurrent.cell import Cell
    from memcell.backends import Layer, StepMasks
    from memcell.backends import BackendWarning

    warnings.simplefilter("error", BackendWarning)

    class Wide(NamedTuple):
        m: torch.Tensor

    class Matrices(Cell):
        state_type = Wide
        state_spec = {"m": (8, 128, 128)}

        def __init__(self):
            super().__init__(3, 128)
            self.w = torch.nn.Parameter(torch.randn(128, 3))

        def project(self, x):
            return x @ self.w.t()

        def step(self, p, state, norm):
            m = state.m * 0.5 + p[:, None, :, None] * p[:, None, None, :]
            m = m / (1 + m.square().sum((1, 2, 3), keepdim=True)).sqrt()
            return (m * p[:, None, None, :]).sum((1, 3)), Wide(m)

    torch.manual_seed(0)
    torch.set_num_threads(2)
    cell = Matrices()
    x = torch.randn(2, 3, 3, requires_grad=True)
    no = torch.zeros(2, 3, dtype=torch.bool)
    marks = StepMasks.of(no, ~no, torch.zeros(3, dtype=torch.int64))
    state = cell.initial_state(3)
    found = []
    for way in ("native", "eager"):
        y = Layer(cell, None, way)(x, state, state, marks, (2,), True).outputs
        found.append((y, *torch.autograd.grad(y.square().sum(), [x, cell.w])))
    for a, b in zip(*found):
        assert (a - b).detach().abs().max() <= 1e-4 * b.detach().abs().max()
    print("equal")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of the stack")
def test_a_wide_state_runs_on_a_small_stack(tmp_path):
    """On the stack of a process, and on those of threads, which may be smaller still."""

    def limit():
        resource.setrlimit(resource.RLIMIT_STACK, (STACK, resource.RLIM_INFINITY))

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "OMP_STACKSIZE": "256k"},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    assert done.stdout == "equal\n"


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_rows_in_scratch_give_the_same_numbers(agree, monkeypatch, tmp_path, norm):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(context, "STACK_NUMBERS", 0)
    cell = agree.cell("gru", features=3, hidden=6)
    assert not agree.difference(
        cell, agree.norms(cell, norm), agree.Window(resets=True, padding=True), threads=2
    )
