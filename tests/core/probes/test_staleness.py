"""Staleness: nothing where nothing is learned, more with larger steps, and equal to what it says it is."""

from __future__ import annotations

import json

import pytest
import torch
from torch.nn import functional as F

from memcell.recurrent.state import leaves
from memcell_plugins.probes.staleness import Staleness


def trained(make_trainer, where, rate, more=None, **how):
    trainer = make_trainer(
        where,
        training={
            "probe": ("staleness",), "probe_budget": 30.0, "learning_rate": rate, "epochs": 2,
            "schedule": "constant", **(more or {}),
        },
        **how,
    )  # fmt: skip
    trainer.train()
    trainer.observer.end()
    records = [json.loads(line) for line in trainer.folder.probes.read_text().splitlines()]
    return [r["values"] for r in records if "values" in r], records[-1]["summary"]


def test_without_learning_carried_memory_is_what_today_would_make(make_trainer):
    values, summary = trained(make_trainer, "still", 0.0, network={"layers": 2})
    assert len(values) > 5
    assert any(lag >= 3 for v in values for lag in v["lag"])
    for v in values:
        assert max(v["S"]) < 1e-5
        assert max(v["D"]) == 0.0
        assert max(v["kl_first"] + v["kl_last"]) < 1e-9
        assert all(abs(x) < 1e-5 for x in v["dL_stale"] if x is not None)
        assert v["gradient_distance"] < 1e-9
    assert any(abs(x) > 1e-3 for v in values for x in v["dL_zero"] if x is not None)
    assert summary["measurements"] == len(values)


def test_staleness_and_drift_grow_with_the_learning_rate(make_trainer):
    found = [trained(make_trainer, f"r{r}", r)[1] for r in (1e-4, 1e-3, 1e-2)]
    for name in ("S", "D", "kl_first", "gradient_distance"):
        sizes = [summary[name] for summary in found]
        assert sizes == sorted(sizes)
        assert sizes[2] > 5 * sizes[0]


def test_memory_that_is_reset_is_not_stale(make_trainer):
    values, summary = trained(make_trainer, "reset", 1e-2, policy="reset")
    assert values == []
    assert summary["measurements"] == 0
    assert "no lane" in summary["reason"]


def test_what_it_measures_is_what_a_plain_loop_gives(make_trainer, make_context, event_after):
    """Everything but D against the network on the eager loop, called by hand, lane by lane."""
    trainer = make_trainer(training={"learning_rate": 0.05})
    event = event_after(trainer, 4)
    probe = Staleness(make_context(trainer), 16)
    probe.before_update(event, due=True)
    values = probe.after_update(event, due=True)
    assert values is not None
    assert len(values["lane"]) >= 2
    network, batch = trainer.network, event.batch
    (layer,) = network.recurrent.layers
    cell = layer.cell

    def loop(features, state):
        outputs = []
        for p in cell.project(features).unbind(0):
            output, state = cell.step(p, state, lambda site, z: z)
            outputs.append(network.readout(output))
        return torch.stack(outputs), state

    with torch.no_grad():
        for k, lane in enumerate(values["lane"]):
            sequence, offset = int(batch.sequence[lane]), int(batch.offset[lane])
            source = trainer.task.train[sequence]
            start = max([0, *[b for b in source.breaks if b <= offset]])
            assert values["age"][k] == offset - start
            before = torch.from_numpy(source.features[start:offset]).unsqueeze(1)
            _, new = loop(before, cell.initial_state(1))
            old = type(new)(*(part[lane : lane + 1] for part in leaves(event.state.state)))
            a, b = torch.cat(list(old), 1), torch.cat(list(new), 1)
            assert values["S"][k] == pytest.approx(float((a - b).norm() / b.norm()), rel=1e-3)
            n = int(batch.valid[:, lane].sum())
            assert not batch.starts[:n, lane].any()  # nothing restarts within, in this batch
            x, y = batch.x[:n, lane : lane + 1], batch.y[:n, lane]
            logits = [loop(x, s)[0][:, 0] for s in (old, new, cell.initial_state(1))]
            stale, anew, zero = (float(F.cross_entropy(z, y)) for z in logits)
            assert values["dL_zero"][k] == pytest.approx(zero - anew, rel=1e-3, abs=1e-6)
            assert values["dL_stale"][k] == pytest.approx(stale - anew, rel=1e-2, abs=1e-6)
            p, q = F.softmax(logits[1].double(), -1), F.softmax(logits[0].double(), -1)
            kl = (p * (p / q).log()).sum(-1)
            assert values["kl_first"][k] == pytest.approx(float(kl[0]), rel=1e-2, abs=1e-9)
            assert values["kl_last"][k] == pytest.approx(float(kl[-1]), rel=1e-2, abs=1e-9)
            assert values["transitions"][k] == int((y[1:] != y[:-1]).sum())


def test_the_lag_counts_updates_since_the_restart(make_trainer):
    """Without gaps, a lane of age a has been through a / T updates."""
    values, _ = trained(make_trainer, "lags", 1e-3)
    pairs = [p for v in values for p in zip(v["age"], v["lag"], strict=True)]
    assert all(lag == -(-age // 10) for age, lag in pairs if age % 10 == 0)
    assert {lag for _, lag in pairs} >= {1, 2, 3}


def test_under_a_shuffled_order_the_lag_is_that_of_the_places_and_does_not_grow(make_trainer):
    """Memory stored at a place passes one epoch a window at most, however long the training."""
    values, _ = trained(
        make_trainer, "stored", 1e-3, policy="stored", sampler="reshuffle",
        more={"epochs": 12, "patience": 0},
    )  # fmt: skip
    an_epoch = 12  # updates
    pairs = [p for v in values for p in zip(v["age"], v["lag"], strict=True)]
    assert max(lag for _, lag in pairs) > an_epoch
    assert all(1 <= lag <= 2 * an_epoch * -(-age // 10) for age, lag in pairs)
