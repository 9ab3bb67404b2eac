"""The rule by which cross-validation inside the training people chooses settings and length."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.runs.tuning.choice import (
    LossCurve,
    choose,
    is_past_its_best,
    schedule_of_looks,
    shares_of,
)
from memcell.sequences.time_series import TimeSeries


def curve(*losses, people=1, updates=None) -> LossCurve:
    """Return a curve whose people all have the same share of each loss."""
    shares = np.repeat(np.array(losses)[:, None] / people, people, axis=1)
    return LossCurve(
        updates=tuple(updates or (0, *(2**k for k in range(2, 1 + len(losses))))), shares=shares
    )


def test_shares_add_up_to_the_class_balanced_loss() -> None:
    y = [np.array([0, 0, 0, 1, -1]), np.array([1, 0, 1, 1])]
    p = [np.array([0.2, 0.3, 0.6, 0.7, 0.99]), np.array([0.9, 0.2, 0.4, 0.8])]
    sequences = [
        TimeSeries(name=f"r{k}", subject=f"s{k}", features=np.zeros((len(t), 1)), targets=t)
        for k, t in enumerate(y)
    ]
    people, shares = shares_of(sequences, [np.stack([1 - q, q], axis=1) for q in p])
    negative = -np.log(1 - np.array([0.2, 0.3, 0.6, 0.2])).mean()
    positive = -np.log([0.7, 0.9, 0.4, 0.8]).mean()
    assert people == ("s0", "s1")
    assert shares.sum() == pytest.approx((negative + positive) / 2)


def test_a_class_that_nobody_has_weighs_nothing() -> None:
    s = TimeSeries(name="r", subject="s", features=np.zeros((2, 1)), targets=np.array([0, 0]))
    _, shares = shares_of([s], [np.array([[0.5, 0.5], [0.25, 0.75]])])
    assert shares.sum() == pytest.approx(-np.log([0.5, 0.25]).mean())


def test_with_few_people_the_smallest_loss_is_chosen() -> None:
    found = choose([curve(0.7, 0.5, 0.4, 0.5, 0.6, people=2)])
    assert (found.candidate, found.look) == (0, 2)


def test_fewer_updates_are_preferred_within_a_standard_error() -> None:
    shares = np.full((4, 6), 0.1)
    shares[0] += [0.03, -0.02, 0.03, -0.02, 0.02, -0.03]  # hardly worse, people differ
    shares[2:] -= 0.002
    one = LossCurve(updates=(0, 4, 8, 16), shares=shares)
    assert choose([one]).look == 0
    worse = shares.copy()
    worse[0] += 0.2  # clearly worse for everybody
    assert choose([LossCurve(updates=(0, 4, 8, 16), shares=worse)]).look > 0


def test_the_earlier_candidate_wins_a_tie() -> None:
    same = curve(0.7, 0.4, 0.4, people=5)
    assert choose([same, same]).candidate == 0


def test_a_candidate_ends_when_it_is_long_past_its_best() -> None:
    looks = (0, 4, 8, 16, 32)
    assert not is_past_its_best(curve(0.7, 0.6, 0.5, 0.4, 0.3, updates=looks))
    assert is_past_its_best(curve(0.7, 0.4, 0.5, 0.6, 0.9, updates=looks))
    assert not is_past_its_best(curve(0.7, 0.4, 0.5, 0.6, updates=looks[:4]))


@pytest.mark.parametrize("total", [0, 1, 4, 5, 200, 100_000])
def test_looks_begin_at_nothing_and_end_at_the_end(total) -> None:
    looks = schedule_of_looks(total)
    assert looks[0] == 0
    assert looks[-1] == total
    assert looks == sorted(set(looks))
    assert len(looks) < 40
