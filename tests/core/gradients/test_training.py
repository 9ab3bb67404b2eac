"""Training under each gradient mode, and which parts it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from memcell.errors import UsageError
from memcell.plugins import default_registry
from memcell.runs.compatibility import misfits
from memcell.sequences import collate

REGISTRY = default_registry()
EAGER = {"backend": "eager", "epochs": 2}


@pytest.mark.parametrize("policy", REGISTRY.names("policy"))
@pytest.mark.parametrize("gradient", REGISTRY.names("gradient"))
def test_every_mode_trains_with_every_policy_that_it_does_not_refuse(
    make_config, make_trainer, gradient, policy
):
    training = {**EAGER, "gradient": gradient, "epochs": 1}
    found = misfits(make_config(training=training, policy=policy), REGISTRY)
    can = REGISTRY.get("policy", policy).spec
    draws = gradient in ("random_length", "artbp")
    context = can.needs_streams or can.uses_context
    assert bool(found) == (
        (draws and can.needs_fixed_grid) or (gradient == "artbp" and not context)
    )
    if found:
        assert "--gradient window" in " ".join(found)
        return
    trainer = make_trainer(training=training, policy=policy)
    trainer.train()
    assert trainer.at.finished
    assert all(torch.isfinite(p).all() for p in trainer.network.parameters())


def test_modes_that_do_not_fit_are_refused_with_what_to_do(make_config):
    jitter = ("stream", {"jitter": True})
    tbptt = {"gradient": "tbptt", "time_steps": 10}
    (moved,) = misfits(make_config(training=tbptt, sampler=jitter), REGISTRY)
    assert "jitter off" in moved
    (far,) = misfits(make_config(training={**tbptt, "k1": 11}), REGISTRY)
    assert "--gradient.k1 10 or less" in far
    drawn = make_config(
        training={"gradient": "random_length"}, policy="stored", sampler="reshuffle"
    )
    (grid,) = misfits(drawn, REGISTRY)
    assert "draws their lengths" in grid
    assert "'reset'" in grid
    unbiased = make_config(training={"gradient": "artbp"}, policy="stored")
    (context,) = misfits(unbiased, REGISTRY)
    assert "'reset'" not in context, "artbp would refuse it"
    assert "'carry'" in context
    assert not misfits(make_config(training={"gradient": "artbp"}, sampler=jitter), REGISTRY)
    with pytest.raises(UsageError, match="tbptt"):
        REGISTRY.get("gradient", "tbpt")


@pytest.mark.parametrize("sampler", ["grab", "curriculum"])
def test_observing_sampler_needs_a_fixed_grid(make_config, sampler):
    drawn = make_config(training={"gradient": "random_length"}, policy="reset", sampler=sampler)
    (found,) = misfits(drawn, REGISTRY)
    assert f"sampler '{sampler}'" in found
    assert "--gradient window" in found
    assert "sampler 'reshuffle'" in found
    overlapping = {"gradient": "tbptt", "time_steps": 10}
    assert not misfits(make_config(training=overlapping, policy="reset", sampler=sampler), REGISTRY)


def test_overlapping_lanes_go_on_from_the_state_at_the_stride(make_trainer, toy_task):
    """Without updates, each window begins with what running its sequence to its first step gives."""
    trainer = make_trainer(
        training={"gradient": "tbptt", "time_steps": 10, "k1": 3, "backend": "eager"},
        sampler=("stream", {"shuffle_sequences": False, "split": "never"}),
    )
    table, order = trainer.order(0)
    policy, memory, seen = trainer.parts.policy, trainer.memory, 0
    for k in range(len(order)):
        batch = collate(toy_task.train, table, order[k], table.ends(order[k - 1]) if k else None)
        begin = policy.begin(batch, memory)
        lanes = (batch.sequence >= 0) & ~batch.starts[0]
        zero = torch.zeros_like(batch.offset)
        wanted = memory.replay(
            batch.sequence, zero, batch.offset, policy.initial_carried(batch, memory)
        )
        assert torch.equal(begin.age[lanes], wanted.age[lanes])
        for a, b in zip(begin.state[0], wanted.state[0], strict=True):
            torch.testing.assert_close(a[lanes], b[lanes], rtol=1e-4, atol=1e-5)
        seen += int(lanes.sum())
        with torch.no_grad():
            trainer.run(batch)
    assert seen > 50


def test_an_epochs_randomly_truncated_updates_weigh_every_step_alike(make_trainer):
    """With a learning rate of 0: shares times mean gradients sum up to what all steps give together."""
    trainer = make_trainer(training={**EAGER, "gradient": "artbp", "time_steps": 6})
    table, order = trainer.order(0)
    mode = trainer.gradients
    mode.begin_epoch(table, order)
    rows = [o[o >= 0] for o in order]
    shares = np.array([mode.share(table.weight[r].sum()) for r in rows])
    assert shares.mean() == pytest.approx(1.0)
    assert shares.std() > 0.1


def test_short_windows_learn_at_a_lower_rate(make_trainer):
    trainer = make_trainer(
        training={**EAGER, "gradient": "random_length", "schedule": "constant", "length_sd": 3.0}
    )
    trainer.train()
    lines = [json.loads(line) for line in trainer.folder.metrics.read_text().splitlines()]
    rates = {line["learning_rate"] for line in lines if "learning_rate" in line}
    assert len(rates) > 5
    assert min(rates) < 0.003 < 1.2 * max(rates)


def test_policy_counts_are_in_the_metrics_of_an_epoch(make_trainer):
    trainer = make_trainer(training={**EAGER, "epochs": 3}, policy="stored", sampler="reshuffle")
    trainer.train()
    lines = [json.loads(line) for line in trainer.folder.metrics.read_text().splitlines()]
    epochs = [line for line in lines if "train_loss" in line]
    assert epochs[0]["stored_misses"] > 0
    assert epochs[2]["stored_misses"] == 0
    assert epochs[2]["stored_hits"] == epochs[0]["stored_hits"] + epochs[0]["stored_misses"]
    # about an epoch of updates old, some more and some less
    updates = epochs[2]["update"] / 3
    assert 0.5 * updates < epochs[2]["stored_lag"] < 1.5 * updates


def test_a_replay_in_mixed_precision_takes_no_gradient_from_training(make_trainer, toy_task):
    """Casts to bfloat16 are cached: those made without gradient must not be found in training."""
    trainer = make_trainer(
        training={"mixed_precision": True, "backend": "eager"}, policy=("burn_in", {"steps": 4})
    )
    table, order = trainer.order(0)
    batch = collate(toy_task.train, table, order[1], table.ends(order[0]))
    torch.autograd.backward(trainer.run(batch).sum())
    missing = [n for n, p in trainer.network.named_parameters() if p.grad is None]
    assert not missing
