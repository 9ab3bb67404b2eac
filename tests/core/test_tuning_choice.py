"""The rule by which cross-validation inside the training people chooses settings and length."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from memcell.applications.cross_validation import Candidate
from memcell.reports.numbers import duration
from memcell.runs.tuning import cost
from memcell.runs.tuning.choice import (
    LossCurve,
    choose,
    is_past_its_best,
    schedule_of_looks,
    shares_of,
)
from memcell.runs.tuning.features import ComparedFeatures, kept
from memcell.sequences.time_series import TimeSeries


def curve(*losses, people=1, updates=None) -> LossCurve:
    """Return a curve whose people all have the same share of each loss."""
    shares = np.repeat(np.array(losses)[:, None] / people, people, axis=1)
    return LossCurve(
        updates=tuple(updates or (0, *(2**k for k in range(2, 1 + len(losses))))), shares=shares
    )


def series(*targets) -> list[TimeSeries]:
    return [
        TimeSeries(
            name=f"r{k}", subject=f"s{k}", features=np.zeros((len(t), 1)), targets=np.array(t)
        )
        for k, t in enumerate(targets)
    ]


def both(p) -> np.ndarray:
    return np.stack([1 - np.array(p), np.array(p)], axis=1)


def test_shares_add_up_to_the_class_balanced_loss_after_platt_scaling() -> None:
    rng = np.random.default_rng(0)
    y = [rng.integers(0, 2, n) for n in (300, 200, 100)]
    y[0][:50] = -1  # no label
    z = [2 * t - 1 + rng.normal(0, 2, len(t)) for t in y]
    people, shares = shares_of(series(*y), [both(1 / (1 + np.exp(-v / 3 - 0.7))) for v in z])
    known = np.concatenate(y) >= 0
    truth, logit = np.concatenate(y)[known], np.concatenate(z)[known]
    weights = np.where(truth == 1, 1 / truth.sum(), 1 / (len(truth) - truth.sum())) / 2
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], truth, weights * 1e4)
    p = fitted.predict_proba(logit[:, None])[np.arange(len(truth)), truth]
    assert people == ("s0", "s1", "s2")
    assert shares.sum() == pytest.approx(-(weights * np.log(p)).sum(), rel=1e-5)


def test_being_surer_of_the_same_is_no_better() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 400)
    z = y + rng.normal(0, 1, 400)
    one, other = (
        shares_of(series(y), [both(1 / (1 + np.exp(-a * z)))])[1].sum() for a in (0.2, 2.0)
    )
    assert one == pytest.approx(other, rel=1e-4)


def test_ranking_the_wrong_way_round_is_worth_a_constant() -> None:
    y = np.array([0, 0, 1, 1] * 20)
    p = np.where(y == 1, 0.2, 0.7)
    assert shares_of(series(y), [both(p)])[1].sum() == pytest.approx(np.log(2))


def test_a_class_that_nobody_has_weighs_nothing() -> None:
    _, shares = shares_of(series([0, 0]), [np.array([[0.5, 0.5], [0.25, 0.75]])])
    assert shares.sum() == pytest.approx(-np.log([0.5, 0.25]).mean())
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]] * 5)
    _, shares = shares_of(series([0, 1] * 5), [p])
    assert shares.sum() < 0.01  # told apart exactly, whatever the third class is given


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


def test_a_hundredth_of_the_loss_is_not_worth_an_update() -> None:
    assert choose([curve(0.504, 0.504, 0.5, 0.5)]).look == 0
    assert choose([curve(0.52, 0.52, 0.5, 0.5)]).look > 0


def test_the_earlier_candidate_wins_a_tie() -> None:
    same = curve(0.7, 0.4, 0.4, people=5)
    assert choose([same, same]).candidate == 0


def test_a_candidate_ends_when_it_is_long_past_its_best() -> None:
    looks = (0, 8, 16, 32, 64)
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


def feature_set(name, loss) -> ComparedFeatures:
    return ComparedFeatures(
        candidate=Candidate(name=name, options={}),
        n_features=1,
        inverse_penalty=1.0,
        penalties={1.0: loss},
        loss=loss,
        measures={},
    )


def test_networks_are_tried_on_the_usual_features_and_the_two_best_of_the_better() -> None:
    losses = {"usual": 0.4, "a": 0.41, "b": 0.3, "c": 0.39, "d": 0.2}
    found = kept([feature_set(*each) for each in losses.items()])
    assert [each.candidate.name for each in found] == ["usual", "d", "b"]
    assert [each.candidate.name for each in kept([feature_set("usual", 0.4)])] == ["usual"]


@pytest.mark.parametrize(
    ("sets", "n_others", "shortest", "longest"),
    # 10 looks at 64 updates, 14 at 256; two settings, of which one on other features too; four folds
    [
        (0, 0, 4 * 2 * 74, 4 * 2 * 270),
        (1, 0, 4 * 2 * 74, 4 * 2 * 270),
        (2, 1, 4 * 3 * 74, 4 * 3 * 270),
    ],
)
def test_cost_counts_settings_features_and_folds(
    monkeypatch, sets, n_others, shortest, longest
) -> None:
    timed = cost._Timed(schedule=1000, an_epoch=2, update=1.0, look=1.0)
    monkeypatch.setattr(cost._Timed, "of", lambda job, folder: timed)
    monkeypatch.setattr(cost, "compared", lambda job: None)
    settings = [
        Candidate(name="usual", options={}, most_epochs=6, of_features=True),
        Candidate(name="noisy", options={}, most_epochs=6),
    ]
    job: Any = SimpleNamespace(task=SimpleNamespace(inner=(1, 2, 3, 4)))
    kinds = [Candidate(name=f"{k}", options={}) for k in range(sets)]
    found = cost.search_cost(job, settings, kinds, lambda each: job)
    assert found.updates == (64, 256)
    assert (found.shortest, found.longest) == pytest.approx((shortest, longest), abs=0.1)
    assert ("kinds of features" in found.words) == bool(n_others)
    assert "2 settings x 4 folds" in found.line()
    assert f"{duration(5 * longest)} at most" in found.line(5)
