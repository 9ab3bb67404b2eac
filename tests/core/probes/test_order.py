"""Measures of order, on sequences made so that the answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from memcell.probes.estimate import decay, rank_correlation, ratio_of_means
from memcell_plugins.probes.order import LAGS
from memcell_plugins.probes.order_measures import anticipation, periodicity, recency


def test_recency_is_found_at_equal_windows_and_updates():
    """l_wt = a_w + b_t + r recent_wt, with windows of unequal difficulty and a falling loss."""
    rng, windows, times = np.random.default_rng(0), 8, 30
    hard, falling = rng.normal(0, 3, windows), np.linspace(2, 0, times)
    since = [[(t - w) % windows for w in range(windows)] for t in range(times)]
    losses = [
        [hard[w] + falling[t] - 0.25 * (since[t][w] < 2) for w in range(windows)]
        for t in range(times)
    ]
    found = recency(losses, since, 2, 4)
    assert found["difference"] == pytest.approx(-0.25, abs=1e-9)
    since[0] = [None] * windows  # never trained: not compared
    losses[3][2] = None
    assert recency(losses, since, 2, 4)["difference"] == pytest.approx(-0.25, abs=1e-9)
    nothing = recency([[1.0, 2.0]], [[0, 9]], 1, 5)
    assert nothing["difference"] is None
    assert nothing["reason"]


def test_a_half_life_is_that_of_an_exponential():
    assert decay(LAGS, [0.3 * 2 ** (-d / 5) for d in LAGS])[0] == pytest.approx(5)
    assert decay(LAGS, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])[0] is None
    assert "positive" in decay(LAGS, [0.1, -0.2, 0.3, 0.4, 0.5, 0.6, 0.7])[1]


def test_anticipation_has_the_sign_of_the_margin_before_its_class():
    shares = [[1.0, 0.0], [0.0, 1.0]] * 5
    ready = [[2.0, -2.0], [-2.0, 2.0]] * 5
    assert anticipation(ready, shares, [0.5, 0.5])["difference"] == pytest.approx(4.0)
    caught = [[-1.0, 1.0], [1.0, -1.0]] * 5
    assert anticipation(caught, shares, [0.5, 0.5])["difference"] == pytest.approx(-2.0)
    never = anticipation(ready, [[1.0, 0.0]] * 10, [0.5, 0.5])
    assert never["difference"] is None
    assert never["reason"]


def test_periodicity_tells_a_repeated_order_from_a_new_one():
    rng = np.random.default_rng(1)
    place = rng.normal(size=12)
    noise = 0.3 * rng.normal(size=(10, 12))
    same = [list(place + noise[e] - 0.1 * e) for e in range(10)]
    found = periodicity(same, np.random.default_rng(2))
    assert found["correlation"] > 0.8
    assert found["p"] <= 0.01
    assert abs(found["by_phase"]) < 0.2
    new = [list(rng.permutation(place) + noise[e]) for e in range(10)]
    assert periodicity(new, np.random.default_rng(2))["p"] > 0.05
    assert periodicity([[1.0, 2.0]], rng)["correlation"] is None


def test_a_ratio_of_noise_is_not_given():
    assert ratio_of_means([0.1] * 5, [0.2, 0.21, 0.19, 0.2, 0.2])[0] == pytest.approx(0.5)
    ratio, reason = ratio_of_means([0.1] * 5, [0.2, -0.21, 0.03, 0.1, -0.1])
    assert ratio is None
    assert "standard error" in reason
    assert ratio_of_means([0.1] * 4, [0.2, 0.21, 0.19, 0.2])[0] is None


def test_rank_correlation_takes_ties_at_their_mean():
    assert rank_correlation([1, 2, 3, 4], [1, 4, 9, 16])[0] == pytest.approx(1)
    assert rank_correlation([1, 1, 2, None], [5, 5, 1, 7]) == (pytest.approx(-1), 3)
    assert rank_correlation([1, 1, 1], [1, 2, 3])[0] is None


def test_in_a_run_it_knows_when_windows_were_trained(make_trainer):
    """With the same order every epoch and all windows in the sample, each is as old as its place."""
    trainer = make_trainer(
        policy="reset",
        sampler="shuffle_once",
        training={
            "probe": ("order",), "probe_budget": 100.0, "epochs": 4, "patience": 0, "backend": "eager",
        },
    )  # fmt: skip
    trainer.train()
    trainer.observer.end()
    probe, (table, order) = trainer.observer.on["order"], trainer.order(0)
    batches = len(order)
    place = {
        (int(table.sequence[row]), int(table.start[row])): k
        for k, rows in enumerate(order)
        for row in rows
        if row >= 0
    }
    records = [json.loads(line) for line in trainer.folder.probes.read_text().splitlines()]
    looks = [r for r in records if "losses" in r.get("values", {})]
    assert len(looks) > 2 * batches
    for record in looks:
        done = record["update"] - 1  # updates before this one
        for (sequence, start, _), since in zip(
            probe.sample, record["values"]["since"], strict=True
        ):
            trained_at = place[sequence, start] + 1  # in the first epoch
            if done < trained_at:
                assert since is None
            else:
                assert since == (done - trained_at) % batches
    summary = records[-1]["summary"]
    assert summary["recency"]["difference"] is not None
    assert summary["forgetting"]["trials"] > 5
    assert summary["periodicity"]["epochs"] == 4
    assert summary["anticipation"]["looks"] == len(looks)
