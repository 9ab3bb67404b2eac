"""The compiled chunks against the eager loop in float64: numbers, gradients, statistics, refusals."""

from __future__ import annotations

import copy
from typing import NamedTuple

import pytest
import torch
from torch._dynamo.utils import counters

from memcell.backends import Layer, StepMasks
from memcell.backends.eager import unroll_eager
from memcell.backends.inductor import cache
from memcell.backends.inductor.chunk import ChunkOutput
from memcell.backends.inductor.unroll import inductor_reason, unroll_inductor
from memcell.errors import PluginError, UsageError
from memcell.plugins import default_registry
from memcell.recurrent.cell import Cell
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.state import leaves, map_state
from memcell.recurrent.window_call import WindowCall

B, F, H, K = 6, 3, 4, 3
CELLS = default_registry().names("cell")
NORMS = default_registry().names("normalizer")
GPU_PAIRS = [("lstm97", "none"), ("rnn", "batch")]


def build(cell, norm="none"):
    registry = default_registry()
    entry = registry.get("cell", cell)
    made = entry.build(F, H, entry.config({}))
    return layered(made, norm)


def layered(made, norm="none"):
    n = default_registry().get("normalizer", norm)
    options = n.config({"min_lanes": 2} if "batch" in norm else {})
    layer = Layer(made, None if norm == "none" else lambda w: n.build(w, options)).double()
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape, generator=g, dtype=p.dtype) * 0.5)
    return layer


def window(steps, seed=0, marked=True):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(steps, B, F, generator=g, dtype=torch.float64)
    resets = (torch.rand(steps, B, generator=g) < 0.15) & marked
    valid = torch.ones(steps, B, dtype=torch.bool)
    if marked:
        valid[steps // 2 :, 1] = False
        valid[1:, 4] = False
    return x, StepMasks.of(resets, valid, torch.tensor([0, 0, 7, 0, 1, 7]))


def random_state(layer, seed):
    g = torch.Generator().manual_seed(seed)
    zero = layer.cell.initial_state(B, dtype=torch.float64)
    return map_state(
        lambda t: torch.randn(t.shape, generator=g, dtype=torch.float64).mul(0.3).requires_grad_(),
        zero,
    )


def run(way, layer, x, masks, return_steps, update_statistics=True, **options):
    """Outputs, kept states, every gradient and every statistic."""
    layer = copy.deepcopy(layer) if way is unroll_eager else layer
    device = next(layer.parameters()).device
    x = x.detach().to(device).requires_grad_()
    state, initial_state = (
        map_state(lambda t: t.detach().to(device).requires_grad_(), random_state(layer, s))
        for s in (1, 2)
    )
    call = WindowCall(
        layer.cell, layer.norms, x, state, initial_state, masks, return_steps, update_statistics
    )
    out, states = way(call, **options)
    out = out * masks.valid.unsqueeze(-1)  # padded outputs mean nothing
    kept = [t for step in sorted(return_steps) for t in leaves(states[step])]
    loss = out.pow(2).sum() + sum((t.sin() * (1 + i)).sum() for i, t in enumerate(kept))
    layer.zero_grad()
    loss.backward()
    grads = [p.grad for p in layer.parameters()]
    grads += [t.grad for t in [x, *leaves(state), *leaves(initial_state)]]
    return [out, *kept, *grads, *[b.clone() for b in layer.buffers()]]


def same(got, wanted, tolerance=1e-10):
    for a, b in zip(got, wanted, strict=True):
        if a is None or b is None:  # no gradient and a gradient of 0 are the same
            assert (a is b) or not (b if a is None else a).any()
        else:
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance / 100)


def compare(layer, steps, return_steps, marked=True, seed=0, **options):
    x, masks = window(steps, seed, marked)
    wanted = run(unroll_eager, layer, x, masks, return_steps)
    same(run(unroll_inductor, layer, x, masks, return_steps, chunk=K, **options), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("cell", CELLS)
def test_inductor_equals_eager_loop(cell, norm):
    # 11 steps: three whole chunks, and a rest that is filled up
    compare(build(cell, norm), 11, (0, 11))


@pytest.mark.slow
def test_no_other_length_compiles_again_and_no_rest_is_wrong():
    layer = build("rnn")
    compare(layer, 2 * K, (2 * K,), marked=False)
    compare(layer, 2 * K, (2 * K,), marked=True)
    before = dict(cache._compiled[layer.cell])
    compiled_frames = dict(torch._dynamo.utils.counters["stats"])
    for steps in (1, 2, 3, 4, 5, 6, 7, 13, 23):
        compare(layer, steps, (steps,), marked=False, seed=steps)
        compare(layer, steps, (steps,), marked=True, seed=steps)
    assert cache._compiled[layer.cell] == before
    assert dict(torch._dynamo.utils.counters["stats"]) == compiled_frames


@pytest.mark.slow
def test_states_in_the_middle_of_a_chunk():
    compare(build("rnn"), 9, (0, 3, 4, 6, 9))


@pytest.mark.slow
def test_weights_may_change_between_calls():
    layer = build("rnn")
    compare(layer, 2 * K, (2 * K,), marked=False)
    with torch.no_grad():
        for p in layer.parameters():
            p.mul_(-0.7)
    compare(layer, 2 * K, (2 * K,), marked=False)
    for p in layer.parameters():
        p.data = p.data * 1.3
    compare(layer, 2 * K, (2 * K,), marked=False)


@pytest.mark.parametrize("way", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("norm", ["none", pytest.param("batch", marks=pytest.mark.slow)])
def test_inference(norm, way):
    layer = build("rnn", norm).eval()
    x, masks = window(9)
    with way():
        zero = layer.cell.initial_state(B, dtype=torch.float64)
        arguments = (layer.cell, layer.norms, x, zero, zero, masks, (9,), False)
        out, states = unroll_inductor(WindowCall(*arguments), chunk=K)
        wanted, states_wanted = unroll_eager(WindowCall(*arguments))
    same([out, *states[9]], [wanted, *states_wanted[9]])
    assert not out.requires_grad


@pytest.mark.slow
def test_a_cell_that_is_gone_leaves_nothing_behind():
    import gc

    layer = build("rnn")
    x, masks = window(K, marked=False)
    zero = layer.cell.initial_state(B, dtype=torch.float64)
    count = len(cache._compiled)
    with torch.no_grad():
        unroll_inductor(
            WindowCall(layer.cell, layer.norms, x, zero, zero, masks, (), False), chunk=K
        )
    assert len(cache._compiled) == count + 1
    del layer
    gc.collect()
    assert len(cache._compiled) == count


@pytest.mark.slow
def test_the_compilers_settings_stay_as_they_were():
    before = torch._dynamo.config.get_config_copy(), torch._inductor.config.get_config_copy()
    layer = build("rnn")
    compare(layer, 5, (5,), marked=False)
    assert torch._dynamo.config.get_config_copy() == before[0]
    assert torch._inductor.config.get_config_copy() == before[1]


class HState(NamedTuple):
    h: torch.Tensor


class Hostile(Cell):
    """A sum, and something that a step must not do."""

    state_type = HState

    def __init__(self, crime):
        super().__init__(F, H)
        self.weight = torch.nn.Parameter(torch.zeros(H, F))
        self.crime, self.seen, self.count = crime, [], 0

    @property
    def state_spec(self):
        return {"h": (H,)}

    def project(self, x):
        return x @ self.weight.t()

    def step(self, p, state, norm):
        h = torch.tanh(state.h + p)
        if self.crime == "random":
            h = h * torch.rand_like(h)
        elif self.crime == "dropout":
            h = torch.nn.functional.dropout(h, 0.5)
        elif self.crime == "branch" and h.sum() > 0:
            h = h * 2
        elif self.crime == "in place":
            state.h.mul_(0.5)
        elif self.crime == "list":
            self.seen.append(h)
        elif self.crime == "count":
            self.count += 1
        elif self.crime == "numpy":
            h = h + torch.from_numpy(p.detach().numpy().copy())
        return h, HState(h)


CRIMES = ["random", "dropout", "branch", "in place", "list", "count"]


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("cell", CELLS)
def test_inductor_accepts_built_in_cells(cell, norm):
    layer = build(cell, norm)
    assert inductor_reason(layer.cell, layer.norms) is None


@pytest.mark.parametrize("crime", CRIMES)
def test_a_hostile_step_is_refused_with_the_reason(crime):
    layer = layered(Hostile(crime))
    x, masks = window(2 * K)
    zero = layer.cell.initial_state(B, dtype=torch.float64)
    for _ in range(2):
        with pytest.raises(Unsupported, match="step"):
            unroll_inductor(
                WindowCall(layer.cell, layer.norms, x, zero, zero, masks, (), True), chunk=K
            )
    assert layer.cell.count == 0
    assert "step" in inductor_reason(layer.cell, layer.norms)


def test_what_the_compiler_cannot_do_is_said_and_not_tried_again(monkeypatch):
    layer = layered(Hostile(""))
    x, masks = window(K)
    zero = layer.cell.initial_state(B, dtype=torch.float64)
    tried = []

    def broken(*_, **__):
        tried.append(1)
        raise RuntimeError("no C++ compiler found")

    monkeypatch.setattr(cache, "_compile", lambda device: broken)
    for _ in range(3):
        with pytest.raises(Unsupported, match="no C"):
            unroll_inductor(
                WindowCall(layer.cell, layer.norms, x, zero, zero, masks, (), True), chunk=K
            )
    assert len(tried) == 1


def test_a_norm_site_that_is_asked_for_twice_is_the_cells_error_not_the_compilers():
    class Twice(Hostile):
        @property
        def norm_sites(self):
            return {"z": H}

        def step(self, p, state, norm):
            h = norm("z", norm("z", p))
            return h, HState(h)

    layer = layered(Twice(""), "layer")
    x, masks = window(K)
    zero = layer.cell.initial_state(B, dtype=torch.float64)
    with pytest.raises(PluginError, match="asked twice"):
        unroll_inductor(
            WindowCall(layer.cell, layer.norms, x, zero, zero, masks, (), True), chunk=K
        )


@pytest.mark.slow
def test_the_backward_is_compiled_with_the_forward(monkeypatch):
    """What the compiler refuses comes out before anything has happened, not in the middle of an update."""
    layer = build("cec")
    x, masks = window(K)
    state = random_state(layer, 1)
    out, _ = unroll_inductor(
        WindowCall(layer.cell, layer.norms, x, state, state, masks, (), True), chunk=K
    )

    def fail(*_):
        raise AssertionError("it is compiled only now")

    monkeypatch.setattr(torch._inductor.compile_fx, "_compile_fx_inner", fail)
    out.square().sum().backward()
    assert layer.cell.weight_recurrent.grad.abs().sum() > 0


def test_a_window_that_begins_afresh_is_compiled_once():
    """Its first chunk is given one tensor as state and as initial state, the next ones two."""
    layer = build("rnn")
    x, masks = window(3 * K, marked=False)
    zero = layer.cell.initial_state(B, dtype=torch.float64)
    before = counters["stats"]["unique_graphs"]
    with torch.no_grad():
        args = (layer.cell, layer.norms, x, zero, zero, masks, (), False)
        unroll_inductor(WindowCall(*args), chunk=K)
    assert counters["stats"]["unique_graphs"] == before + 1


def test_what_leaves_the_pool_of_a_cuda_graph_is_a_copy_with_its_gradient():
    h = torch.randn(2, 3, requires_grad=True)
    done = ChunkOutput(h * 1, HState(h * 2), None, ((h.detach(),), ()))
    copied = cache._out_of_the_pool(done)
    assert type(copied.state) is HState
    assert copied.states is None
    for got, wanted in zip(
        [copied.outputs, copied.state.h, copied.statistics[0][0]],
        [done.outputs, done.state.h, done.statistics[0][0]],
        strict=True,
    ):
        assert torch.equal(got, wanted)
        assert got.data_ptr() != wanted.data_ptr()
    assert torch.autograd.grad(copied.state.h.sum(), h)[0].unique() == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize(("cell", "norm"), GPU_PAIRS)
def test_it_equals_the_eager_loop_on_a_gpu(cell, norm):
    layer = build(cell, norm).cuda()
    for seed in range(3):  # warm-up, recording, replay of the CUDA graphs
        x, masks = window(11, seed)
        masks = StepMasks.of(
            masks.resets.cuda(), masks.valid.cuda(), torch.tensor([0, 0, 7, 0, 1, 7]).cuda()
        )
        wanted = run(unroll_eager, layer, x.cuda(), masks, (0, 11))
        same(run(unroll_inductor, layer, x.cuda(), masks, (0, 11), chunk=K), wanted)


def test_a_window_without_compiled_chunks_has_a_gradient_of_its_gradient():
    layer = build("rnn")
    x, masks = window(5)
    x.requires_grad_()
    state = layer.cell.initial_state(B, dtype=torch.float64)
    second = []
    for unroll in (unroll_inductor, unroll_eager):
        output, _ = unroll(WindowCall(layer.cell, layer.norms, x, state, state, masks, (5,), False))
        (first,) = torch.autograd.grad(output.sum(), x, create_graph=True)
        second.append(torch.autograd.grad(first.square().sum(), x)[0])
    torch.testing.assert_close(*second)


@pytest.mark.slow
def test_a_gradient_of_the_gradient_is_refused_in_words():
    layer = build("rnn")
    x, masks = window(16)
    x.requires_grad_()
    state = layer.cell.initial_state(B, dtype=torch.float64)
    output, _ = unroll_inductor(
        WindowCall(layer.cell, layer.norms, x, state, state, masks, (16,), False)
    )
    with pytest.raises(UsageError, match=r"create_graph=True.*--backend eager"):
        torch.autograd.grad(output.sum(), x, create_graph=True)
    layer = Layer(layer.cell, None, "inductor")
    torch.autograd.grad(layer(x, state, state, masks, (16,), False).outputs.sum(), x)
