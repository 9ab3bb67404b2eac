"""What a person does around a cell: hooks, shared and frozen weights, buffers changed, results written to.

Right, or refused with the reason; never a number that the eager loop does not give.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from memcell.backends import BackendWarning, Layer
from memcell.backends.eager import unroll_eager
from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.runtime.unroll import unroll_native

from .test_hostile import Base, Memory

NONE = SiteNorms({}, None)
T, B, H = 9, 7, 4


def inputs(**options):
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(T, B, 3, dtype=torch.float64, generator=generator)
    return x.requires_grad_(**options) if options else x


def unrolled(unroll, cell, x, state=None, return_steps=(T,), resets=False, agree=None):
    state = state or cell.initial_state(x.shape[1], dtype=x.dtype)
    masks = agree.Window(resets=resets, steps=x.shape[0], lanes=x.shape[1]).masks()
    return unroll(WindowCall(cell, NONE, x, state, state, masks, return_steps, True))


class BiasTwice(Base):
    """One bias added in project and again in step: its gradient is the sum of both."""

    def project(self, x):
        return F.linear(x, self.w, self.b)


class Tied(Base):
    """One parameter under two names, as a matrix of both products."""

    def __init__(self):
        super().__init__(H, H)
        self.u = self.w


class SharedModule(Base):
    """One module in two places, and twice in a step."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(H, H).double()
        self.two = self.one

    def step(self, p, state, norm):
        h = torch.tanh(self.one(self.sums(p, state)) + self.two(state.h) + self.b)
        return h, Memory(h)


class Buffered(Base):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.ones(H, dtype=torch.float64))

    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state)) * self.mask
        return h, Memory(h)


class Cuts(Base):
    """Parts of the state that are views of it."""

    def step(self, p, state, norm):
        left, right = state.h.chunk(2, 1)
        h = torch.tanh(self.sums(p, state) + torch.cat([right, left], 1))
        return h, Memory(h)


class StridedWeights(Base):
    def __init__(self):
        super().__init__()
        wide = torch.randn(2 * H, 2 * H, dtype=torch.float64)
        self.u = nn.Parameter(wide.t()[::2, ::2])
        self.b = nn.Parameter(wide[:, 0][::2])


class Parametrized(Base):
    """A weight that is made of others each time it is read."""

    def __init__(self):
        super().__init__()
        nn.utils.parametrizations.weight_norm(self, "u")


@pytest.mark.parametrize(
    "kind",
    [
        BiasTwice,
        Tied,
        SharedModule,
        Buffered,
        Cuts,
        StridedWeights,
    ],
)
def test_unusual_cell_equals_eager_loop(agree, kind):
    cell = kind()
    assert not agree.difference(cell, NONE, agree.Window(lanes=5))
    assert not agree.difference(cell, NONE, agree.Window(resets=True, padding=True), threads=2)


class Turned(Base):
    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state).t().contiguous().t())
        return h, Memory(h)


class EverySecond(Base):
    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state) + state.h[:, ::2].repeat(1, 2))
        return h, Memory(h)


@pytest.mark.parametrize("kind", [Parametrized, Turned, EverySecond])
def test_made_weights_and_moved_columns_are_right(agree, kind):
    assert not agree.difference(kind(), NONE, agree.Window(resets=True, padding=True))


def test_a_module_shared_by_two_layers_is_right(agree):
    lower, upper = Base(H, H), Base(H, H)
    upper.w, upper.u = lower.w, lower.u

    def run(unroll):
        for cell in (lower, upper):
            cell.zero_grad()
        x = torch.cat([inputs(), inputs()[..., :1]], 2)
        middle, _ = unrolled(unroll, lower, x, agree=agree)
        out, _ = unrolled(unroll, upper, middle, agree=agree)
        out.pow(2).sum().backward()
        return [out.detach(), *(p.grad for p in (lower.w, lower.u, lower.b, upper.b))]

    for got, wanted in zip(run(unroll_native), run(unroll_eager), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)


def test_buffers_changed_between_calls_are_seen(agree):
    cell = Buffered()
    for change in (
        lambda: cell.mask.mul_(0.5),
        lambda: setattr(cell, "mask", torch.zeros(H, dtype=torch.float64)),
        lambda: cell.load_state_dict({**cell.state_dict(), "mask": torch.ones(H)}),
    ):
        assert not agree.difference(cell, NONE, agree.Window(lanes=3))
        change()
    assert not agree.difference(cell, NONE, agree.Window(lanes=3))


def test_a_buffer_changed_before_backward_is_refused_or_right(agree):
    """Eager autograd refuses it where it needs the buffer; no other gradient may come out."""
    found = []
    for unroll in (unroll_eager, unroll_native):
        cell = Buffered()
        x = inputs(requires_grad=True)
        out, _ = unrolled(unroll, cell, x, agree=agree)
        expected = torch.autograd.grad(out.sum(), x)[0]
        out, _ = unrolled(unroll, cell, x, agree=agree)
        cell.mask.mul_(3)
        try:
            found.append(torch.autograd.grad(out.sum(), x)[0])
        except RuntimeError as error:
            assert "inplace" in str(error)  # noqa: PT017
            found.append(expected)
    torch.testing.assert_close(found[1], found[0])


def test_weights_frozen_and_thawed_between_calls(agree):
    cell = Base()
    for frozen in ((), ("u",), ("u", "w", "b"), ("w",), ()):
        for name, p in cell.named_parameters():
            p.requires_grad_(name not in frozen)
        assert not agree.difference(cell, NONE, agree.Window(lanes=5))
        cell.zero_grad()
        unrolled(unroll_native, cell, inputs(requires_grad=True), agree=agree)[0].sum().backward()
        got = {n for n, p in cell.named_parameters() if p.grad is not None}
        assert not got & set(frozen)


def test_nothing_needs_a_gradient(agree):
    cell = Base().requires_grad_(False)
    out, states = unrolled(unroll_native, cell, inputs(), agree=agree)
    wanted, _ = unrolled(unroll_eager, cell, inputs(), agree=agree)
    assert not out.requires_grad
    assert not states[T].h.requires_grad
    torch.testing.assert_close(out, wanted)


def test_hooks_on_parameters_and_results_are_called_once_with_the_gradient(agree):
    found = []
    for unroll in (unroll_native, unroll_eager):
        cell, seen = Base(), []
        for name in ("u", "w", "b"):
            p = getattr(cell, name)
            p.register_hook(lambda g: g * 2)
            p.register_post_accumulate_grad_hook(lambda p, name=name, seen=seen: seen.append(name))
        x = inputs(requires_grad=True)
        out, states = unrolled(unroll, cell, x, agree=agree)
        out.register_hook(lambda g: g.clamp(max=0.5))
        (out.pow(2).sum() + states[T].h.sum()).backward()
        assert sorted(seen) == ["b", "u", "w"]
        found.append([x.grad, cell.u.grad, cell.w.grad, cell.b.grad])
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)


def test_gradients_add_up_over_calls(agree):
    cell = Base()
    for _ in range(3):
        unrolled(unroll_native, cell, inputs(), agree=agree)[0].pow(2).sum().backward()
    three = cell.u.grad.clone()
    cell.zero_grad()
    unrolled(unroll_eager, cell, inputs(), agree=agree)[0].pow(2).sum().backward()
    torch.testing.assert_close(three, 3 * cell.u.grad)


def test_two_windows_before_one_backward(agree):
    """The second call must not take the memory of what the first has saved."""
    found = []
    for unroll in (unroll_native, unroll_eager):
        cell = Base()
        first, states = unrolled(unroll, cell, inputs(), agree=agree)
        second, _ = unrolled(unroll, cell, inputs().flip(0), states[T], agree=agree)
        (first.pow(2).sum() + second.pow(3).sum()).backward()
        found.append([first.detach(), second.detach(), cell.u.grad, cell.w.grad])
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("what", ["outputs", "state"])
def test_a_result_written_to_before_backward_is_refused_or_right(agree, what, resets):
    def run(unroll, write):
        cell, x = Base(), inputs(requires_grad=True)
        out, states = unrolled(unroll, cell, x, resets=resets, agree=agree)
        if write:
            (out if what == "outputs" else states[T].h).mul_(2)
        else:
            out, states = (out * 2, states) if what == "outputs" else (out, states)
            h = states[T].h * (2 if what == "state" else 1)
            states = {T: Memory(h)}
        return torch.autograd.grad(out.pow(2).sum() + states[T].h.sin().sum(), [x, cell.u])

    wanted = run(unroll_eager, False)
    try:
        got = run(unroll_native, True)
    except RuntimeError as error:
        assert "inplace" in str(error) or "view" in str(error)  # noqa: PT017
        return
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_the_inputs_written_to_before_backward_are_refused(agree):
    cell, x = Base(), inputs()
    out, _ = unrolled(unroll_native, cell, x, agree=agree)
    x.mul_(2)
    with pytest.raises(RuntimeError, match="inplace"):
        out.sum().backward()


def test_no_result_shares_memory_with_the_next_call(agree):
    cell = Base()
    with torch.no_grad():
        out, states = unrolled(unroll_native, cell, inputs(), agree=agree)
        before = out.clone(), states[T].h.clone()
        unrolled(unroll_native, cell, inputs() + 1, states[T], agree=agree)
    assert torch.equal(out, before[0])
    assert torch.equal(states[T].h, before[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_runs_on_the_eager_loop_and_says_so(agree, dtype):
    layer = Layer(Base(), None).to(dtype)
    state = layer.cell.initial_state(B, dtype=dtype)
    x = inputs().to(dtype)
    with pytest.warns(BackendWarning, match="numbers of type"):
        out = layer(x, state, state, agree.Window().masks(), (), True).outputs
    assert out.dtype == dtype


def test_mixed_types_and_float16_are_refused(agree):
    with pytest.raises(Unsupported, match=r"float32, torch\.float64"):
        unrolled(unroll_native, Base(), inputs().float(), agree=agree)
    with (
        torch.autocast("cpu", torch.float16),
        pytest.raises(Unsupported, match=r"float16.*bfloat16"),
    ):
        unrolled(unroll_native, Base().float(), inputs().float(), agree=agree)


@dataclass
class Settings:
    scale: float = 1.0


class KeepsSettings(Base):
    """Numbers on an object of the author's, which may be changed between calls."""

    def __init__(self):
        super().__init__()
        self.settings = Settings()

    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state) * self.settings.scale)
        return h, Memory(h)


def test_a_setting_replaced_between_calls_is_seen(agree):
    cell = KeepsSettings()
    for scale in (1.0, 2.0, 0.5):
        cell.settings = Settings(scale)
        assert not agree.difference(cell, NONE, agree.Window(lanes=3))


def test_a_setting_changed_in_place_between_calls_is_seen(agree):
    cell = KeepsSettings()
    for scale in (1.0, 2.0, 0.5):
        cell.settings.scale = scale
        assert not agree.difference(cell, NONE, agree.Window(lanes=3))


RATE = 1.0


class RateOfTheClass(Base):
    rate = 1.0

    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state) * self.rate * RATE)
        return h, Memory(h)


def test_what_a_notebook_changes_under_a_cell_in_use_is_seen(agree, monkeypatch):
    cell, window = RateOfTheClass(), agree.Window(lanes=3)
    assert not agree.difference(cell, NONE, window)
    monkeypatch.setattr(RateOfTheClass, "rate", 0.5)
    assert not agree.difference(cell, NONE, window)
    monkeypatch.setitem(globals(), "RATE", 3.0)
    assert not agree.difference(cell, NONE, window)

    def step(self, p, state, norm):
        h = torch.sin(self.sums(p, state))
        return h, Memory(h)

    monkeypatch.setattr(RateOfTheClass, "step", step)
    assert not agree.difference(cell, NONE, window)


class CountsInItsClass(Base):
    calls = 0

    def step(self, p, state, norm):
        type(self).calls += 1
        h = torch.tanh(self.sums(p, state))
        return h, Memory(h)


def test_a_step_that_counts_in_its_class_is_refused(agree):
    with pytest.raises(Unsupported, match="an attribute of CountsInItsClass"):
        unrolled(unroll_native, CountsInItsClass(), inputs(), agree=agree)


class CountsInAnObject(Base):
    def __init__(self):
        super().__init__()
        self.settings = Settings()

    def step(self, p, state, norm):
        self.settings.scale += 1
        h = torch.tanh(self.sums(p, state) / self.settings.scale)
        return h, Memory(h)


def test_a_step_that_counts_in_an_object_is_refused(agree):
    with pytest.raises(Unsupported):
        unrolled(unroll_native, CountsInAnObject(), inputs(), agree=agree)


class Switches(Base):
    """Something else in training than at inference."""

    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state)) * (0.5 if self.training else 1.0)
        return h, Memory(h)


def test_training_and_evaluation_are_two_programs(agree):
    cell = Switches()
    for training in (True, False, True):
        assert not agree.difference(cell.train(training), NONE, agree.Window(lanes=3))


def test_a_copied_cell_runs_by_its_own_weights(agree):
    cell = Base()
    assert not agree.difference(cell, NONE, agree.Window(lanes=3))
    other = copy.deepcopy(cell)
    with torch.no_grad():
        other.u.mul_(-1)
    assert not agree.difference(other, NONE, agree.Window(lanes=3))
    assert not agree.difference(cell, NONE, agree.Window(lanes=3))


class ItemInStep(Base):
    def step(self, p, state, norm):
        h = torch.tanh(self.sums(p, state) * state.h.abs().max().item())
        return h, Memory(h)


class Numpy(Base):
    def step(self, p, state, norm):
        shift = torch.from_numpy(p.detach().numpy().copy())
        h = torch.tanh(self.sums(p, state) + shift)
        return h, Memory(h)


class Loops(Base):
    """As many rounds as a value says."""

    def step(self, p, state, norm):
        h = self.sums(p, state)
        while h.abs().max() > 1:
            h = h * 0.5
        return h, Memory(h)


class Dropout(Base):
    def step(self, p, state, norm):
        h = F.dropout(torch.tanh(self.sums(p, state)), 0.5, True)
        return h, Memory(h)


class WritesABuffer(Buffered):
    def step(self, p, state, norm):
        self.mask.mul_(0.9)
        return super().step(p, state, norm)


class WritesAParameter(Base):
    def step(self, p, state, norm):
        self.b.data.mul_(0.9)
        return super().step(p, state, norm)


@pytest.mark.parametrize(
    "kind",
    [
        ItemInStep,
        Numpy,
        Loops,
        Dropout,
        WritesABuffer,
        WritesAParameter,
    ],
)
def test_a_step_that_no_program_can_stand_for_is_refused(agree, kind):
    cell: Cell = kind()
    before = copy.deepcopy(cell.state_dict())
    with pytest.raises(Unsupported):
        unrolled(unroll_native, cell, inputs(), agree=agree)
    after = cell.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)  # nothing has happened
