"""Drift: what a window begins with, against what it began with an epoch before."""

from __future__ import annotations

import json

import pytest
import torch

from memcell.recurrent.state import leaves
from memcell_plugins.probes.configs import DriftConfig
from memcell_plugins.probes.drift import Drift

FIXED = ("stream", {"shuffle_sequences": False})


def trained(make_trainer, where, rate, epochs=3, **how):
    trainer = make_trainer(
        where,
        training={
            "probe": ("drift",), "probe_budget": 30.0, "learning_rate": rate, "epochs": epochs,
            "schedule": "constant",
        },
        **{"sampler": FIXED, **how},
    )  # fmt: skip
    trainer.train()
    trainer.observer.end()
    records = [json.loads(line) for line in trainer.folder.probes.read_text().splitlines()]
    return [r["values"] for r in records if "values" in r], records[-1]["summary"]


def test_without_learning_no_start_state_moves(make_trainer):
    values, summary = trained(make_trainer, "still", 0.0)
    assert summary["measurements"] == len(values) > 3
    assert all(v["epoch"] >= 1 for v in values)
    assert max(x for v in values for x in v["between"]) == 0
    assert max(x for v in values for x in v["within"]) < 1e-5


def test_a_lens_that_stands_still_drifts_in_its_epoch_and_not_between_them(make_trainer):
    lens = ("fixed_lens", {"by": "states", "every": 0})
    _, still = trained(make_trainer, "lens", 0.01, policy=lens)
    _, moves = trained(make_trainer, "carry", 0.01, policy="carry")
    assert still["between"] == 0
    assert still["within"] > moves["within"] > 0
    assert moves["between"] > moves["within"]
    assert moves["ratio"] == pytest.approx(moves["between"] / moves["within"])


def test_memory_that_is_reset_has_nothing_to_move(make_trainer):
    values, summary = trained(make_trainer, "reset", 0.01, policy="reset")
    assert values == []
    assert "no window that carries memory came again" in summary["reason"]


@pytest.mark.parametrize("epoch", [1, 2])
def test_it_compares_what_two_epochs_began_with(make_trainer, make_context, event_after, epoch):
    """By hand, and of the epoch just before alone: what is older is no measurement."""
    trainer = make_trainer(training={"learning_rate": 0.05}, sampler=FIXED)
    probe = Drift(make_context(trainer), 16, DriftConfig())
    event = event_after(trainer, 4)
    probe.before_update(event, due=True)
    assert probe.after_update(event, due=True) is None
    first = torch.cat([p.detach().flatten(1) for p in leaves(event.state.state)], dim=1)
    moved = event.state._replace(
        state=tuple(type(layer)(*(p + 0.25 for p in layer)) for layer in event.state.state)
    )
    later = type(event)(**{**vars(event), "epoch": epoch, "state": moved})
    probe.before_update(later, due=True)
    values = probe.after_update(later, due=True)
    if epoch == 2:
        assert values is None
        return
    lanes = [
        i for i in range(len(first)) if event.state.age[i] > 0 and not event.batch.starts[0, i]
    ]
    now = first[lanes] + 0.25
    expected = (0.25 * torch.ones_like(now)).norm(dim=1) / now.norm(dim=1)
    assert values["between"] == pytest.approx(expected.tolist(), rel=1e-5)
