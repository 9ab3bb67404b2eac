"""Windows of training with normalizers that stand ready: the same numbers as when each is prepared anew."""

from __future__ import annotations

import copy
import dataclasses
import gc
import warnings
import weakref
from typing import ClassVar

import pytest
import torch
from torch.nn.utils import parametrize

from memcell.backends import Layer, StepMasks
from memcell.plugins import default_registry
from memcell.recurrent.normalizer import Normalizer, NormWindow
from memcell_compiler.runtime import plan, standing_inference
from memcell_compiler.runtime import standing as ready

T, B, F, H = 7, 5, 4, 6
NORMS = ("layer", "rms", "batch", "batch_shared")


def made(norm, cell="lstm"):
    """Return a layer with drawn weights, and a normalizer by its name or class."""
    registry = default_registry()
    entry = registry.get("cell", cell)
    build = norm
    if isinstance(norm, str):
        plugin = registry.get("normalizer", norm)
        config = plugin.config({"min_lanes": 2} if norm.startswith("batch") else {})

        def build(width):
            return plugin.build(width, config)

    layer = Layer(entry.build(F, H, entry.config({})), build, "native")
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape, generator=draw) / 2)
    return layer


@pytest.fixture
def stood(monkeypatch):
    """How often something stood ready."""
    count = []
    for kind in (ready.StandingWindow, standing_inference.StandingInference):
        monkeypatch.setattr(kind, "run", lambda *a, real=kind.run: count.append(1) or real(*a))
    return count


def masks(age, reset=False):
    no = torch.zeros(T, B, dtype=torch.bool)
    resets = no.clone()
    resets[2, 0] = reset
    return StepMasks.of(resets, ~no, torch.as_tensor(age).expand(B))


def directly(layer, x, state, mask):
    """Return outputs, last state and gradients as the trainer asks for them."""
    initial = layer.cell.initial_state(B)
    asked = layer.run_with_gradient(x, state, initial, mask, (T,), update_statistics=True)
    (y, states), gradient = asked
    _, each = gradient(2 * y)
    return [y, *states[T], *(g for _, g in each)]


def through_autograd(layer, x, state, mask):
    initial = layer.cell.initial_state(B)
    y, states = layer(x, state, initial, mask, (T,), True)
    grads = torch.autograd.grad((y * y).sum(), list(layer.parameters()))
    return [y.detach(), *(s.detach() for s in states[T]), *grads]


#: Where the windows begin, and whether a lane is reset within: all lanes of one age, of two, of one.
COURSE = [
    (0, False),
    (T, False),
    (2 * T, False),
    (3 * T, True),
    (3 * T, False),
    (40, False),
    (0, False),
]


def course(layer, run, seed=1):
    """Train along a course; return everything that came of it, weights and statistics last."""
    draw = torch.Generator().manual_seed(seed)
    found = []
    for age, reset in COURSE:
        state = layer.cell.initial_state(B)
        state = type(state)(*(torch.randn(p.shape, generator=draw) for p in state))
        found += run(layer, torch.randn(T, B, F, generator=draw), state, masks(age, reset))
        with torch.no_grad():
            for p in layer.parameters():
                p.mul_(0.95)
    return [*found, *layer.state_dict().values()]


def same(found, expected):
    return len(found) == len(expected) and all(map(torch.equal, found, expected))


@pytest.mark.parametrize("run", [directly, through_autograd])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("norm", NORMS)
def test_what_stands_ready_gives_the_bits_of_what_is_prepared_anew(
    norm, cell, run, stood, monkeypatch
):
    found = course(made(norm, cell), run)
    windows = len(COURSE) - (3 if run is directly else 4)  # the first, those with a reset
    assert len(stood) >= windows - 1
    monkeypatch.setattr(ready, "MOST", 0)
    stood.clear()
    assert same(found, course(made(norm, cell), run))
    assert not stood


def one(layer, age=0):
    state = layer.cell.initial_state(B)
    return directly(
        layer, torch.ones(T, B, F).cumsum(0) * torch.arange(B)[:, None], state, masks(age)
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda n: setattr(n, "eps", 0.5) if hasattr(n, "eps") else setattr(n, "config", changed(n)),
        lambda n: setattr(n, *replaced(n)),
        lambda n: next(n.parameters()).requires_grad_(False),
        lambda n: setattr(next(n.parameters()), "data", torch.full((n.width,), 0.5)),
    ],
    ids=["a setting", "another parameter", "no gradient", "other memory"],
)
@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_a_normalizer_that_is_no_longer_what_it_was_is_found_anew(norm, change, monkeypatch):
    layer, other = made(norm), made(norm)
    for each in (layer, other):
        monkeypatch.setattr(ready, "MOST", 1 << 23 if each is layer else 0)
        for _ in range(3):
            before = one(each)
        change(each.norms.site("recurrent"))
        each.found = one(each)
    assert not same(layer.found, before)
    assert same(layer.found, other.found)


class Doubled(torch.nn.Module):
    def forward(self, gain):
        return 2 * gain


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_a_parametrized_gain_is_computed_anew(norm):
    layer = made(norm)
    eager = copy.deepcopy(layer)
    for _ in range(3):
        before = one(layer)
    for each in (layer, eager):
        site = each.norms.site("recurrent")
        name, _ = next(site.named_parameters())
        parametrize.register_parametrization(site, name, Doubled())
    eager.backend = "eager"
    state = layer.cell.initial_state(B)
    x = torch.ones(T, B, F).cumsum(0) * torch.arange(B)[:, None]
    for _ in range(3):
        found, wanted = (through_autograd(each, x, state, masks(0)) for each in (layer, eager))
        assert not torch.allclose(found[0], before[0], atol=1e-3)
        for a, b in zip(found, wanted, strict=True):
            assert torch.allclose(a, b, atol=1e-4)


def changed(norm):
    return dataclasses.replace(norm.config, eps=0.5)


def replaced(norm):
    name, _ = next(norm.named_parameters())
    return name, torch.nn.Parameter(torch.full((norm.width,), 0.7))


@pytest.mark.parametrize("norm", ["batch", "batch_shared"])
def test_recalibration_between_windows_takes_its_own_statistics(norm, stood, monkeypatch):
    found = []
    for small in (1 << 23, 0):
        monkeypatch.setattr(ready, "MOST", small)
        layer = made(norm)
        for age in (0, T, 2 * T):
            one(layer, age)
        for name in layer.norms.sites:
            layer.norms.site(name).begin_recalibration()
        for age in (0, T):
            with torch.no_grad():
                state = layer.cell.initial_state(B)
                layer(torch.full((T, B, F), 2.0), state, state, masks(age), (T,), True)
            one(layer, age)
        for name in layer.norms.sites:
            layer.norms.site(name).end_recalibration()
        found.append([*one(layer), *one(layer), *layer.state_dict().values()])
    assert stood
    assert same(*found)


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_gradients_of_gradients_are_those_of_the_eager_loop(norm, stood):
    native = made(norm).double()
    eager = copy.deepcopy(native)
    eager.backend = "eager"
    x = torch.randn(T, B, F, dtype=torch.float64, requires_grad=True)
    found = []
    for layer in (native, eager):
        state = layer.cell.initial_state(B, dtype=torch.float64)
        for _ in range(3):
            y, _ = layer(x, state, state, masks(0), (T,), True)
            wanted = [x, *layer.parameters()]
            grads = torch.autograd.grad((y * y).sum(), wanted, create_graph=True)
            second = torch.autograd.grad(sum((g * g).sum() for g in grads), wanted)
        found.append([y, *grads, *second])
    assert stood
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, rtol=1e-8, atol=1e-10)


class Keeps(Normalizer):
    """A third party's: it keeps the statistics that it is handed, and centres by the batch."""

    handed: ClassVar[
        dict
    ] = {}  # not its own: what a normalizer has on itself is taken for a setting

    def window(self, ages, valid, update_statistics):
        return NormWindow("training" if update_statistics else "plain")

    def normalize(self, z, mode, inputs):
        return z - z.mean(0), (z.mean(0),) if mode == "training" else ()

    def accumulate(self, statistics, mode, inputs):
        self.handed.setdefault(id(self), []).extend(statistics)


def test_statistics_are_a_normalizers_to_keep(stood):
    layer = made(Keeps)
    course(layer, directly)
    assert stood
    handed = Keeps.handed[id(layer.norms.site("recurrent"))]
    assert len(handed) == len(COURSE)
    assert len({t.data_ptr() for t in handed}) == len(COURSE)
    again = made(Keeps)
    course(again, through_autograd)
    for one_of, other in zip(handed, Keeps.handed[id(again.norms.site("recurrent"))], strict=True):
        assert torch.allclose(one_of, other, atol=1e-6)


class ByAge(Normalizer):
    """A third party's that scales by the age: its program reads what it says of a window."""

    def window(self, ages, valid, update_statistics):
        return NormWindow("plain", (ages.to(torch.float32) / 100,))

    def normalize(self, z, mode, inputs):
        (age,) = inputs
        return z * (1 + age.unsqueeze(-1)), ()


def test_what_is_read_of_a_window_is_read_of_each(stood):
    layer = made(ByAge)
    first, later = (one(layer, age) for age in (0, 50))
    assert same(first, one(layer, 0))
    assert same(later, one(layer, 50))
    assert not same(first, later)
    assert not stood


class Counting(Normalizer):
    """A third party's that counts how often it is asked of a window."""

    asked = 0

    def window(self, ages, valid, update_statistics):
        type(self).asked += 1
        return NormWindow("plain")

    def normalize(self, z, mode, inputs):
        return z * 0.5, ()


@pytest.mark.parametrize("run", [directly, through_autograd])
def test_a_normalizer_is_asked_once_a_window(run, monkeypatch):
    monkeypatch.setattr(Counting, "asked", 0)
    layer = made(Counting)
    course(layer, run)
    assert Counting.asked == len(COURSE) * len(layer.norms)
    with torch.no_grad():
        state = layer.cell.initial_state(B)
        for _ in range(4):
            layer(torch.ones(T, B, F), state, state, masks(0), (T,), False)
    assert Counting.asked == (len(COURSE) + 4) * len(layer.norms)


class CountsOnItself(Normalizer):
    """A third party's that counts its windows in an attribute, which its step may read."""

    def __init__(self, width):
        super().__init__(width)
        self.windows_seen = 0

    def normalize(self, z, mode, inputs):
        return z * 0.5, (z.mean(0),)

    def accumulate(self, statistics, mode, inputs):
        self.windows_seen += 1


def test_an_attribute_that_changes_with_every_window_is_named_and_fills_no_memory(monkeypatch):
    monkeypatch.setattr(plan, "KEPT", 3)
    layer = made(CountsOnItself)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(8):
            one(layer)
    said = [str(w.message) for w in told]
    assert len(said) == 1
    assert said[0].startswith(
        "the attribute 'windows_seen' of CountsOnItself changes from window to window (2, then 3)"
    )
    assert len(plan._plans[layer.cell][layer.norms]) == 3


@pytest.mark.parametrize("norm", NORMS)
def test_at_inference_results_are_those_of_the_eager_loop(norm, stood):
    layer = made(norm)
    course(layer, directly)
    eager = copy.deepcopy(layer)
    eager.backend = "eager"
    stood.clear()
    with torch.no_grad():
        for i in range(4):
            state = layer.cell.initial_state(B)
            x = torch.randn(T, B, F)
            found, expected = (
                each(x, state, state, masks(i * T), (T,), False) for each in (layer, eager)
            )
            assert torch.allclose(found.outputs, expected.outputs, atol=1e-5)
            for a, b in zip(found.states[T], expected.states[T], strict=True):
                assert torch.allclose(a, b, atol=1e-5)
    assert bool(stood) is (norm in ("layer", "rms"))


def test_nothing_outlives_a_layer_with_normalizers(stood):
    layer = made("batch")
    for _ in range(3):
        one(layer)
    assert stood
    gone = [weakref.ref(layer.cell), weakref.ref(layer.norms)]
    del layer
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
