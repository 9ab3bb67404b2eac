"""The gradient of the whole and the Hessian, against what is computed in full."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from memcell.recurrent.policy import CarriedState
from memcell_plugins.probes.lanczos import lanczos
from memcell_plugins.probes.stuck import HessianProduct, Stuck


def matrix(values, seed=0):
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.standard_normal((len(values), len(values))))
    return torch.from_numpy(turn @ np.diag(values) @ turn.T)


def test_lanczos_finds_the_ends_of_a_spectrum():
    values = np.concatenate([[-3.0], np.linspace(-0.5, 4, 59)])
    a = matrix(values)
    found = lanczos(lambda v: a @ v, 60, 40, np.random.default_rng(1), 1e-9)
    assert found.smallest == pytest.approx(-3.0, abs=1e-6)
    assert found.largest == pytest.approx(4.0, abs=1e-3)
    few = lanczos(lambda v: a @ v, 60, 6, np.random.default_rng(1), 0.0)
    assert few.steps == 6
    assert few.smallest >= -3.0  # never below the true one ...
    assert np.abs(values - few.smallest).min() <= few.residual  # ... and near to one of them
    assert few.residual > 1e-3


def test_lanczos_stops_where_the_space_is_used_up_and_refuses_what_is_not_symmetric():
    found = lanczos(lambda v: 2 * v, 5, 40, np.random.default_rng(1))
    assert (found.smallest, found.steps) == (pytest.approx(2.0), 1)
    a = torch.from_numpy(np.triu(np.ones((6, 6))))
    with pytest.raises(RuntimeError, match="not symmetric"):
        lanczos(lambda v: a @ v, 6, 6, np.random.default_rng(1))


def test_a_loss_that_is_no_number_is_an_error_that_stops_the_probe_alone():
    # what the conductor lets a probe raise, so that the training can say that it diverged
    with pytest.raises(RuntimeError, match="not finite"):
        lanczos(lambda v: v * np.nan, 24, 24, np.random.default_rng(1))


def test_a_measurement_that_was_not_defined_is_left_out_of_the_smallest(make_trainer, make_context):
    probe = Stuck(make_context(make_trainer(policy="reset", sampler="sequential")), (4, 0, 0))
    probe.past = [{"gradient_ratio": v} for v in (1.0, 0.5, None)]
    assert probe.end()["smallest_gradient_ratio"] == 0.5


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_products_and_eigenvalues_are_those_of_the_dense_hessian(make_trainer, make_context, cell):
    trainer = make_trainer(cell=cell, network={"hidden_size": 2}, training={"time_steps": 7})
    context = make_context(trainer)
    network = context.doubled()
    windows = context.windows(context.sample(5))
    windows = windows._replace(x=windows.x.double(), weight=windows.weight.double())
    names = [n for n, p in network.named_parameters() if p.requires_grad]
    sizes = [p.numel() for p in network.parameters()]
    shapes = [p.shape for p in network.parameters()]
    theta = torch.cat([p.detach().flatten() for p in network.parameters()])
    lanes = windows.shape[1]
    age = torch.zeros(lanes, dtype=torch.int64)

    def loss(vector):
        pieces = [v.view(s) for v, s in zip(vector.split(sizes), shapes, strict=True)]
        initial_state = network.initial_state(lanes)
        ran = functional_call(
            network,
            dict(zip(names, pieces, strict=True)),
            (
                windows.x,
                CarriedState(initial_state, age),
                initial_state,
                windows.starts,
                windows.valid,
            ),
        )
        flat = F.cross_entropy(
            ran.logits.flatten(0, 1), windows.y.clamp_min(0).flatten(), reduction="none"
        )
        return (flat.view(windows.weight.shape) * windows.weight).sum() / windows.weight.sum()

    with context.looking(True, eager=True, network=network):
        dense = torch.autograd.functional.hessian(loss, theta)
        product = HessianProduct(context, network, windows)
        v = torch.from_numpy(np.random.default_rng(0).standard_normal(len(theta)))
        torch.testing.assert_close(product(v), dense @ v, rtol=1e-8, atol=1e-10)
        found = lanczos(product, len(theta), len(theta), np.random.default_rng(1), 1e-10)
    true = torch.linalg.eigvalsh(dense)
    assert true[0] < 0
    assert found.smallest == pytest.approx(float(true[0]), abs=1e-8)
    assert found.largest == pytest.approx(float(true[-1]), abs=1e-8)


def test_the_gradient_is_that_of_all_windows_and_the_ratio_is_to_the_first(
    make_trainer, make_context, event_after
):
    trainer = make_trainer(policy="reset", sampler="sequential")
    event = event_after(trainer, 0)
    context = make_context(trainer)
    probe = Stuck(context, (10**6, 2, 3))
    probe.before_update(event, due=True)
    values = probe.after_update(event, due=True)
    assert values["gradient_ratio"] == 1.0
    assert values["windows"] == values["of"] == context.window_count
    windows = context.windows(context.sample(10**6))
    ran = trainer.network(
        windows.x,
        context.initial_carried(windows.shape[1]),
        trainer.network.initial_state(windows.shape[1]),
        windows.starts,
        windows.valid,
    )
    loss = context.losses(windows, ran.logits).sum() / windows.weight.sum()
    parameters = list(trainer.network.parameters())
    squares = [g.double().square().sum() for g in torch.autograd.grad(loss, parameters)]
    assert values["loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    assert values["gradient_norm"] == pytest.approx(float(sum(squares) ** 0.5), rel=1e-4)
    assert values["steps"] <= 3
    assert values["hessian_windows"] == 2
    assert all(p.grad is None for p in parameters)
    assert all(p.dtype == torch.float32 for p in parameters)
