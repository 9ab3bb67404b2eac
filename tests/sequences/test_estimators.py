"""`memcell.SequenceClassifier` and `memcell.SequenceRegressor` where scikit-learn's tools take them."""

from __future__ import annotations

import pickle
import tempfile

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import memcell
from memcell import SequenceClassifier, SequenceRegressor, step_scorer
from sequence_files import sequence

TINY = {"cell": "gru", "hidden_size": 6, "epochs": 2, "time_steps": 20, "batch_size": 4}
GROUPS = np.arange(6) // 2


@pytest.fixture(autouse=True)
def empty_places(tmp_path, monkeypatch):
    """Nothing is left behind, neither in the working folder nor where temporary files lie."""
    below, work = tmp_path / "temporary", tmp_path / "work"
    below.mkdir()
    work.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(below))
    monkeypatch.chdir(work)
    yield
    assert list(below.glob("memcell-*")) == []
    assert list(work.iterdir()) == []


def many(n=6, kind="classes"):
    pairs = [sequence(k, steps=40 + k, kind=kind) for k in range(n)]
    return [x for x, _ in pairs], [y for _, y in pairs]


def words():
    x, y = many()
    return x, [np.where(one > 0, "up", "down") for one in y]


@pytest.fixture(scope="module")
def fitted():
    x, y = words()
    return SequenceClassifier(**TINY, random_state=0).fit(x, y, groups=GROUPS)


def test_the_network_learns_and_is_the_one_of_a_fit():
    """The answer lies two steps back: without memory the score would be chance."""
    x, y = many(12)
    options = {**TINY, "epochs": 40, "learning_rate": 0.03}
    found = SequenceClassifier(**options, random_state=0).fit(x[:9], y[:9])
    assert found.score(x[9:], y[9:]) > 0.9
    assert step_scorer("roc_auc")(found, x[9:], y[9:]) > 0.95


def test_answers_have_the_form_of_x(fitted):
    x, _ = words()
    assert [p.shape for p in fitted.predict_proba(x)] == [(len(one), 2) for one in x]
    assert set(np.concatenate(fitted.predict(x))) <= {"up", "down"}
    assert fitted.predict(np.stack([one[:40] for one in x])).shape == (6, 40)
    np.testing.assert_array_equal(fitted.predict(x[0]), fitted.predict(x)[0])
    chosen = fitted.classes_[fitted.predict_proba(x[1]).argmax(axis=1)]
    np.testing.assert_array_equal(fitted.predict(x[1]), chosen)


def test_a_pickle_predicts_the_same_and_a_clone_is_not_fitted(fitted):
    x, _ = words()
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(x[0]), fitted.predict_proba(x[0]))
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "classes_")


def test_the_same_seed_is_the_same_network(fitted):
    x, y = words()
    again = clone(fitted).fit(x, y, groups=GROUPS)
    np.testing.assert_array_equal(again.predict_proba(x[0]), fitted.predict_proba(x[0]))
    other = clone(fitted).set_params(random_state=1).fit(x, y, groups=GROUPS)
    assert not np.array_equal(other.predict_proba(x[0]), fitted.predict_proba(x[0]))


def test_searches_and_cross_validation_by_group():
    x, y = words()
    estimator = SequenceClassifier(**TINY, random_state=0)
    cv = GroupKFold(2)
    scores = cross_val_score(
        estimator, x, y, groups=GROUPS, cv=cv, params={"groups": GROUPS}, error_score="raise"
    )
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()
    search = GridSearchCV(estimator, {"policy": ["carry", "reset"]}, cv=GroupKFold(2))
    assert search.fit(x, y, groups=GROUPS).best_params_["policy"] in ("carry", "reset")
    doubled = FunctionTransformer(lambda each: [2 * one for one in each])
    scaled = make_pipeline(doubled, estimator)
    found = cross_val_predict(scaled, x, y, groups=GROUPS, cv=cv)
    assert [len(one) for one in found] == [len(one) for one in x]
    score = step_scorer("balanced_accuracy")
    assert 0 <= cross_val_score(scaled, x, y, groups=GROUPS, cv=cv, scoring=score).min() <= 1


def test_a_target_for_each_sequence_is_asked_at_its_end():
    x, _ = many()
    y = np.array([one[:, 0].mean() > 0 for one in x])
    found = SequenceClassifier(**TINY, random_state=0).fit(x, y)
    assert found.target_ == "sequence"
    assert found.predict(x).shape == (6,)
    assert found.predict_proba(x).shape == (6, 2)
    two = np.stack([one.mean(axis=0) for one in x])
    regressor = SequenceRegressor(**TINY, random_state=0).fit(x, two)
    assert regressor.predict(x).shape == two.shape


def test_steps_without_a_target_are_not_scored():
    x, y = many()
    y[0] = np.full(len(y[0]), -1)
    found = SequenceClassifier(**TINY, random_state=0).fit(x, y)
    assert found.classes_.tolist() == [0, 1]
    rest = found.score(x[1:], y[1:])
    assert found.score(x, y) == rest
    signs = [2 * (one > 0) - 1 for one in y]
    both = SequenceClassifier(**TINY, random_state=0, unlabelled=None).fit(x, signs)
    assert both.classes_.tolist() == [-1, 1]


def test_a_step_without_a_word_has_no_target():
    x, y = words()
    given = [one.astype(object) for one in y]
    given[0][:5] = None
    given[1][:5] = np.nan
    found = SequenceClassifier(**TINY, random_state=0).fit(x, given)
    assert found.classes_.tolist() == ["down", "up"]


def test_a_threshold_moves_decisions(fitted):
    x, y = words()
    low = clone(fitted).set_params(threshold=0.01).fit(x, y, groups=GROUPS)
    assert set(low.predict(x[0])) == {"up"}
    best = clone(fitted).set_params(threshold="balanced").fit(x, y, groups=GROUPS)
    assert 0 < best.threshold_ < 1


def test_class_weights_count(fitted):
    x, y = words()
    heavy = clone(fitted).set_params(class_weight={"up": 1000.0, "down": 0.001})
    assert set(heavy.set_params(epochs=20).fit(x, y).predict(x[0])) == {"up"}


def test_values_with_steps_that_have_none():
    x, y = many(kind="values")
    y[0][3:9] = np.nan
    found = SequenceRegressor(**TINY, loss="huber", random_state=0).fit(x, y)
    assert found.predict(x)[0].shape == (40,)
    assert np.isfinite(found.score(x, y))
    several = found.fit(x, [np.stack([one, -one], axis=1) for one in y])
    assert several.predict(x[0]).shape == (40, 2)


def test_a_run_is_kept_where_it_is_asked_for(tmp_path):
    x, y = words()
    out = tmp_path / "kept"
    found = SequenceClassifier(**TINY, random_state=0, out=out).fit(x, y)
    np.testing.assert_array_equal(memcell.load(out).predict(x[0]), found.predict_proba(x[0]))
    with pytest.raises(ValueError, match="already holds a run"):
        found.fit(x, y)


def test_nothing_of_sklearn_is_imported_with_memcell():
    assert {"SequenceClassifier", "SequenceRegressor", "step_scorer"} <= set(dir(memcell))


X, Y = many()


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        ([], [], {}, r"0 sample|no sequences"),
        ([x[:, 0] for x in X], Y, {}, r"X\[0\] has the shape \[40\].*x\[:, None\]"),
        ([X[0], X[1][:, :1]], Y[:2], {}, r"X\[1\] has 1 features a step and X\[0\] 2"),
        ({"x": X}, Y, {}, "X is a dict; expected a list of sequences"),
        (X, Y[:-1], {}, "X has 6 sequences and y 5"),
        (X, [y[:-1] for y in Y], {}, r"y\[0\] has the shape \[39\] and X\[0\] 40 steps"),
        (X, [np.zeros_like(y) for y in Y], {}, r"y has 1 class \(0\).*-1 stands for no target"),
        (X, [y + 0.5 for y in Y], {}, "Unknown label type: continuous"),
        (X, [np.stack([y, y], 1) for y in Y], {}, "y has 2 targets a step; expected one class"),
        (np.zeros((2, 3, 4, 5)), [0, 1], {}, r"X is of shape \[2, 3, 4, 5\]; expected a list"),
        ((x for x in X), Y, {}, "X is a generator; expected a list of sequences"),
        ([np.full((40, 2), "a"), *X[1:]], Y, {}, r"X\[0\] holds words"),
        ([X[0], X[1][:0]], [Y[0], Y[1][:0]], {}, r"X\[1\] has no steps"),
        (X[:2], [Y[0][:, None], np.stack([Y[1]] * 2, 1)], {}, r"y\[1\] has 2 targets a step and y\[0\] 1"),
        (X, Y, {"options": {"kind": "values"}}, "options has 'kind', which the estimator says itself"),
        (X, Y, {"options": {"epochs": 9}}, "options has 'epochs', which is an argument"),
        ([np.where(x > 2, np.nan, x) for x in X], Y, {}, "contains NaN"),
        (X, Y, {"cell": "lstn"}, "unknown cell 'lstn'. Did you mean 'lstm'"),
        (X, Y, {"options": {"polcy__p": 1}}, "unknown option 'polcy__p'"),
        (X, Y, {"threshold": 2.0}, "threshold got 2.0; expected 0 to 1"),
        (X, Y, {"class_weight": {7: 2.0}}, "class_weight has the class 7; expected those of y: 0, 1"),
        (X, Y, {"validation_fraction": 1.5}, "validation_fraction got 1.5"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_as_a_value_error(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        SequenceClassifier(**{**TINY, **options}).fit(x, y)


def test_groups_are_one_for_each_sequence():
    with pytest.raises(ValueError, match="groups has 2 entries, and X 6 sequences"):
        SequenceClassifier(**TINY).fit(X, Y, groups=["a", "b"])


def test_another_width_is_refused(fitted):
    with pytest.raises(ValueError, match="X has 3 features, but SequenceClassifier is expecting 2"):
        fitted.predict([np.zeros((5, 3))])


#: scikit-learn's samples are steps of one sequence here, and a step's answer depends on those before it.
REMEMBERED = dict.fromkeys(
    ("check_methods_sample_order_invariance", "check_methods_subset_invariance"),
    "a step's answer depends on the steps before it: samples cannot be reordered or left out",
)
QUICK = {**TINY, "hidden_size": 8, "epochs": 20, "time_steps": 10, "learning_rate": 0.02}


@pytest.mark.slow  # twenty seconds
@parametrize_with_checks(
    [
        SequenceClassifier(**QUICK, unlabelled=None, random_state=0),
        SequenceRegressor(**QUICK, random_state=0),
    ],
    expected_failed_checks=lambda estimator: REMEMBERED,
)
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
