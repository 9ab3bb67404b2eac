"""Costs, and the ways of trading misses for false alarms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from memcell.applications.app import Task
from memcell.errors import ConfigError
from memcell.plugins.options import from_mapping
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.decisions.costs import cost, expected_threshold, loss_weights, rates
from memcell_eeg.decisions.decision import decide, in_words
from memcell_eeg.decisions.intercept import choose_intercept, threshold_of
from memcell_eeg.decisions.thresholds import (
    PLATEAU,
    choose_across_people,
    choose_by_kappa,
    choose_threshold,
)
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sample(n=20_000, prior=0.1, seed=0):
    """Return targets and calibrated probabilities."""
    random = np.random.default_rng(seed)
    y = (random.random(n) < prior).astype(np.int64)
    x = random.normal(size=n) + 1.5 * y
    odds = prior / (1 - prior) * np.exp(1.5 * x - 1.5**2 / 2)
    return y, odds / (1 + odds)


def test_the_cost_is_that_of_the_equation() -> None:
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    p = np.array([0.9, 0.8, 0.2, 0.1, 0.7, 0.1, 0.1, 0.1, 0.1, 0.1])
    missed, false = rates(y, p, 0.5)
    assert (missed, false) == (0.5, pytest.approx(1 / 6))
    assert cost(missed, false, 3.0) == pytest.approx((3 * 0.5 + 1 / 6) / 4)
    assert cost(missed, false, 1.0) == pytest.approx(1 - (0.5 + 5 / 6) / 2)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_the_weights_of_the_loss(ratio) -> None:
    negative, positive = loss_weights(900, 100, ratio)
    assert positive * 100 == pytest.approx(ratio * negative * 900)
    assert (negative * 900 + positive * 100) / 1000 == pytest.approx(1)


@pytest.mark.parametrize("ratio", [0.3, 1.0, 3.0, 10.0])
def test_theory_finds_the_threshold_of_a_calibrated_model(ratio) -> None:
    y, p = sample()
    n, k = float(np.sum(y == 0)), float(np.sum(y == 1))
    theory = expected_threshold(n, k, ratio, 1.0)
    least = cost(*rates(y, p, choose_threshold(y, p, ratio).value), ratio)
    assert cost(*rates(y, p, theory), ratio) == pytest.approx(least, abs=0.005)
    # Under weights of the loss the odds move with the weights, and the decision stays.
    negative, positive = loss_weights(n, k, ratio)
    assert expected_threshold(n, k, ratio, positive / negative) == pytest.approx(0.5)


@pytest.mark.parametrize("ratio", [0.3, 1.0, 3.0])
def test_the_intercept_minimizes_its_equation_and_costs_little(ratio) -> None:
    y, p = sample(4000)
    b = choose_intercept(y, p, ratio)
    z = np.log(p / (1 - p))

    def equation(shift):
        return ratio * np.mean(np.logaddexp(0, -(z[y == 1] + shift))) + np.mean(
            np.logaddexp(0, z[y == 0] + shift)
        )

    around = [equation(b + d) for d in (-0.1, -1e-3, 1e-3, 0.1)]
    assert all(equation(b) < other for other in around)
    same = sigmoid(z + b) >= 0.5
    assert np.array_equal(same, p >= threshold_of(b))
    least = cost(*rates(y, p, choose_threshold(y, p, ratio).value), ratio)
    assert cost(*rates(y, p, threshold_of(b)), ratio) < least + 0.02


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=40),
    st.floats(0.01, 100),
)
def test_any_probabilities_have_an_intercept(steps, ratio) -> None:
    y = np.array([int(a) for a, _ in steps])
    p = np.array([b for _, b in steps])
    if y.min() == y.max():
        with pytest.raises(ValueError, match="both classes"):
            choose_intercept(y, p, ratio)
        return
    assert 0 < threshold_of(choose_intercept(y, p, ratio)) < 1


def test_a_shift_of_the_logit_is_taken_back() -> None:
    y, p = sample()
    shifted = sigmoid(np.log(p / (1 - p)) + 2.0)
    assert choose_intercept(y, shifted) == pytest.approx(choose_intercept(y, p) - 2.0, abs=1e-5)


def make_task(weights=None, seed=0) -> tuple[Task, list[np.ndarray]]:
    y, p = sample(3000, seed=seed)
    s = TimeSeries(
        name="v", subject="v", features=p[:, None].astype(np.float32), targets=y, step_seconds=0.2
    )
    task = Task(
        train=(s,), valid=(s,), test=(s,), n_classes=2, main_score="", class_weights=weights
    )
    return task, [np.stack([1 - p, p], axis=1).astype(np.float32)]


@pytest.mark.parametrize("way", ["threshold", "intercept", "cost"])
def test_every_way_is_a_threshold_and_says_what_it_costs(way) -> None:
    task, valid = make_task()
    made = decide(way, task, valid, 3.0)
    assert all(isinstance(v, float) for v in made.values())
    y, p = task.valid[0].targets, valid[0][:, 1].astype(np.float64)
    missed, false = rates(y, p, made["threshold"])
    assert (made["missed"], made["false_alarms"]) == (missed, false)
    assert made["cost"] == pytest.approx((3 * missed + false) / 4)
    assert made["threshold_chosen"] == float(way != "cost")
    line = in_words(way, made, 3.0)
    assert f"cost {made['cost']:.3f}" in line
    assert {"threshold": "least cost", "intercept": "an intercept of", "cost": "weighted"}[
        way
    ] in line
    assert made["cost"] >= decide("threshold", task, valid, 3.0)["cost"] - 1e-12
    if way == "cost":
        assert made["threshold"] == 0.5
    if way == "intercept":
        assert threshold_of(made["intercept"]) == made["threshold"]


def test_without_validation_theory_decides() -> None:
    task, _ = make_task(weights=loss_weights(2700, 300, 1.0))
    nobody = replace(task, valid=())
    y = task.train[0].targets
    balanced = loss_weights(float(np.sum(y == 0)), float(np.sum(y == 1)), 1.0)
    nobody = replace(nobody, class_weights=balanced)
    for way in ("threshold", "intercept"):
        made = decide(way, nobody, [], 3.0)
        assert made["threshold"] == pytest.approx(1 / 4)  # Elkan: 1 / (1 + r) of a balanced model
        assert made["threshold_chosen"] == 0
        assert "theory" in in_words(way, made, 3.0)
        assert "cost" not in made


def test_a_cost_weighted_loss_has_the_costs_as_weights(theta_dataset) -> None:
    def weights(**options):
        task = Microsleep(MicrosleepConfig(tune="none", **options), theta_dataset).task()
        y = np.concatenate([s.targets[s.labelled] for s in task.train])
        assert task.class_weights is not None
        negative, positive = task.class_weights
        return positive * np.sum(y == 1) / (negative * np.sum(y == 0)), task.notes

    assert weights(cost_ratio=3.0)[0] == pytest.approx(1)
    odds, notes = weights(cost_ratio=3.0, decision="cost")
    assert odds == pytest.approx(3)
    assert any("loss weighted by the costs for a cost ratio of 3" in note for note in notes)


def test_a_cost_without_weights_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'decision'.*'class-weights'.*--decision threshold"):
        from_mapping(MicrosleepConfig, {"decision": "cost", "class_weights": "none"})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=40))
def test_no_other_threshold_has_a_larger_kappa(pairs) -> None:
    y, p = np.array([int(a) for a, _ in pairs]), np.array([b / 8 for _, b in pairs])
    found = choose_by_kappa(y, p).value

    def kappa(threshold):
        return metrics.cohen_kappa_score(y, (p >= threshold).astype(int), labels=[0, 1])

    if 0 < y.sum() < len(y):
        best = max(kappa(t) for t in (*np.arange(9) / 8, 1.1))
        assert kappa(found) >= best - PLATEAU - 1e-9


def test_a_threshold_is_the_middle_of_its_plateau() -> None:
    y = np.array([0] * 50 + [1] * 50)
    p = np.concatenate([np.linspace(0.01, 0.2, 50), np.linspace(0.8, 0.99, 50)])
    assert choose_by_kappa(y, p).value == pytest.approx(0.5)
    y = np.array([0] * 300 + [1] * 300)
    p = np.concatenate([np.linspace(0.01, 0.2, 300), [0.3], np.linspace(0.8, 0.99, 299)])
    # to miss one of 300 is no different from the largest, so the largest, at .25, is not all there is
    assert 0.3 < choose_by_kappa(y, p).value < 0.85


def of_people(middles, seed=0):
    """Return targets, probabilities and people whose classes are told apart at a log odds of their own."""
    random = np.random.default_rng(seed)
    y = np.tile([0, 1], 100 * len(middles))
    people = np.repeat(np.arange(len(middles)), 200)
    z = np.array(middles)[people] + np.where(y == 1, 1.5, -1.5) + random.normal(0, 0.5, len(y))
    return y, 1 / (1 + np.exp(-z)), people


def test_a_threshold_that_one_odd_person_makes_stays_at_one_half() -> None:
    y, p, people = of_people([0.0, 1.0, 6.0])
    assert abs(choose_by_kappa(y, p).value - 0.5) > 0.05
    assert choose_across_people(y, p, people).value == 0.5


def test_a_threshold_that_people_agree_on_is_taken() -> None:
    y, p, people = of_people([2.0, 2.1, 1.9, 2.2])
    found = choose_across_people(y, p, people).value
    assert found == choose_by_kappa(y, p).value
    assert found == pytest.approx(1 / (1 + np.exp(-2.05)), abs=0.05)


def test_a_threshold_that_stays_at_one_half_is_not_said_to_be_chosen() -> None:
    y, p, people = of_people([0.0, 1.0, 6.0])
    sequences = tuple(
        TimeSeries(
            name=f"r{k}", subject=f"s{k}", features=np.zeros((200, 1)), targets=y[people == k]
        )
        for k in range(3)
    )
    task = Task(train=sequences, valid=sequences, test=(), n_classes=2, main_score="kappa")
    pairs = [np.stack([1 - p[people == k], p[people == k]], axis=1) for k in range(3)]
    made = decide("kappa", task, pairs, 1.0)
    assert (made["threshold"], made["threshold_chosen"]) == (0.5, 0.0)
    assert "by .5, as the threshold of the largest kappa on validation lies within" in in_words(
        "kappa", made, 1.0
    )


def test_of_two_people_the_threshold_is_as_before() -> None:
    y, p, people = of_people([0.0, 5.0])
    assert choose_across_people(y, p, people) == choose_by_kappa(y, p)


def test_the_likelier_class_knows_of_the_weights() -> None:
    task, valid = make_task(weights=(0.5, 4.5))
    made = decide("likelier", task, valid, 1.0)
    assert made["threshold"] == pytest.approx(0.9)
    assert made["threshold_chosen"] == 0
    assert "likelier" in in_words("likelier", made, 1.0)
    assert "kappa" in in_words("kappa", decide("kappa", task, valid, 1.0), 1.0)


def test_baselines_decide_in_the_same_way(theta_dataset) -> None:
    app = Microsleep(MicrosleepConfig(decision="likelier"), theta_dataset)
    task = app.task()
    rows = {r.name: r.predictions[0].decision for r in app.baselines(task)}
    assert task.class_weights is not None
    odds = task.class_weights[1] / task.class_weights[0]
    alone, smoothed = rows["this step alone"], rows["this step alone, HMM-smoothed"]
    assert alone["threshold"] == pytest.approx(odds / (1 + odds))
    assert smoothed["threshold"] == 0.5  # a chance already
