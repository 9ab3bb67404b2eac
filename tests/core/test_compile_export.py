"""torch.compile and torch.export of what holds a layer: equal, compiled once, without a word."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import memcell
from memcell.backends import Layer, RecurrentStack, StepMasks
from memcell.plugins import default_registry
from memcell.recurrent.state import leaves
from memcell.testing.cells.made import initialize

T, B, F = 4, 3, 2


def stack_of(way: str, normalizer: str | None = None) -> RecurrentStack:
    registry = default_registry()
    entry = registry.get("cell", "lstm")
    torch.manual_seed(0)
    cells = [entry.build(F, 4, entry.config({})), entry.build(4, 4, entry.config({}))]
    build = None
    if normalizer is not None:
        norm = registry.get("normalizer", normalizer)
        build = lambda width: norm.build(width, norm.config({}))  # noqa: E731
    for cell in cells:
        initialize(cell)
    return RecurrentStack([Layer(c, build, way) for c in cells]).double()


class Model(torch.nn.Module):
    """A stack with a readout; marks are made inside, as `memcell.network.network.Network` makes them."""

    def __init__(self, way: str, normalizer: str | None = None) -> None:
        super().__init__()
        self.recurrent = stack_of(way, normalizer)
        self.readout = torch.nn.Linear(4, 2).double()

    def forward(self, x, resets, valid):
        age = torch.zeros(x.shape[1], dtype=torch.int64)
        masks = StepMasks.of(resets, valid, age)
        state = self.recurrent.initial_state(x.shape[1], dtype=x.dtype)
        out, states = self.recurrent(x, state, state, masks, (2, x.shape[0]), True)
        return self.readout(out), states


def draw(seed: int):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(T, B, F, generator=generator, dtype=torch.float64)
    resets = torch.rand(T, B, generator=generator) < 0.3
    valid = torch.rand(T, B, generator=generator) < 0.9
    return x, resets, valid


def numbers(model, call, args):
    x = args[0].requires_grad_()
    out, states = call(x, *args[1:])
    kept = [part for step in sorted(states) for part in leaves(states[step])]
    loss = out.square().sum() + sum(k.sin().sum() for k in kept)
    return [out, *kept, *torch.autograd.grad(loss, [x, *model.parameters()])]


@pytest.mark.parametrize("normalizer", [None, pytest.param("layer", marks=pytest.mark.slow)])
def test_a_compiled_model_equals_and_is_compiled_once(normalizer):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    model, reference = Model("auto", normalizer), Model("eager", normalizer)
    reference.load_state_dict(model.state_dict())
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for seed in range(10):  # more than torch compiles anew before it gives up
        got = numbers(model, compiled, draw(seed))
        wanted = numbers(reference, reference, draw(seed))
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@pytest.mark.slow
def test_an_exported_model_equals_with_other_numbers():
    model = Model("auto").eval()
    exported = torch.export.export(model, draw(0)).module()
    for seed in (0, 1):
        torch.testing.assert_close(exported(*draw(seed)), model(*draw(seed)))


def test_the_operation_keeps_torchs_rules():
    layer = stack_of("native").layers[0]
    state = layer.cell.initial_state(B, dtype=torch.float64)
    x, resets, valid = draw(3)
    masks = StepMasks.of(resets, valid, torch.zeros(B, dtype=torch.int64))
    tensors = [x, *layer.parameters(), *state, *state]
    tensors = [t.detach().clone().requires_grad_() for t in tensors]
    call = (layer.number, tensors, masks.resets, masks.valid, masks.ages, [T], True, False)
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(torch.ops.memcell.window.default, call, test_utils=checks)


@pytest.mark.slow
def test_inductor_prints_no_warnings():
    script = """
import sys; sys.path.insert(0, sys.argv[1])
from core.test_compile_export import *
model, reference = Model("auto"), Model("eager")
reference.load_state_dict(model.state_dict())
compiled = torch.compile(model)
for seed in range(10):
    wanted = numbers(reference, reference, draw(seed))
    torch.testing.assert_close(numbers(model, compiled, draw(seed)), wanted)
"""
    folder = str(__file__).rsplit("core", 1)[0]
    done = subprocess.run(
        [sys.executable, "-c", script, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Exception ignored" not in done.stderr
    assert "recompile" not in done.stderr


class OneWindow(torch.nn.Module):
    """A layer over windows with the same restarts and padding."""

    def __init__(self):
        super().__init__()
        self.layer = stack_of("auto").layers[0]
        _, resets, valid = draw(0)
        self.masks = StepMasks.of(resets, valid, torch.zeros(B, dtype=torch.int64))

    def forward(self, x):
        state = self.layer.cell.initial_state(B, dtype=x.dtype)
        return self.layer(x, state, state, self.masks, (T,), False).outputs


@pytest.mark.filterwarnings("ignore")  # torch calls its own recording deprecated
def test_a_recorded_model_computes_with_what_it_is_given():
    model = OneWindow()
    recorded = torch.jit.trace(model, draw(0)[0])
    x = draw(1)[0]
    torch.testing.assert_close(recorded(x), model(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("cell", "normalizer", "batch_first"),
    [("lstm", None, False), pytest.param("gru", "layer", True, marks=pytest.mark.slow)],
)
def test_a_compiled_layer_takes_windows_of_any_length(cell, normalizer, batch_first):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    torch.manual_seed(0)
    rnn = memcell.nn.Recurrent(
        cell, F, 4, 2, normalizer=normalizer, batch_first=batch_first, dtype=torch.float64
    )
    compiled = torch.compile(rnn, fullgraph=True, backend="aot_eager")
    state = expected_state = None
    # more lengths than torch compiles anew before it gives up
    for steps in (1, *range(3, 14), 40, 2):
        x = torch.randn(steps, B, F, dtype=torch.float64)
        x = x.transpose(0, 1) if batch_first else x
        y, state = compiled(x, state)
        expected, expected_state = rnn(x, expected_state)
        torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-9)
        assert state.age.tolist() == expected_state.age.tolist()
        got, wanted = (
            torch.autograd.grad(out.square().sum(), list(rnn.parameters()), allow_unused=True)
            for out in (y, expected)
        )
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)
        state, expected_state = state.detach(), expected_state.detach()
    # without a state and with one, of one step and of several
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 4
