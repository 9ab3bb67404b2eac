"""Error against lag, for cells whose factor is known."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from memcell_plugins.probes.gradient_flow import GradientFlow, judge


def flow_of(trainer, make_context, event):
    probe = GradientFlow(make_context(trainer), 2)
    probe.before_update(event, due=True)
    return probe.after_update(event, due=True)


@pytest.fixture
def window(make_trainer, event_after):
    """A window without restarts, of zeros, that begins with memory of zeros."""

    def make(cell, time_steps=20, **network):
        trainer = make_trainer(
            cell=cell, training={"time_steps": time_steps}, network=network, policy="reset"
        )
        event = event_after(trainer, 0)
        starts = torch.zeros_like(event.batch.starts)
        still = torch.zeros_like(event.batch.x)
        return (
            trainer,
            event,
            dataclasses.replace(
                event, batch=dataclasses.replace(event.batch, starts=starts, x=still)
            ),
        )

    return make


def test_through_the_carousel_error_flows_unchanged(window, make_context):
    trainer, event, _ = window(("cec", {"truncate": True, "squash_output": "scaled_sigmoid"}))
    values = flow_of(trainer, make_context, event)
    assert values["factor"]["0.s"] == 1.0
    assert values["factor"]["0"] == 1.0
    assert values["verdict"]["0"] == "constant"
    assert values["verdict"]["0.h"] == "no flow"  # cut, as in the paper
    assert len(set(values["flow"]["0.s"])) == 1


@pytest.mark.parametrize(("gain", "verdict"), [(0.5, "vanishing"), (1.5, "blow-up")])
def test_a_linear_network_multiplies_by_its_gain(window, make_context, gain, verdict):
    """At h = 0 and U = gain times a rotation, d h_t / d h_{t-1} is exactly that."""
    trainer, _, still = window("rnn")
    cell = trainer.network.recurrent.layers[0].cell
    with torch.no_grad():
        torch.nn.init.orthogonal_(cell.weight_recurrent)
        cell.weight_recurrent.mul_(gain)
        cell.bias.zero_()
    values = flow_of(trainer, make_context, still)
    assert values["factor"]["0"] == pytest.approx(gain, rel=1e-5)
    assert values["verdict"]["0"] == verdict
    assert values["flow"]["0"] == pytest.approx([gain**q for q in range(20)], rel=1e-4)
    assert values["bound"] == pytest.approx([gain**q for q in range(20)], rel=1e-4)
    assert values["jacobian_factor"] == pytest.approx(gain, rel=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "lstm97"])
@pytest.mark.parametrize("layers", [1, 2])
def test_no_flow_exceeds_the_product_bound(window, make_context, cell, layers):
    trainer, event, _ = window(cell, layers=layers)
    values = flow_of(trainer, make_context, event)
    top = str(layers - 1)
    assert set(values["factor"]) >= {top, *(f"{i}" for i in range(layers))}
    pairs = list(zip(values["bound_flow"], values["bound"], strict=True))
    assert len(pairs) == 20
    assert all(flow <= bound * (1 + 1e-4) for flow, bound in pairs)
    assert 0 < values["jacobian_factor"] < 5


def test_flow_is_that_of_one_long_chain_rule(window, make_context):
    """Against gradients by hand: a perturbation of the state at t - q."""
    trainer, event, _ = window("gru", time_steps=6)
    values = flow_of(trainer, make_context, event)
    network, batch, lanes = trainer.network, event.batch, values["lanes"]
    cell = network.recurrent.layers[0].cell
    assert values["step"] == 5
    norms = []
    for q in range(6):
        state, at = cell.initial_state(len(lanes)), None
        for t, p in enumerate(cell.project(batch.x[:, lanes]).unbind(0)):
            _, state = cell.step(p, state, lambda site, z: z)
            if t == 5 - q:
                at = type(state)(*(part.detach().requires_grad_() for part in state))
                state = at
        loss = torch.nn.functional.cross_entropy(
            network.readout(state.h), batch.y[5, lanes], reduction="sum"
        )
        (gradient,) = torch.autograd.grad(loss, list(at))
        norms.append(float(gradient.norm(dim=1).mean()))
    assert values["flow"]["0"] == pytest.approx([n / norms[0] for n in norms], rel=1e-4)


def test_what_cannot_be_judged_is_not():
    assert judge([1.0, 0.0, 0.0, 0.0]) == (None, "no flow")
    assert judge(None)[0] is None
    assert judge([1.0, 0.5]) == (None, "too few lags")
    assert judge([1.0, 0.9, 0.9])[1] == "constant"
