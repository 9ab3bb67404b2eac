"""Samplers that learn: curriculum takes easy windows first, GraB balances gradients."""

import numpy as np
import pytest

from memcell.sequences import TimeSeries, window_table
from memcell_plugins import memcell_samplers

SPECS = {spec.name: spec for spec in memcell_samplers()}


@pytest.fixture
def windows():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 2)).astype(np.float32)
    targets = (np.arange(200) // 17 % 2).astype(np.int64)
    return window_table(
        [TimeSeries(name="s", subject="p", features=features, targets=targets)], 5, 2
    )


def rows(sampler, windows, epoch, lanes=4):
    order = sampler.order(windows, lanes, epoch, np.random.default_rng([1, epoch]))
    return order[order >= 0]


def test_the_easiest_come_first_and_the_rest_little_by_little(build, windows):
    sampler = build(SPECS["curriculum"], start=0.25, grow=3)
    assert sorted(rows(sampler, windows, 0)) == list(range(len(windows)))
    losses = np.random.default_rng(3).random(len(windows))
    sampler.observe(np.arange(len(windows)), losses)
    easiest = np.argsort(losses)
    for epoch, share in ((1, 0.5), (2, 0.75), (3, 1.0)):
        wanted = easiest[: int(np.ceil(share * len(windows)))]
        assert sorted(rows(sampler, windows, epoch)) == sorted(wanted)


def test_windows_without_a_change_of_label_are_easy(build, windows):
    sampler = build(SPECS["curriculum"], by="transitions", start=0.4)
    assert not windows.transitions[rows(sampler, windows, 0)].any()


@pytest.mark.parametrize("by", ["loss", "transitions"])
def test_windows_without_a_label_are_not_easy(build, by):
    targets = np.array([0, 1] * 10 + [-1] * 20, dtype=np.int64)
    features = np.zeros((40, 1), dtype=np.float32)
    windows = window_table(
        [TimeSeries(name="s", subject="p", features=features, targets=targets)], 5, 2
    )
    sampler = build(SPECS["curriculum"], by=by, start=0.5, grow=1000)
    sampler.observe(np.arange(8), np.where(windows.weight > 0, 0.7, 0.0))
    assert sorted(rows(sampler, windows, 0)) == [0, 1, 2, 3]


def herding(gradients, order):
    """Largest norm of a partial sum of centered gradients: what GraB keeps small."""
    centered = gradients - gradients.mean(0)
    return np.linalg.norm(np.cumsum(centered[order], 0), axis=1).max()


def test_grab_orders_balance_fixed_gradients_better_than_shuffles(build, windows):
    rng = np.random.default_rng(5)
    gradients = rng.normal(size=(len(windows), 3)).astype(np.float32)
    sampler = build(SPECS["grab"])
    for epoch in range(8):
        order = sampler.order(windows, 4, epoch, np.random.default_rng([1, epoch]))
        for batch in order:
            sampler.observe(batch, np.zeros(4), gradients[batch])
    shuffled = [herding(gradients, rng.permutation(len(windows))) for _ in range(200)]
    assert herding(gradients, rows(sampler, windows, 8)) < np.quantile(shuffled, 0.05)


def test_grab_without_gradients_says_what_it_needs(build):
    with pytest.raises(TypeError, match="observes_gradients"):
        build(SPECS["grab"]).observe(np.array([0]), np.array([0.0]))
