"""A layer under torch.func, and windows without steps or lanes: that window only, equal to the eager loop."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.func import functional_call, grad, jacrev, jvp, vmap

from memcell.backends import BackendWarning, Layer, RecurrentStack, StepMasks
from memcell.plugins import default_registry
from memcell.testing.cells.made import initialize
from memcell_compiler.backend import NativeBackend

T, B, F, H = 5, 3, 2, 4
WAYS = ("auto", "native", "inductor", "eager")


def layer_of(way, cell="gru", normalizer=None):
    registry = default_registry()
    entry = registry.get("cell", cell)
    made = entry.build(F, H, entry.config({}))
    torch.manual_seed(0)
    initialize(made)
    build = None
    if normalizer is not None:
        found = registry.get("normalizer", normalizer)
        build = lambda width: found.build(width, found.config({}))  # noqa: E731
    return Layer(made, build, way).double()


def marks_of(steps=T, lanes=B):
    resets = torch.zeros(steps, lanes, dtype=torch.bool)
    if steps > 2 and lanes:
        resets[2, 0] = True
    return StepMasks.of(resets, torch.ones_like(resets), torch.zeros(lanes, dtype=torch.int64))


def output(layer, x, weights=None):
    state = layer.cell.initial_state(x.shape[1], dtype=x.dtype)
    masks = marks_of(*x.shape[:2])
    call = (x, state, state, masks, (), False)
    found = layer(*call) if weights is None else functional_call(layer, weights, call)
    return found.outputs


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", BackendWarning)
        yield


def ran_natively(layer, monkeypatch):
    """Whether the layer's next plain window runs as generated C."""
    seen = []
    real = NativeBackend.run

    def spy(*args):
        seen.append(args)
        return real(*args)

    monkeypatch.setattr(NativeBackend, "run", spy)
    output(layer, torch.randn(T, B, F, dtype=torch.float64))
    monkeypatch.undo()
    return bool(seen) and not layer._refused


TRANSFORMS = {
    "grad": lambda layer, x: grad(lambda x: output(layer, x).square().sum())(x),
    "jacrev": lambda layer, x: jacrev(lambda x: output(layer, x)[-1])(x),
    "jvp": lambda layer, x: jvp(lambda x: output(layer, x), (x,), (x.cos(),))[1],
    "vmap": lambda layer, x: vmap(lambda x: output(layer, x))(torch.stack([x, -x, x * 2])),
    "weights": lambda layer, x: grad(
        lambda w: output(layer, x, {**dict(layer.named_parameters()), "cell.weight_input": w}).sum()
    )(layer.cell.weight_input.detach() * 2),
    "hessian": lambda layer, x: torch.func.hessian(lambda x: output(layer, x)[-1].sum())(x),
    "functional": lambda layer, x: torch.autograd.functional.jacobian(
        lambda x: output(layer, x)[-1], x
    ),
    "forward_ad": lambda layer, x: forward_mode(layer, x),
}


def forward_mode(layer, x):
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, x.cos())
        return torch.autograd.forward_ad.unpack_dual(output(layer, dual)).tangent


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("normalizer", [None, "layer"])
def test_transforms_equal_the_eager_loop(transform, normalizer, monkeypatch):
    x = torch.randn(T, B, F, dtype=torch.float64)
    layer, reference = layer_of("auto", "gru", normalizer), layer_of("eager", "gru", normalizer)
    wanted = TRANSFORMS[transform](reference, x)
    torch.testing.assert_close(TRANSFORMS[transform](layer, x), wanted, rtol=1e-9, atol=1e-9)
    assert ran_natively(layer, monkeypatch)


def test_replaced_weights_are_used_and_get_gradients():
    layer, reference = layer_of("auto"), layer_of("eager")
    x = torch.randn(T, B, F, dtype=torch.float64)
    found = []
    for each in (layer, reference):
        weights = {n: (p.detach() * 1.5).requires_grad_() for n, p in each.named_parameters()}
        y = output(each, x, weights)
        found.append([y, *torch.autograd.grad(y.square().sum(), list(weights.values()))])
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("steps", "lanes"), [(0, B), (T, 0), (0, 0)])
@pytest.mark.parametrize("normalizer", [None, "batch"])
def test_windows_without_steps_or_lanes_are_empty(way, steps, lanes, normalizer, monkeypatch):
    layer = layer_of(way, "lstm", normalizer)
    before = {n: b.clone() for n, b in layer.named_buffers()}
    x = torch.randn(steps, lanes, F, dtype=torch.float64, requires_grad=True)
    state = layer.cell.initial_state(lanes, dtype=torch.float64)
    state = type(state)(*(s.requires_grad_() for s in state))
    found = layer(x, state, state, marks_of(steps, lanes), (0, steps), True)
    assert found.outputs.shape == (steps, lanes, H)
    assert [s.shape for s in found.states[steps]] == [(lanes, H)] * 2
    found.outputs.sum().backward()
    assert x.grad is not None
    assert not x.grad.any()
    assert all(p.grad is None or not p.grad.any() for p in layer.parameters())
    for name, buffer in layer.named_buffers():
        assert torch.equal(buffer, before[name])
    if way in ("auto", "native"):
        assert ran_natively(layer, monkeypatch)


def test_a_stack_runs_windows_without_steps():
    second = layer_of("auto")
    second.cell = type(second.cell)(H, H).double()
    stack = RecurrentStack([layer_of("auto"), second])
    state = stack.initial_state(B, dtype=torch.float64)
    x = torch.randn(0, B, F, dtype=torch.float64)
    found = stack(x, state, state, marks_of(0, B), (0,))
    assert found.outputs.shape == (0, B, H)


def test_mixed_precision_of_one_window_is_of_that_window(monkeypatch):
    layer = layer_of("native")
    x = torch.randn(T, B, F, dtype=torch.float64)
    with warnings.catch_warnings(), torch.autocast("cpu", dtype=torch.bfloat16):
        warnings.simplefilter("ignore")
        output(layer, x)
    assert ran_natively(layer, monkeypatch)
