"""On a GPU: every cell with every normalizer, CUDA graphs, cuDNN and training, against the CPU.

``docs/results/gpu.sh`` runs this file and the benchmark where there is one.
"""

from __future__ import annotations

import warnings

import pytest
import torch

from memcell.backends import Layer, StepMasks
from memcell.backends.eager import unroll_eager
from memcell.backends.inductor import cache
from memcell.backends.inductor.unroll import unroll_inductor
from memcell.backends.torch_kernels import unroll_torch
from memcell.plugins import default_registry
from memcell.recurrent.state import leaves, map_state
from memcell.recurrent.window_call import WindowCall

if not torch.cuda.is_available():
    pytest.skip("NOT RUN: torch sees no GPU here", allow_module_level=True)

REGISTRY = default_registry()
GPU = torch.device("cuda")
#: Two chunks of K and a rest that is filled up. A chunk is compiled for seconds, in one form where states
#: within it are wanted and in another where not, and once more for inference.
K, T, B, F, H = 3, 8, 6, 3, 8
#: The states that are wanted: within every chunk, or only the last.
WITHIN, LAST = (0, 2, 4, 7, T), (T,)


def built(cell, norm="none", seed=0):
    entry, n = REGISTRY.get("cell", cell), REGISTRY.get("normalizer", norm)
    made = entry.build(F, H, entry.config({}))
    options = n.config({"min_lanes": 2} if "batch" in norm else {})
    layer = Layer(made, None if norm == "none" else lambda w: n.build(w, options)).double()
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape, generator=g, dtype=p.dtype) * 0.5)
    return layer


def window(seed, marked=True):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(T, B, F, generator=g, dtype=torch.float64)
    resets = (torch.rand(T, B, generator=g) < 0.15) & marked
    valid = torch.ones(T, B, dtype=torch.bool)
    if marked:
        valid[5:, 1] = False
        valid[1:, 4] = False
    return x, resets, valid, torch.tensor([0, 0, 7, 0, 1, 7])


def states_of(layer, seed, place, expanded=False):
    g = torch.Generator().manual_seed(seed)
    lanes = 1 if expanded else B
    zero = layer.cell.initial_state(lanes, dtype=torch.float64)
    drawn = map_state(
        lambda t: torch.randn(t.shape, generator=g, dtype=torch.float64).mul(0.3), zero
    )
    there = map_state(lambda t: t.to(place).requires_grad_(), drawn)
    return there, map_state(lambda t: t.expand(B, *t.shape[1:]), there) if expanded else there


def numbers(
    way, layer, given, place, return_steps=WITHIN, update_statistics=True, grad=True, expanded=False
):
    """Outputs, kept states, every gradient and every statistic, on the CPU."""
    x, resets, valid, age = given
    masks = StepMasks.of(resets.to(place), valid.to(place), age.to(place))
    x = x.to(place).requires_grad_()
    (first, state), (second, initial_state) = (states_of(layer, s, place, expanded) for s in (1, 2))
    with torch.set_grad_enabled(grad):
        out, kept = way(
            WindowCall(
                layer.cell,
                layer.norms,
                x,
                state,
                initial_state,
                masks,
                return_steps,
                update_statistics,
            )
        )
        out = out * masks.valid.unsqueeze(-1)  # padded outputs mean nothing
        end = [t for k in return_steps for t in leaves(kept[k])]
    found = [out, *end]
    if grad:
        loss = out.square().sum() + sum(t.sin().sum() for t in end)
        wanted = [x, *leaves(first), *leaves(second), *layer.parameters()]
        found += torch.autograd.grad(loss, wanted, allow_unused=True)
    found += list(layer.buffers())
    return [None if t is None else t.detach().cpu().clone() for t in found]


def same(got, wanted):
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        if a is None or b is None:  # no gradient is one of 0
            assert all(t is None or not t.any() for t in (a, b))
        else:
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def compiled(call):
    return unroll_inductor(call, chunk=K)


def own(call):
    return unroll_torch(call.cell.torch_form(), call)


@pytest.mark.parametrize("norm", REGISTRY.names("normalizer"))
@pytest.mark.parametrize("cell", REGISTRY.names("cell"))
def test_every_way_gives_what_the_eager_loop_gives_on_the_cpu(cell, norm):
    ways = [unroll_eager, compiled]
    asked = [{}, {"return_steps": LAST, "update_statistics": False, "grad": False}]
    if norm == "none":
        asked.append({"return_steps": LAST})
        ways += [own] if built(cell).cell.torch_form() is not None else []
    for way in ways:
        here, there = built(cell, norm), built(cell, norm).to(GPU)
        # warm-up, recording and replay of the CUDA graphs, with marks and without
        for seed in range(4):
            given = window(seed, marked=seed != 2)
            for options in asked:
                wanted = numbers(unroll_eager, here, given, torch.device("cpu"), **options)
                same(numbers(way, there, given, GPU, **options), wanted)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_cudnn_takes_a_learned_start_without_a_warning(cell):
    layer = built(cell)
    wanted = numbers(unroll_eager, layer, window(0), torch.device("cpu"), expanded=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(numbers(own, layer.to(GPU), window(0), GPU, expanded=True), wanted)


def test_what_auto_takes_on_a_gpu_is_said():
    assert built("lstm").to(GPU).runs.startswith("on torch's own kernel")
    assert built("lstm", "layer").to(GPU).runs.startswith("through Inductor")
    assert built("cifg").to(GPU).runs.startswith("through Inductor")
    with torch.autocast("cuda", torch.bfloat16):
        assert "float16" in built("lstm").to(GPU).runs


def test_mixed_precision_keeps_to_bfloat16():
    """Autocast would run cuDNN in float16."""
    layer = built("lstm").float().to(GPU)
    x, resets, valid, age = window(0)
    masks = StepMasks.of(resets.to(GPU), valid.to(GPU), age.to(GPU))
    zero = layer.cell.initial_state(B, device=GPU)
    with torch.autocast("cuda", torch.bfloat16):
        out, states = layer(x.float().to(GPU), zero, zero, masks, (T,), True)
    assert torch.float16 not in {out.dtype, *(t.dtype for t in leaves(states[T]))}
    out.float().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())


def test_graphs_are_recorded_once_and_none_is_skipped():
    """Whatever is marked in which chunk, a window goes the way of the one before it."""
    from torch._dynamo.utils import counters
    from torch._inductor.cudagraph_trees import get_manager

    counters.clear()
    layer, recorded = built("cifg", "layer").to(GPU), []
    for seed in range(8):
        numbers(compiled, layer, window(seed, marked=seed % 3 > 0), GPU)
        recorded.append(get_manager(0).new_graph_id().id - seed)  # asking counts as one
    assert counters["inductor"]["cudagraph_skips"] == 0
    assert recorded[-1] == recorded[4], f"graphs recorded after each window: {recorded}"


def test_windows_in_flight_keep_what_their_backward_needs():
    """Two layers forward before either goes backward, as in a network, and gradients used before the next."""
    here, there = (
        [built("cifg", seed=s).to(place) for s in (0, 1)] for place in (torch.device("cpu"), GPU)
    )
    for layers in (here, there):  # the second takes what the first gives
        layers[1].cell.weight_input = torch.nn.Parameter(
            torch.full((3 * H, H), 0.1, dtype=torch.float64, device=layers[0].cell.bias.device)
        )
    for seed in range(5):
        found = []
        for layers, place, way in (
            (here, torch.device("cpu"), unroll_eager),
            (there, GPU, compiled),
        ):
            x, resets, valid, age = window(seed)
            masks = StepMasks.of(resets.to(place), valid.to(place), age.to(place))
            x = x.to(place)
            for layer in layers:
                zero = layer.cell.initial_state(B, device=place, dtype=torch.float64)
                x, _ = way(WindowCall(layer.cell, layer.norms, x, zero, zero, masks, (T,), True))
            wanted = [p for layer in layers for p in layer.parameters()]
            grads = torch.autograd.grad((x * masks.valid.unsqueeze(-1)).square().sum(), wanted)
            found.append([x.detach().cpu(), *(g.cpu() for g in grads)])
        mask = window(seed)[2].unsqueeze(-1)
        found = [[f[0] * mask, *f[1:]] for f in found]
        same(found[1], found[0])


def test_another_number_of_steps_compiles_nothing_new():
    layer = built("cifg").to(GPU)
    for seed in range(2):
        numbers(compiled, layer, window(seed), GPU)
    before = len(cache._compiled[layer.cell])
    x, resets, valid, age = window(0)
    short = (x[: 2 * K], resets[: 2 * K], valid[: 2 * K])
    masks = StepMasks.of(*(t.to(GPU) for t in (*short[1:], age)))
    zero = layer.cell.initial_state(B, device=GPU, dtype=torch.float64)
    x = short[0].to(GPU)
    compiled(WindowCall(layer.cell, layer.norms, x, zero, zero, masks, (2 * K,), True))
    assert (
        len(cache._compiled[layer.cell]) <= before + 1
    )  # states within a chunk are not wanted here
