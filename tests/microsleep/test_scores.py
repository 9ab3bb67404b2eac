"""Scores, the threshold and the baselines."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from memcell_eeg.decisions.thresholds import choose_threshold
from memcell_eeg.scores.scores import calibration_error, step_scores, undo_weights


def test_the_scores_by_hand() -> None:
    y = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    p = np.array([0.9, 0.8, 0.2, 0.7, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    out = step_scores(y, p, 0.5)  # 2 hits, 1 miss, 1 false, 6 right
    assert out["accuracy"] == pytest.approx(0.8)
    assert out["balanced_accuracy"] == pytest.approx((2 / 3 + 6 / 7) / 2)
    assert out["f1"] == pytest.approx(2 / 3)
    chance = 0.3 * 0.3 + 0.7 * 0.7
    assert out["kappa"] == pytest.approx((0.8 - chance) / (1 - chance))
    assert out["mcc"] == pytest.approx((2 * 6 - 1 * 1) / np.sqrt(3 * 3 * 7 * 7))
    assert out["brier"] == pytest.approx((0.01 + 0.04 + 0.64 + 0.49 + 6 * 0.01) / 10)
    assert out["auc_pr"] == pytest.approx(metrics.average_precision_score(y, p))
    assert out["auc_roc"] == pytest.approx(
        (7 + 7 + 6) / 21
    )  # pairs in which the positive is higher


_LABELLED = st.lists(
    st.tuples(
        st.booleans(),
        # ties, and probabilities that a float hardly tells apart
        st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1), st.floats(0, 1, width=32)),
    ),
    min_size=2,
    max_size=200,
)


@settings(max_examples=300, deadline=None)
@given(_LABELLED, st.floats(-0.1, 1.1))
def test_scores_are_those_of_scikit_learn_to_the_bit(
    labelled: list[tuple[bool, float]], threshold: float
) -> None:
    y = np.array([int(a) for a, _ in labelled])
    p = np.array([b for _, b in labelled])
    assume(len(set(y)) == 2)
    _assert_same_as_scikit_learn(y, p, threshold)


@pytest.mark.parametrize("n", [2, 3, 17, 4000, 100_000])
def test_many_steps_are_scored_as_by_scikit_learn_to_the_bit(n: int) -> None:
    random = np.random.default_rng(n)
    y = np.append(random.random(n) < 0.1, [False, True]).astype(int)
    for p in (random.random(n + 2), np.round(random.random(n + 2), 2), random.random(n + 2) ** 9):
        _assert_same_as_scikit_learn(y, p, 0.3)


def _assert_same_as_scikit_learn(
    y: NDArray[np.int64], p: NDArray[np.float64], threshold: float
) -> None:
    out, state = step_scores(y, p, threshold), (p >= threshold).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of decisions that are all alike
        expected = {
            "balanced_accuracy": metrics.balanced_accuracy_score(y, state),
            "kappa": metrics.cohen_kappa_score(y, state, labels=[0, 1]),
            "f1": metrics.f1_score(y, state, zero_division=0.0),
            "auc_roc": metrics.roc_auc_score(y, p),
            "auc_pr": metrics.average_precision_score(y, p),
            "mcc": metrics.matthews_corrcoef(y, state),
        }
    assert {name: out[name].hex() for name in expected} == {
        name: float(value).hex() for name, value in expected.items()
    }


def test_a_probability_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        step_scores(np.array([0, 1]), np.array([0.5, np.nan]), 0.5)


def test_calibration_error_by_hand() -> None:
    y = np.array([0, 1, 1, 1])
    assert calibration_error(y, np.array([0.15, 0.15, 0.95, 1.0])) == pytest.approx(
        (2 * abs(0.5 - 0.15) + 2 * abs(1 - 0.975)) / 4
    )
    assert calibration_error(np.array([0, 1]), np.array([0.0, 1.0])) == 0


def test_the_class_weights_are_undone_for_the_calibration() -> None:
    """A model that knows the chance 1/10 and was trained with weights of 9 to 1 says 1/2."""
    assert undo_weights(np.array([0.5]), 9.0) == pytest.approx(0.1)
    y = np.array([1] + [0] * 9)
    assert step_scores(y, np.full(10, 0.5), 0.5, 9.0)["ece"] == pytest.approx(0)
    assert step_scores(y, np.full(10, 0.5), 0.5)["ece"] == pytest.approx(0.4)


def test_one_class_or_none_is_nan_where_it_must_be() -> None:
    out = step_scores(np.zeros(5, dtype=int), np.full(5, 0.2), 0.5)
    assert out["accuracy"] == 1
    names = ("balanced_accuracy", "kappa", "f1", "auc_roc", "auc_pr", "mcc")
    assert np.isnan([out[k] for k in names]).all()
    assert np.isnan(list(step_scores(np.zeros(0, dtype=int), np.zeros(0), 0.5).values())).all()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=2, max_size=40),
    st.sampled_from([0.3, 1.0, 3.0]),
)
def test_no_threshold_is_better(pairs, ratio) -> None:
    y = np.array([int(a) for a, _ in pairs])
    p = np.array([b / 20 for _, b in pairs])
    chosen = choose_threshold(y, p, ratio)
    if len(set(y)) < 2:
        assert chosen.value == 0.5
        assert "one class" in chosen.note
        return

    def gain(threshold):
        state = p >= threshold
        return ratio * state[y == 1].mean() + (~state[y == 0]).mean()

    assert not chosen.note
    assert gain(chosen.value) == pytest.approx(max(gain(t) for t in np.arange(-0.01, 1.02, 0.01)))


def test_a_dearer_miss_lowers_the_threshold() -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 4000)
    p = np.clip(random.normal(0.3 + 0.3 * y, 0.2), 0, 1)
    values = [choose_threshold(y, p, r).value for r in (0.33, 1.0, 3.0)]
    assert values[0] > values[1] > values[2]


def test_without_validation_the_threshold_is_a_half_and_says_why() -> None:
    chosen = choose_threshold(np.zeros(0, dtype=int), np.zeros(0))
    assert chosen.value == 0.5
    assert "no labelled step" in chosen.note
