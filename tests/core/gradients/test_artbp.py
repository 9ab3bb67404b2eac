"""The randomly truncated, reweighted gradient is on average that of the whole sequence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from memcell.backends import Layer, RecurrentStack, StepMasks
from memcell.network.network import Network
from memcell.plugins import default_registry
from memcell.recurrent import CarriedState, ZeroStart
from memcell.recurrent.state import leaves
from memcell.sequences import TimeSeries
from memcell.training.gradients.flow import FlowScaled
from memcell.training.seeds import lengths_rng
from memcell_plugins.gradient_modes.artbp import ARTBP

STEPS, LANES, MEAN = 7, 2, 3


def cell_of(name, width=2, hidden=3):
    entry = default_registry().get("cell", name)
    torch.manual_seed(1)
    cell = entry.build(width, hidden, entry.config({})).double()
    for p in cell.parameters():
        nn.init.normal_(p, std=0.6)
    return cell


def network_of(factor, layers=2):
    """A tiny network in float64; its weights do not depend on the factor."""
    stack = []
    for width in (2, 3)[:layers]:
        cell = cell_of("rnn", width)
        stack.append(Layer(cell if factor is None else FlowScaled(cell, factor), None, "eager"))
    recurrent = RecurrentStack(stack)
    torch.manual_seed(2)
    return Network(nn.Identity(), recurrent, 2, ZeroStart(recurrent.initial_state(1))).double()


def gradient(network, edges):
    """The gradient of the summed loss, cut at the edges, with memory carried over them."""
    g = torch.Generator().manual_seed(3)
    x = torch.randn(STEPS, LANES, 2, generator=g, dtype=torch.float64)
    y = torch.randint(0, 2, (STEPS, LANES), generator=g)
    network.zero_grad()
    known = CarriedState(network.initial_state(LANES), torch.zeros(LANES, dtype=torch.int64))
    for start, stop in itertools.pairwise(edges):
        no = torch.zeros(stop - start, LANES, dtype=torch.bool)
        ran = network(
            x[start:stop],
            known,
            network.initial_state(LANES),
            no,
            ~no,
            return_steps=(stop - start,),
        )
        known = ran.states[stop - start]
        loss = nn.functional.cross_entropy(
            ran.logits.flatten(0, 1), y[start:stop].flatten(), reduction="sum"
        )
        torch.autograd.backward(loss)
    return torch.cat([p.grad.flatten() for p in network.parameters()])


def test_the_expected_gradient_is_the_whole_one():
    """Exactly: the mean over all 64 ways to truncate 7 steps, each with its probability."""
    c = 1 / MEAN
    network = network_of(1 / (1 - c))
    expected, plain = 0.0, 0.0
    for cuts in itertools.product([False, True], repeat=STEPS - 1):
        edges = [0, *(t for t, cut in enumerate(cuts, 1) if cut), STEPS]
        chance = c ** sum(cuts) * (1 - c) ** (STEPS - 1 - sum(cuts))
        expected = expected + chance * gradient(network, edges)
        plain = plain + chance * gradient(network_of(None), edges)
    whole = gradient(network_of(None), [0, STEPS])
    torch.testing.assert_close(expected, whole, rtol=1e-10, atol=1e-12)
    assert (plain - whole).abs().max() > 0.01, "without the factor it is biased"


def test_drawn_truncations_have_the_whole_gradient_as_their_mean():
    """With the mode's own lengths and cell, within four standard errors in every number."""
    mode = ARTBP(MEAN)
    wrapped = mode.cell(cell_of("rnn"))
    assert isinstance(wrapped, FlowScaled)
    network = network_of(wrapped.factor)
    data = [
        TimeSeries(
            name="s",
            subject="p",
            features=np.zeros((STEPS, 2), np.float32),
            targets=np.zeros(STEPS, np.int64),
        )
    ]
    drawn = []
    for epoch in range(300):
        table = mode.table(data, 2, None, 0, lengths_rng(0, epoch))
        drawn.append(gradient(network, [*table.start.tolist(), STEPS]))
    values = torch.stack(drawn)
    error = values.std(0) / len(drawn) ** 0.5
    whole = gradient(network_of(None), [0, STEPS])
    assert ((values.mean(0) - whole).abs() <= 4 * error + 1e-12).all()
    assert (error > 0).any()


def test_a_window_of_one_step_has_nothing_to_scale():
    mode = ARTBP(1)
    cell = cell_of("rnn")
    assert mode.cell(cell) is cell


def unrolled(cell, unroll):
    g = torch.Generator().manual_seed(5)
    x = torch.randn(6, 3, 2, generator=g, dtype=torch.float64)
    resets = torch.rand(6, 3, generator=g) < 0.2
    valid = torch.ones(6, 3, dtype=torch.bool)
    valid[4:, 1] = False
    masks = StepMasks.of(resets, valid, torch.zeros(3, dtype=torch.int64))
    state = cell.initial_state(3, dtype=torch.float64)
    begin = type(state)(*(t.requires_grad_() for t in state))
    layer = Layer(cell, None, unroll)
    cell.zero_grad()
    outputs, states = layer(x, begin, cell.initial_state(3, dtype=torch.float64), masks, (6,), True)
    torch.autograd.backward(outputs[valid].square().sum())
    found = [*(p.grad.clone() for p in cell.parameters()), *(t.grad for t in begin)]
    return outputs.detach(), list(leaves(states[6])), found


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_the_scaled_cell_runs_as_generated_code_with_the_same_gradient(name, recwarn):
    cell = FlowScaled(cell_of(name), 1.5)
    ours, reference = unrolled(cell, "native"), unrolled(cell, "eager")
    assert not [w for w in recwarn if "does not run" in str(w.message)]
    for a, b in zip(
        [ours[0], *ours[1], *ours[2]], [reference[0], *reference[1], *reference[2]], strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_values_are_the_cells_own_to_the_bit_and_gradients_are_not(name):
    inner = cell_of(name)
    plain, scaled = unrolled(inner, "eager"), unrolled(FlowScaled(inner, 2.0), "eager")
    assert torch.equal(plain[0], scaled[0])
    assert any(not torch.allclose(a, b) for a, b in zip(plain[2], scaled[2], strict=True))
