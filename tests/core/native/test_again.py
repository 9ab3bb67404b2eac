"""Backward asked for more than once, or for its own gradient, gives what the eager loop gives."""

from __future__ import annotations

import pytest
import torch

from memcell.backends import Layer
from memcell.recurrent.state import leaves

CASES = [("lstm", "none"), ("gru", "layer"), ("lstm", "batch")]


def window_of(agree, way, cell, norm, steps=6, lanes=5):
    """Return a layer, what gradients flow to, and its result: restarts, padding and kept states in it."""
    made = agree.cell(cell)
    layer = Layer(made, None, way)
    layer.norms = agree.norms(made, norm)
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        values = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return values.requires_grad_()

    zero = made.initial_state(lanes, dtype=torch.float64)
    x = draw(steps, lanes, 3)
    state, initial_state = (type(zero)(*(draw(*t.shape) for t in zero)) for _ in range(2))
    masks = agree.Window(steps, lanes, resets=True, padding=True).masks()
    result = layer(x, state, initial_state, masks, (2, steps), True)
    return layer, [x, *state, *initial_state, *layer.parameters()], result


def scalar(result):
    kept = sum(part.sin().sum() for state in result.states.values() for part in leaves(state))
    return result.outputs.square().sum() + kept


def close(got, wanted):
    for a, b in zip(got, wanted, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("cell", "norm"), CASES)
def test_gradient_penalty_equals_the_eager_loops(agree, cell, norm):
    found = {}
    for way in ("native", "eager"):
        _, inputs, result = window_of(agree, way, cell, norm)
        first = torch.autograd.grad(scalar(result), inputs, create_graph=True, allow_unused=True)
        penalty = sum(g.square().sum() for g in first if g is not None)
        second = torch.autograd.grad(penalty, inputs, allow_unused=True)
        found[way] = [*(None if g is None else g.detach() for g in first), *second]
    assert all(g is None or g.abs().sum() > 0 for g in found["eager"])
    close(found["native"], found["eager"])


def test_third_derivatives_equal_the_eager_loops(agree):
    found = {}
    for way in ("native", "eager"):
        _, inputs, result = window_of(agree, way, "gru", "none")
        value = scalar(result)
        for _ in range(2):
            (gradient,) = torch.autograd.grad(value, inputs[0], create_graph=True)
            value = gradient.pow(3).sum()
        found[way] = torch.autograd.grad(value, inputs, allow_unused=True)
    close(found["native"], found["eager"])


def test_backward_of_a_kept_graph_gives_the_same_again(agree):
    _, inputs, result = window_of(agree, "native", "lstm", "layer")
    first = torch.autograd.grad(scalar(result), inputs, retain_graph=True, allow_unused=True)
    second = torch.autograd.grad(scalar(result), inputs, retain_graph=True, allow_unused=True)
    close(second, first)


def test_running_statistics_are_those_of_the_window_when_it_runs_again(agree):
    layer, inputs, result = window_of(agree, "native", "lstm", "batch")
    layer.eval()
    result = layer(
        inputs[0], result.states[2], result.states[6], agree.Window(6, 5).masks(), (), False
    )
    first = torch.autograd.grad(result.outputs.square().sum(), inputs[0], retain_graph=True)
    for buffer in layer.buffers():
        buffer.zero_()
    close(torch.autograd.grad(result.outputs.square().sum(), inputs[0]), first)


def test_several_cotangents_at_once_equal_the_eager_loops(agree):
    found = {}
    for way in ("native", "eager"):
        _, inputs, result = window_of(agree, way, "gru", "none")
        basis = torch.eye(3, dtype=torch.float64).view(3, 3, 1, 1).expand(3, 3, 2, 4)
        some = result.outputs[:3, :2]
        found[way] = torch.autograd.grad(
            some, inputs, basis, is_grads_batched=True, allow_unused=True
        )
    close(found["native"], found["eager"])


def test_a_state_that_is_also_the_fresh_one_has_both_gradients(agree):
    found = {}
    for way in ("native", "eager"):
        made = agree.cell("lstm")
        state = type(made.initial_state(5))(
            *(torch.full((5, 4), 0.3, dtype=torch.float64, requires_grad=True) for _ in range(2))
        )
        x = torch.ones(6, 5, 3, dtype=torch.float64)
        masks = agree.Window(6, 5, resets=True).masks()
        outputs = Layer(made, None, way)(x, state, state, masks, (), True).outputs
        first = torch.autograd.grad(outputs.square().sum(), state, create_graph=True)
        found[way] = [*first, *torch.autograd.grad(sum(g.square().sum() for g in first), state)]
    close(found["native"], found["eager"])
