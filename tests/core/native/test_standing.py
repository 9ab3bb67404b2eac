"""Windows of training that stand ready: numbers as through autograd, whatever happens between them."""

from __future__ import annotations

import copy
import dataclasses
import gc
import types
import weakref
from typing import NamedTuple

import pytest
import torch

from memcell.backends import Layer, StepMasks
from memcell.plugins import default_registry
from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import Normalizer
from memcell.recurrent.purity import Snapshot, fingerprint
from memcell_compiler.runtime import standing as ready
from memcell_compiler.runtime import standing_inference

T, B, F, H = 7, 3, 4, 5


@pytest.fixture
def layer():
    entry = default_registry().get("cell", "lstm")
    torch.manual_seed(0)
    return Layer(entry.build(F, H, entry.config({})), None, "native")


def masks(lanes=B, reset=False):
    no = torch.zeros(T, lanes, dtype=torch.bool)
    resets = no.clone()
    resets[2, 0] = reset
    return StepMasks.of(resets, ~no, torch.zeros(lanes, dtype=torch.int64))


def ask(layer, x, state, reset=False):
    """Return outputs, last state and gradients of ``(y * y).sum()``, without autograd."""
    initial = layer.cell.initial_state(x.shape[1])
    found = layer.run_with_gradient(
        x, state, initial, masks(x.shape[1], reset), (T,), update_statistics=True
    )
    assert found is not None
    (y, states), gradient = found
    d_x, each = gradient(2 * y)
    return [y, *states[T], d_x, *(g for _, g in each)]


def expect(layer, x, state, reset=False):
    """Return the same through autograd."""
    x = x.detach().clone().requires_grad_(x.requires_grad)
    initial = layer.cell.initial_state(x.shape[1])
    y, states = layer(x, state, initial, masks(x.shape[1], reset), (T,), True)
    wanted = [x] * x.requires_grad + list(layer.cell.parameters())
    grads = list(torch.autograd.grad((y * y).sum(), wanted))
    d_x = grads.pop(0) if x.requires_grad else None
    return [y, *states[T], d_x, *grads]


def same(found, expected):
    return all(a is b is None or torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def draw(layer, lanes=B, needs=False):
    state = layer.cell.initial_state(lanes)
    state = type(state)(*(torch.randn_like(part) for part in state))
    return torch.randn(T, lanes, F).requires_grad_(needs), state


@pytest.mark.parametrize("needs", [False, True])
def test_one_window_after_another_is_as_through_autograd(layer, needs):
    for _ in range(4):
        x, state = draw(layer, needs=needs)
        assert same(ask(layer, x, state), expect(layer, x, state))
        with torch.no_grad():
            for p in layer.cell.parameters():
                p.add_(0.1)
    assert layer.cell in ready._known


@pytest.mark.parametrize(
    "change",
    [
        lambda cell: setattr(
            cell, "weight_recurrent", torch.nn.Parameter(cell.weight_recurrent.detach() + 1)
        ),
        lambda cell: setattr(cell.weight_recurrent, "data", cell.weight_recurrent.data + 1),
        lambda cell: cell.weight_recurrent.requires_grad_(False),
        lambda cell: cell.double().float(),
    ],
    ids=["another parameter", "other memory", "no gradient", "moved"],
)
def test_what_is_no_longer_what_it_was_is_found_anew(layer, change):
    names = dict(layer.cell.named_parameters())
    assert "weight_recurrent" in names
    x, state = draw(layer)
    ask(layer, x, state)
    change(layer.cell)
    wanted = [p for p in layer.cell.parameters() if p.requires_grad]
    found = ask(layer, x, state)
    y, states = layer(x, state, layer.cell.initial_state(B), masks(), (T,), True)
    expected = [y, *states[T], None, *torch.autograd.grad((y * y).sum(), wanted)]
    assert same(found, expected)


def test_other_windows_between_change_nothing(layer):
    x, state = draw(layer)
    before = ask(layer, x, state)
    for lanes, reset in ((B + 1, False), (B, True)):
        other = draw(layer, lanes)
        assert same(ask(layer, *other, reset), expect(layer, *other, reset))
    assert same(ask(layer, x, state), before)


def test_outputs_and_states_stay_what_they_were(layer):
    first = ask(layer, *draw(layer))
    kept = [None if t is None else t.clone() for t in first]
    for _ in range(3):
        ask(layer, *draw(layer))
    assert same(first, kept)


def test_a_window_whose_gradient_is_still_to_come_is_left_alone(layer):
    one, other = draw(layer), draw(layer)
    ask(layer, *one)
    expected = expect(layer, *one)
    initial = layer.cell.initial_state(B)
    (y, _), gradient = layer.run_with_gradient(*one, initial, masks(), (T,), True)
    assert same(ask(layer, *other), expect(layer, *other))
    _, each = gradient(2 * y)
    assert same([g for _, g in each], expected[4:])


def test_a_copy_has_its_own_and_nothing_outlives_a_cell(layer):
    x, state = draw(layer)
    ask(layer, x, state)
    copied = copy.deepcopy(layer)
    with torch.no_grad():
        copied.cell.weight_recurrent.mul_(2)
    assert same(ask(copied, x, state), expect(copied, x, state))
    assert same(ask(layer, x, state), expect(layer, x, state))
    gone = weakref.ref(copied.cell)
    del copied
    gc.collect()
    assert gone() is None


SCALE = 1.0


def small(settings):
    """Return a cell of a class of its own."""

    class Small(Cell):
        factor = 1.0

        def __init__(self):
            super().__init__(3, 2)
            self.weight = torch.nn.Parameter(torch.ones(3, 2))
            self.register_buffer("mask", torch.ones(2))
            self.inner = torch.nn.Linear(2, 2)
            self.plain, self.settings = 1, settings

        def step(self, x, state, norm, scale=2.0):
            return state * SCALE * self.factor * scale

    return Small()


@dataclasses.dataclass
class Open:
    size: int = 1


@dataclasses.dataclass(frozen=True)
class Closed:
    size: int = 1


@pytest.mark.parametrize("settings", [Closed(), Open(), [1]], ids=str)
@pytest.mark.parametrize(
    "change",
    [
        lambda cell: setattr(cell, "plain", 2),
        lambda cell: setattr(cell, "plain", True),
        lambda cell: setattr(cell, "other", 1),
        lambda cell: delattr(cell, "plain"),
        lambda cell: setattr(cell, "settings", Closed(2)),
        lambda cell: setattr(cell.inner, "plain", 1),
        lambda cell: setattr(cell, "inner", torch.nn.Linear(2, 3)),
        lambda cell: setattr(cell, "weight", torch.nn.Parameter(torch.ones(2))),
        lambda cell: setattr(cell.weight, "data", torch.ones(2)),
        lambda cell: cell.double(),
        lambda cell: cell.register_buffer("more", torch.ones(1)),
        lambda cell: cell.register_forward_hook(lambda *_: None),
        lambda cell: cell.inner.register_forward_pre_hook(lambda *_: None),
        lambda cell: setattr(type(cell), "factor", 2.0),
        lambda cell: setattr(type(cell), "new", 2.0),
        lambda cell: setattr(type(cell), "step", lambda self, *_: 0),
        lambda cell: setattr(type(cell).step, "__code__", (lambda self, *_: 0).__code__),
        lambda cell: setattr(type(cell).step, "__defaults__", (3.0,)),
        lambda cell: type(cell).step.__globals__.update(SCALE=2.0),
    ],
)
def test_what_a_cell_is_made_of_is_seen_to_change(settings, change, monkeypatch):
    monkeypatch.setitem(globals(), "SCALE", 1.0)
    cell = small(settings)
    before, was = Snapshot(cell), fingerprint(cell)
    assert before.same(cell)
    assert before._quick is isinstance(settings, Closed)
    change(cell)
    assert fingerprint(cell) != was
    assert not before.same(cell)


def helper(z):
    return z * 0.5


HELPERS, WITHIN = types.ModuleType("helpers"), types.ModuleType("helpers.within")
exec("def halved(z): return z * 0.5", vars(WITHIN))
HELPERS.within, WITHIN.SCALE = WITHIN, 1.0


def given(factor):
    def inner(z):
        return z * factor

    return inner


class Within(torch.nn.Module):
    """A module within a cell or a normalizer."""

    factor = 1.0

    def forward(self, z):
        return z * self.factor


class Site(Normalizer):
    """A third party's, which calls whatever can be called."""

    closure = staticmethod(given(0.5))

    def __init__(self, width):
        super().__init__(width)
        self.within = Within()

    def method(self, z):
        return z * self.attribute

    @property
    def attribute(self):
        return 0.5

    def normalize(self, z, mode, inputs):
        parts = [helper(part) for part in (self.within(z), self.method(z), self.closure(z))]
        return sum(parts) + HELPERS.within.halved(z) * HELPERS.within.SCALE, ()


def other(factor):
    return lambda z: z * factor


@pytest.mark.parametrize(
    ("owner", "name", "changed"),
    [
        (Site, "normalize", lambda self, z, mode, inputs: (z * 0.1, ())),
        (Site, "method", lambda self, z: z * 0.1),
        (Site, "attribute", property(lambda self: 0.1)),
        (Site, "closure", staticmethod(given(0.1))),
        (Within, "forward", lambda self, z: z * 0.1),
        (Within, "factor", 0.1),
        (None, "helper", other(0.1)),
        (WITHIN, "halved", other(0.1)),
        (WITHIN, "SCALE", 0.1),
        (helper, "__code__", (lambda z: z * 0.1).__code__),
        (WITHIN.halved, "__code__", (lambda z: z * 0.1).__code__),
    ],
    ids=[
        *("normalize", "a method", "a property", "a closure", "forward of a part"),
        *("an attribute of a part", "a function", "a module's function", "a module's number"),
        *("a function in place", "a module's function in place"),
    ],
)
def test_code_that_is_changed_under_a_normalizer_in_use_is_seen(owner, name, changed, monkeypatch):
    entry = default_registry().get("cell", "lstm")
    layer = Layer(entry.build(F, H, entry.config({})), Site, "native")
    eager = Layer(layer.cell, None, "eager")
    eager.norms = layer.norms
    with torch.no_grad():
        for p in layer.cell.parameters():
            p.copy_(torch.linspace(-1, 1, p.numel()).view_as(p))
    x, state = draw(layer)
    for _ in range(3):
        before = ask(layer, x, state)
    if owner is None:
        monkeypatch.setitem(globals(), name, changed)
    else:
        monkeypatch.setattr(owner, name, changed)
    found, wanted = ask(layer, x, state), expect(eager, x, state)
    assert not torch.allclose(found[0], before[0], atol=1e-3)
    assert torch.allclose(found[0], wanted[0], atol=1e-5)
    for a, b in zip(found[4:], wanted[4:], strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_what_is_replaced_by_its_like_is_the_same():
    cell = small(Closed())
    before = Snapshot(cell)
    cell.weight = torch.nn.Parameter(torch.zeros(3, 2))
    cell.settings = Closed()
    assert before.same(cell)
    cell.settings = Open()
    assert not before.same(cell)


def test_settings_that_change_in_place_are_seen():
    for settings, change in (
        (Open(), lambda s: setattr(s, "size", 2)),
        ([1], lambda s: s.append(1)),
    ):
        cell = small(settings)
        before = Snapshot(cell)
        change(settings)
        assert not before.same(cell)


class Asked(NamedTuple):
    """A layer as generated C whose windows stand ready, and the same as the eager loop."""

    native: Layer
    eager: Layer


@pytest.fixture
def both(layer, monkeypatch):
    """Layers in float64, and how often what stands ready was asked."""
    eager = Layer(layer.double().cell, None, "eager")
    count = []
    for kind in (ready.StandingWindow, standing_inference.StandingInference):
        monkeypatch.setattr(kind, "run", lambda *a, real=kind.run: count.append(1) or real(*a))
    x, state = double(layer)
    for _ in range(3):
        window(layer, x, state)
        with torch.no_grad():
            window(layer, x, state)
    count.clear()
    return Asked(layer, eager), count


def double(layer, lanes=B):
    state = layer.cell.initial_state(lanes, dtype=torch.float64)
    return torch.randn(T, lanes, F, dtype=torch.float64), type(state)(*map(torch.randn_like, state))


def window(layer, x, state):
    y, states = layer(x, state, state, masks(x.shape[1]), (T,), False)
    return [y, *states[T]]


def close(found, expected):
    pairs = zip(found, expected, strict=True)
    return all(torch.allclose(a, b, rtol=1e-10, atol=1e-12) for a, b in pairs)


@pytest.mark.parametrize("used", [slice(0, 1), slice(1, 3), slice(0, 3), slice(2, 3)])
def test_outputs_and_states_have_their_gradients_through_autograd(both, used):
    layers, count = both
    x, state = double(layers.native)
    x.requires_grad_()
    for _ in range(2):
        window(layers.native, x, state)
    count.clear()
    found = []
    for layer in layers:
        values = window(layer, x, state)
        loss = sum((v * v).sum() for v in values[used])
        wanted = [x, *layer.cell.parameters()]
        first = torch.autograd.grad(loss, wanted, retain_graph=True)
        again = torch.autograd.grad(loss, wanted, create_graph=True)
        second = torch.autograd.grad(sum((g * g).sum() for g in again), wanted)
        found.append([*(v.detach() for v in values), *first, *again, *second])
    assert len(count) == 1
    assert close(*found)


def test_two_windows_may_be_open_at_once(both):
    layers, count = both
    inputs = [double(layers.native) for _ in range(2)]
    found = []
    for layer in layers:
        losses = [sum((v * v).sum() for v in window(layer, *each)) for each in inputs]
        each = [torch.autograd.grad(loss, list(layer.cell.parameters())) for loss in losses]
        found.append([g for gradients in each for g in gradients])
    assert close(*found)
    assert len(count) == 1


def test_without_gradient_results_stay_and_weights_may_change(both):
    layers, count = both
    with torch.no_grad():
        given = [double(layers.native) for _ in range(3)]
        found, expected = [], []
        for each in given:
            expected += window(layers.eager, *each)
            found += window(layers.native, *each)
            next(layers.native.cell.parameters()).mul_(1.1)
    assert close(found, expected)
    assert len(count) == 3


def test_what_is_handed_out_is_given_up_with_its_last_name(both):
    layers, _ = both
    gc.disable()
    try:
        values = window(layers.native, *double(layers.native))
        gone = [weakref.ref(v) for v in values]
        del values
        assert [ref() for ref in gone] == [None] * len(gone)
    finally:
        gc.enable()
