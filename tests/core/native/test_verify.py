"""Generated code is read and run again before it is compiled: what was tampered with is refused."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from memcell.backends import BackendWarning, Layer, StepMasks
from memcell.recurrent.cell import Cell
from memcell_compiler.emit.context import Context
from memcell_compiler.emit.emit import write
from memcell_compiler.emit.memory import ProgramMemory
from memcell_compiler.passes import schedule
from memcell_compiler.passes.schedule import Schedule
from memcell_compiler.passes.storage_requests import StorageRequests
from memcell_compiler.runtime import plan
from memcell_compiler.runtime import programs as making
from memcell_compiler.runtime.unroll import native_reason
from memcell_compiler.verify import Unverified, verify


class One(NamedTuple):
    h: torch.Tensor


class Textbook(Cell):
    state_type = One
    state_spec = {"h": (4,)}  # noqa: RUF012

    def __init__(self):
        super().__init__(3, 4)
        numbers = torch.linspace(-1, 1, 28, dtype=torch.float64)
        self.weight = nn.Parameter(numbers.view(4, 7))

    def project(self, x):
        return x

    def step(self, p, state, norm):
        h = torch.tanh(F.linear(torch.cat([p, state.h], -1), self.weight))
        return h, One(h)


class _Kept(Exception):
    pass


@pytest.fixture
def programs_of(agree, monkeypatch):
    """Return the programs of a cell with a normalizer, for training."""

    def programs(cell, norm, hidden=4):
        made = agree.cell(cell, hidden=hidden)
        found = []
        construct = making.construct

        def kept(*arguments):
            found.append(construct(*arguments))
            raise _Kept

        monkeypatch.setattr(plan, "load_plan", lambda key: None)
        with monkeypatch.context() as m:
            m.setattr(making, "construct", kept)
            with pytest.raises(_Kept):
                native_reason(made, agree.norms(made, norm))
        return found[0]

    return programs


def verified(programs, name, source=None):
    program = getattr(programs, name)
    made = write(program)
    text = made.source if source is None else source
    verify(program, text, made.arrays, made.mixes, programs.layout.output_state)


def refused(programs, name, source):
    try:
        verified(programs, name, source)
    except Unverified:
        return True
    return False


#: Lines that say nothing of what is computed, or where the next buffer begins.
_SILENT = re.compile(r"\s*(fetch_row|\(void\)|flush_|const uint64_t|(packed|scratch|shared_) \+=)")
#: Lines that are a statement by themselves, and what one sets.
_STATEMENT = re.compile(r"\s*(?:.*\bconst (?:real|struct kernels) (?:\*const )?)?(?P<set>\w*).*;$")


def statements(source):
    """Return the numbers of the lines that compute something that is read."""
    lines = ["" if "read_ahead" in line else line for line in source.splitlines()]
    end = lines.index("}")
    found = []
    for i, line in enumerate(lines[:end]):
        match = _STATEMENT.match(line)
        if match is None or _SILENT.match(line):
            continue
        name = match.group("set")
        others = "\n".join(lines[:i] + lines[i + 1 : end])
        once = "const" in line or re.match(r"v\d+_at", name)
        declared = len(re.findall(rf"real {name}\[", others))
        if not once or len(re.findall(rf"\b{name}\b", others)) > declared:
            found.append(i)
    return found


@pytest.mark.parametrize(
    ("cell", "norm", "name"),
    [
        ("lstm", "none", "forward"),
        ("rnn", "none", "backward"),
        pytest.param("gru", "layer", "backward", marks=pytest.mark.slow),
        pytest.param("rnn", "batch", "forward", marks=pytest.mark.slow),
    ],
)
def test_program_without_any_one_statement_is_refused(programs_of, cell, norm, name):
    programs = programs_of(cell, norm)
    source = write(getattr(programs, name)).source
    verified(programs, name)
    lines = source.splitlines()
    passed = [
        lines[i]
        for i in statements(source)
        if not refused(programs, name, "\n".join([*lines[:i], *lines[i + 1 :]]))
    ]
    assert passed == []


@pytest.mark.parametrize(
    ("name", "line", "instead", "said"),
    [
        ("forward", "saved[r * 20 + 4 + j] =", "saved[r * 20 + 5 + j] =", "not"),
        (
            "backward",
            "real *const d0_in_base = scratch;",
            "real *const d0_in_base = join1_base;",
            "a0",
        ),
        ("backward", "{16, join1, 16, w0, 0, 16}", "{15, join1, 16, w0, 0, 16}", "not what it"),
        ("backward", "{16, join1, 16, w0, 0, 16}", "{16, join1, 16, w0, 0, 17}", "another shape"),
        ("backward", "d1_out[r * 16 + 0 + j]", "d1_out[r * 160 + 0 + j]", "beyond"),
        ("backward", "a2_sum[4 + j] +=", "a2_sum[3 + j] +=", "another one writes"),
        ("backward", "k_->combine(n, 4,", "puts(n, 4,", "does not know"),
    ],
)
def test_planted_fault_is_named(programs_of, name, line, instead, said):
    programs = programs_of("lstm", "none")
    source = write(getattr(programs, name)).source
    assert line in source
    with pytest.raises(Unverified, match=said):
        verified(programs, name, source.replace(line, instead))


def test_threads_that_do_not_wait_for_each_other_are_refused(programs_of):
    programs = programs_of("rnn", "batch")
    source = write(programs.forward).source
    assert "meet(w);" in source
    assert refused(programs, "forward", source.replace("meet(w);", ""))


def _needs_operands_only(patch):
    patch.setattr(Schedule, "needs", lambda self, value: value.operands())


def _products_in_the_stage_of_their_operands(patch):
    patch.setattr(schedule, "_apart", lambda operand, value: 0)


def _one_buffer_for_all_products(patch):
    patch.setattr(ProgramMemory, "buffer", lambda self, value: ("v0_at", 64))
    patch.setattr(Context, "_declare_value", _declared_once(Context._declare_value))


def _declared_once(declare):
    def declared(context, value):
        declare(context, value)
        context.buffers[:] = dict(context.buffers).items()

    return declared


def _sums_read_while_they_are_added_up(patch):
    patch.setattr(Schedule, "level_read", lambda self, piece, stage, width: 0)


def _copies_left_out(patch):
    make = StorageRequests.__init__

    def without_copies(self, program):
        make(self, program)
        for value, places in self.targets.items():
            if value.name == "copy":
                places.clear()

    patch.setattr(StorageRequests, "__init__", without_copies)


@pytest.mark.parametrize(
    ("fault", "cell", "norm"),
    [
        (_needs_operands_only, "textbook", "none"),
        (_copies_left_out, "textbook", "none"),
        (_products_in_the_stage_of_their_operands, "lstm", "none"),
        (_one_buffer_for_all_products, "lstm97", "none"),
        (_sums_read_while_they_are_added_up, "lstm", "layer"),
    ],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_fault_in_the_order_or_the_memory_is_refused(agree, monkeypatch, fault, cell, norm):
    monkeypatch.setattr(plan, "load_plan", lambda key: None)
    made = Textbook() if cell == "textbook" else agree.cell(cell)
    norms = agree.norms(made, norm)
    assert native_reason(made, norms) is None
    with monkeypatch.context() as patch:
        fault(patch)
        made = Textbook() if cell == "textbook" else agree.cell(cell)
        assert "verif" in native_reason(made, agree.norms(made, norm))


def test_refused_code_is_replaced_by_the_eager_loop_with_a_warning(monkeypatch):
    monkeypatch.setattr(plan, "load_plan", lambda key: None)
    no = torch.zeros(6, 3, dtype=torch.bool)
    masks = StepMasks.of(no, ~no, torch.zeros(3, dtype=torch.int64))
    x = torch.randn(6, 3, 3, dtype=torch.float64)
    found = []
    for unroll in ("eager", "auto"):
        cell = Textbook()
        state = cell.initial_state(3, dtype=torch.float64)
        layer = Layer(cell, None, unroll)
        if unroll == "auto":
            _needs_operands_only(monkeypatch)
            with pytest.warns(BackendWarning, match=r"Textbook.*did not pass verification"):
                found.append(layer(x, state, state, masks, (6,), False).outputs)
        else:
            found.append(layer(x, state, state, masks, (6,), False).outputs)
    assert torch.equal(*found)
