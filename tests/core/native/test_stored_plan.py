"""Plans on disk: a second process does not trace, gives the same bits, and never takes what is not sound."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from types import MethodType

import pytest
import torch

from memcell.recurrent.window_call import WindowCall
from memcell_compiler.build import cache
from memcell_compiler.runtime import plan as plans
from memcell_compiler.runtime import programs
from memcell_compiler.runtime.stored_plan import PROGRAMS, decoded, encoded, stored_key
from memcell_compiler.runtime.unroll import unroll_native

RUN = """
    import hashlib, sys
    import torch
    from memcell.plugins import default_registry
    from memcell.recurrent.state import leaves
    from memcell.backends import StepMasks
    from memcell_compiler.runtime.unroll import unroll_native
    from memcell.recurrent.window_call import WindowCall
    from memcell.recurrent.norms import SiteNorms
    torch.set_num_threads(1)
    registry = default_registry()
    pairs = [("lstm", n) for n in registry.names("normalizer")] + [("gru", "none"), ("lstm97", "none")]
    for c, n in pairs:
        entry, norm = registry.get("cell", c), registry.get("normalizer", n)
        torch.manual_seed(0)
        cell = entry.build(3, 4, entry.config({}))
        for p in cell.parameters():
            torch.nn.init.normal_(p)
        norms = SiteNorms(cell.norm_sites, lambda w: norm.build(w, norm.config({})))
        state = cell.initial_state(5)
        no = torch.zeros(6, 5, dtype=torch.bool)
        marks = StepMasks.of(no, ~no, torch.zeros(5, dtype=torch.int64))
        x = torch.randn(6, 5, 3)
        y, _ = unroll_native(WindowCall(cell, norms, x, state, state, marks, (), True))
        y.square().sum().backward()
        with torch.no_grad():
            z, _ = unroll_native(WindowCall(cell, norms, x, state, state, marks, (), False))
        found = [y.detach(), z, *(p.grad for p in cell.parameters() if p.grad is not None)]
        found += [b for b in norms.buffers()]
        print(c, n, hashlib.sha256(b"".join(t.numpy().tobytes() for t in found)).hexdigest())
    if "untraced" in sys.argv:  # what traces and writes was not even loaded
        assert not {"memcell_compiler.runtime.programs", "memcell_compiler.verify"} & set(sys.modules)
"""


def run(*args):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN), *args],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_second_process_traces_nothing_and_gives_the_same_bits():
    first = run()
    assert run("untraced") == first
    assert len(first) > 5


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """An empty cache, and how often a step was traced."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []
    trace = programs.trace_programs

    def counting(*args):
        calls.append(1)
        return trace(*args)

    monkeypatch.setattr(programs, "trace_programs", counting)
    return calls


def forward(agree, norm="none", step=None):
    """Run a cell that is new to this process, with a step of its own or not."""
    cell = agree.cell("lstm", features=3, hidden=8)
    if step is not None:
        cell.step = MethodType(step, cell)
    norms = agree.norms(cell, norm)
    window = agree.Window()
    x = torch.linspace(-1, 1, 9 * 7 * 3, dtype=torch.float64).view(9, 7, 3)
    state = cell.initial_state(7, dtype=torch.float64)
    with torch.no_grad():
        y, _ = unroll_native(
            WindowCall(cell, norms, x, state, state, window.masks(), (), window.update_statistics)
        )
    return y


def plan_files():
    return list(cache.folder().glob("plan-*.plan"))


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
def test_a_new_cell_of_the_same_kind_is_not_traced(agree, counted, norm):
    first = forward(agree, norm)
    assert len(counted) == 1
    assert torch.equal(forward(agree, norm), first)
    assert len(counted) == 1


def cut(text):
    return text[: len(text) // 2]


def empty(text):
    return ""


def another_form(text):
    return json.dumps({"layout": []})


def a_program_missing(text):
    found = json.loads(text)
    del found["written"]["inference"]
    return json.dumps(found)


@pytest.mark.parametrize("harm", [cut, empty, another_form, a_program_missing])
@pytest.mark.parametrize("sealed", [False, True])
def test_a_damaged_plan_is_traced_anew(agree, counted, harm, sealed):
    """Also where its digest was made to fit."""
    first = forward(agree)
    (path,) = plan_files()
    harmed = harm(path.read_text())
    if sealed:
        key = path.name.rsplit("-", 1)[0]
        path.unlink()
        cache.store(key, lambda p: p.write_text(harmed), cache.folder(), "plan")
    else:
        path.write_text(harmed)
    assert torch.equal(forward(agree), first)
    assert len(counted) == 2
    assert torch.equal(forward(agree), first)
    assert len(counted) == 2  # it was stored again


def test_without_a_place_it_is_traced(agree, counted, monkeypatch):
    store = cache.store

    def full(key, build, where, kind="so"):
        if kind == "plan":
            raise OSError("no space left on device")
        return store(key, build, where, kind)

    monkeypatch.setattr(cache, "store", full)
    assert torch.equal(forward(agree), forward(agree))
    assert len(counted) == 2


def test_what_has_no_identity_is_traced_every_time(agree, counted):
    def step(cell, p, state, norm):
        import random

        return type(cell).step(cell, p, state, norm) if random else None

    first = forward(agree, step=step)
    assert torch.equal(forward(agree, step=step), first)
    assert len(counted) == 2
    assert plan_files() == []


def test_somebody_who_changes_what_torch_does_is_seen():
    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    assert stored_key("call", ()) is not None
    with Mode():
        assert stored_key("call", ()) is None


def test_the_call_and_the_default_type_are_part_of_the_key():
    key = stored_key("call", ())
    assert stored_key("another", ()) != key
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert stored_key("call", ()) != key
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("norm", ["none", "layer", "batch", "batch_shared"])
def test_what_is_stored_is_what_was_written(agree, norm, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []
    monkeypatch.setattr(
        plans, "store_plan", lambda _, layout, written: made.append((layout, written))
    )
    forward(agree, norm)
    ((layout, written),) = made
    assert set(written) == set(PROGRAMS)
    assert decoded(json.loads(json.dumps(encoded(layout, written)))) == (layout, written)
