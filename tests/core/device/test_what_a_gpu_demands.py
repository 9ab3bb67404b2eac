"""What torch's kernels for a GPU demand of their arguments, seen to on the way there."""

from __future__ import annotations

import pytest
import torch

from memcell.backends import Layer, StepMasks, Stepper
from memcell.backends.choose import candidates
from memcell.backends.torch_kernels import _flat, unroll_torch
from memcell.errors import UsageError
from memcell.plugins import default_registry
from memcell.probes.looking import _backend
from memcell.recurrent.state import leaves, map_state
from memcell.recurrent.window_call import WindowCall
from memcell.runs.setup import device_of, inference_device

REGISTRY = default_registry()
OWN = ("lstm", "gru", "rnn")
T, B, F, H = 5, 3, 4, 5


def built(name):
    entry = REGISTRY.get("cell", name)
    cell = entry.build(F, H, entry.config({}))
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in cell.parameters():
            p.copy_(torch.randn(p.shape, generator=g) * 0.3)
    return cell


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("name", OWN)
def test_cudnn_is_given_whole_states_and_told_when_a_backward_comes(name, grad, monkeypatch):
    """It raises for a state that is expanded over lanes, and in a backward unless it was told to train."""
    cell = built(name)
    form = cell.torch_form()
    kernel, seen = getattr(torch, form.name), []

    def spy(x, h, weights, biases, layers, dropout, train, *rest):
        seen.append((x, *(h if isinstance(h, tuple) else (h,)), train))
        return kernel(x, h, weights, biases, layers, dropout, train, *rest)

    monkeypatch.setattr(torch, form.name, spy)
    learned = map_state(lambda t: torch.full((1, H), 0.1).expand(B, H), cell.initial_state(B))
    resets = torch.zeros(T, B, dtype=torch.bool)
    resets[3, 1] = True
    masks = StepMasks.of(resets, torch.ones_like(resets), torch.zeros(B, dtype=torch.int64))
    with torch.set_grad_enabled(grad):
        x = torch.randn(T, B, F)
        layer = Layer(cell, None)
        unroll_torch(form, WindowCall(cell, layer.norms, x, learned, learned, masks, (T,)))
    assert len(seen) == 2
    for _, *states, train in seen:
        assert all(t.is_contiguous() for t in states)
        assert train is grad


@pytest.mark.parametrize("name", OWN)
def test_weights_in_one_buffer_are_the_same_weights(name):
    """In cuDNN's order: of the input, recurrent, and the two biases, without a gap."""
    weights = built(name).torch_form().weights
    flat = _flat(weights)
    first = flat[0].untyped_storage().data_ptr()
    assert {w.untyped_storage().data_ptr() for w in flat} == {first}
    assert flat[0].untyped_storage().nbytes() == sum(w.numel() for w in weights) * 4
    offset = 0
    for w, f in zip(weights, flat, strict=True):
        assert torch.equal(w, f)
        assert f.is_contiguous()
        assert f.storage_offset() == offset
        offset += f.numel()
    factors = [torch.randn_like(w) for w in weights]
    sums = [sum((a * b).sum() for a, b in zip(ws, factors, strict=True)) for ws in (weights, flat)]
    parameters = [w for w in weights if w.is_leaf and w.requires_grad]
    one, other = (torch.autograd.grad(s, parameters) for s in sums)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b)


def test_a_probe_leaves_cuda_graphs_alone():
    """It looks between a forward and its backward: graphs replayed there would spoil the gradient."""
    gpu = torch.device("cuda")
    assert _backend("auto", False, gpu) == _backend("inductor", False, gpu) == "torch"
    assert "compiled" not in candidates("torch", "cuda")
    assert _backend("eager", False, gpu) == _backend("auto", True, gpu) == "eager"
    assert _backend("auto", False, torch.device("cpu")) == "auto"


@pytest.mark.parametrize("norm", REGISTRY.names("normalizer"))
@pytest.mark.parametrize("cell", REGISTRY.names("cell"))
def test_every_cell_with_every_normalizer_stays_on_its_device(elsewhere, cell, norm):
    """Outputs, states and gradients there are those of the CPU, and nothing is mixed on the way."""
    n = REGISTRY.get("normalizer", norm)
    options = n.config({"min_lanes": 2} if "batch" in norm else {})
    found = []
    for place in (torch.device("cpu"), elsewhere):
        made = built(cell)
        layer = Layer(made, None if norm == "none" else lambda w: n.build(w, options), "eager")
        layer.to(place)
        g = torch.Generator().manual_seed(1)
        x = torch.randn(T, B, F, generator=g).to(place).requires_grad_()
        resets = torch.zeros(T, B, dtype=torch.bool)
        resets[3, 1] = True
        valid = torch.ones_like(resets)
        valid[4:, 2] = False
        age = torch.tensor([0, 4, 0])
        masks = StepMasks.of(resets.to(place), valid.to(place), age.to(place))
        zero = made.initial_state(B, device=place, dtype=torch.float32)
        numbers = []
        for update_statistics in (True, False):
            out, states = layer(x, zero, zero, masks, (2, T), update_statistics)
            end = [t for k in (2, T) for t in leaves(states[k])]
            loss = out.square().mean() + sum(t.sin().mean() for t in end)
            wanted = [x, *layer.parameters()]
            numbers += [out, *end, *torch.autograd.grad(loss, wanted, allow_unused=True)]
        numbers += list(layer.buffers())
        assert all(t is None or t.device == place for t in numbers)
        found.append([None if t is None else t.detach().cpu() for t in numbers])
    for a, b in zip(*found, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_single_steps_are_run_where_the_weights_are(elsewhere, norm):
    n = REGISTRY.get("normalizer", norm)
    found = []
    for place in (torch.device("cpu"), elsewhere):
        build = None if norm == "none" else lambda w: n.build(w, n.config({}))
        layer = Layer(built("gru"), build, "auto")
        layer.to(place)
        stepper = Stepper(layer, 2)
        assert bool(stepper.reason) == (place == elsewhere)
        xs = torch.linspace(-1, 1, 3 * 2 * F).view(3, 2, F)
        found.append([stepper.step(x.to(place)).cpu().clone() for x in xs])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_what_was_trained_on_a_gpu_is_used_without_one(make_config):
    config = make_config(training={"device": "cuda", "mixed_precision": True})
    assert inference_device(config) == torch.device("cpu")
    with pytest.raises(UsageError, match="torch sees no GPU"):
        device_of(config)
    mixed = make_config(training={"device": "auto", "mixed_precision": True})
    assert device_of(mixed) == torch.device("cpu")
