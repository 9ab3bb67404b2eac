"""Programs with clocks in them: the same numbers, and every instant in one section."""

from __future__ import annotations

import pytest
import torch

from memcell.recurrent.window_call import WindowCall
from memcell_compiler.emit import emit
from memcell_compiler.emit.timers import SECTIONS
from memcell_compiler.runtime.timed import TimedProgram
from memcell_compiler.runtime.unroll import unroll_native

CELLS = [("lstm", "none"), ("lstm", "batch")]


def made(agree, cell, norm, lanes=7):
    window = agree.Window(lanes=lanes, resets=norm == "none", padding=norm == "none")
    core = agree.cell(cell)
    norms = agree.norms(core, norm)
    x = torch.randn(window.steps, window.lanes, core.input_size, dtype=torch.float64)
    state = core.initial_state(window.lanes, dtype=torch.float64)
    call = WindowCall(core, norms, x.requires_grad_(), state, state, window.masks())
    return window, core, norms, TimedProgram(call)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("cell", "norm"), CELLS)
def test_numbers_are_those_of_the_untimed_program(agree, cell, norm, threads):
    window, core, norms, timed = made(agree, cell, norm)
    torch.set_num_threads(threads)
    wanted = agree.run(unroll_native, core, norms, window)
    assert not timed.forward.calls
    with timed.running():
        got = agree.run(unroll_native, core, norms, window)
    assert len(timed.forward.calls) == len(timed.backward.calls) == 1
    for name, tensor in wanted.items():
        assert (tensor is None) == (got[name] is None)
        assert tensor is None or torch.equal(tensor, got[name]), name
    agree.run(unroll_native, core, norms, window)
    assert len(timed.forward.calls) == 1  # its own programs are back


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("cell", "norm"), CELLS)
def test_sections_are_what_the_call_took(agree, cell, norm, threads):
    window, core, norms, timed = made(agree, cell, norm)
    torch.set_num_threads(threads)
    with timed.running():
        for _ in range(3):
            agree.run(unroll_native, core, norms, window)
    for runner in (timed.forward, timed.backward):
        for call in runner.calls:
            assert list(call.sections) == list(SECTIONS)
            assert min(call.sections.values()) >= 0
            assert call.sections["products"] > 0
            assert call.sections["rows"] > 0
            assert (call.sections["waiting"] > 0) == (norm == "batch")
            assert call.packing > 0
            assert call.handing > 0  # sections of no thread are longer than the call
            parts = sum(call.sections.values()) + call.taken + call.packing + call.handing
            assert parts == pytest.approx(call.ended - call.began)
    assert all(c.sections["late"] == 0 for c in timed.forward.calls)
    assert all(c.sections["late"] > 0 for c in timed.backward.calls)


def test_a_program_that_is_not_timed_has_no_clock(agree, monkeypatch):
    programs = {}
    own = emit.write

    def noted(program, timed):
        programs[program.name] = program
        return own(program, timed=timed)

    monkeypatch.setattr("memcell_compiler.runtime.timed.write", noted)
    made(agree, "lstm", "batch")
    for program in programs.values():
        plain = own(program).source.splitlines()
        assert not [line for line in plain if "timer" in line]
        timed = own(program, timed=True).source.splitlines()
        begin = timed.index(plain[0])
        # all that a clock adds is lines of its own
        rest = [line for line in timed[begin:] if "timer_" not in line]
        assert rest[: len(plain)] == plain
