"""Features by class: effects that are there are found, those that are not are not, and people count once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from memcell.sequences.time_series import TimeSeries
from memcell_eeg.features.feature_tests import (
    MOST_PAIRED,
    as_table,
    correlation_tests,
    feature_tests,
    in_words,
    inspected,
)
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


def person(k, *, shift=0.0, offset=0.0, correlation=0.0, n=600, subject=None, seed=0):
    """Return features a, b, c: a is shifted in class 1, b and c are correlated in class 1."""
    random = np.random.default_rng([seed, k])
    y = (np.arange(n) % 60 >= 40).astype(np.int64)
    x = random.normal(size=(n, 3))
    x[:, 2] = correlation * y * x[:, 1] + np.sqrt(1 - (correlation * y) ** 2) * x[:, 2]
    x[:, 0] += shift * y
    x += offset * random.normal(size=3)
    return TimeSeries(
        name=f"r{k}", subject=subject or f"s{k}", features=x.astype(np.float32), targets=y
    )


NAMES = ("a", "b", "c")


def test_a_difference_is_found_and_only_there() -> None:
    people = [person(k, shift=0.5, offset=3.0) for k in range(8)]
    a, b, c = feature_tests(people, NAMES)
    assert a.n == 8
    assert a.difference == pytest.approx(0.5, abs=0.1)
    assert a.p_t_holm < 0.001
    assert a.p_flip == 2 / 2**8
    assert a.p_flip_holm == pytest.approx(3 * 2 / 2**8)
    assert 0.6 < a.auc < 0.68  # Phi(.5 / sqrt 2) = .638
    assert min(b.p_t_holm, c.p_t_holm) > 0.05
    d = [
        s.features[s.targets == 1, 0].mean() - s.features[s.targets == 0, 0].mean() for s in people
    ]
    assert a.p_t == pytest.approx(stats.ttest_1samp(d, 0).pvalue, rel=1e-3)
    assert a.dz == pytest.approx(np.mean(d) / np.std(d, ddof=1), rel=1e-3)
    y, x = people[0].targets, people[0].features[:, 0]
    u = stats.mannwhitneyu(x[y == 1], x[y == 0]).statistic
    one = feature_tests(people[:1], NAMES)[0]
    assert one.auc == pytest.approx(u / (np.sum(y == 1) * np.sum(y == 0)))


def test_people_without_an_effect_raise_no_alarm_too_often() -> None:
    alarms = [
        any(t.p_t_holm < 0.05 for t in feature_tests([person(k, seed=s) for k in range(5)], NAMES))
        for s in range(100)
    ]
    assert np.mean(alarms) < 0.12  # .05 for the family, and some for chance


def test_a_person_counts_once_however_long_they_sleep() -> None:
    split = [person(k, shift=0.3) for k in range(5)]
    more = [*split, person(0, shift=0.3, subject="s0", seed=0)]
    assert feature_tests(more, NAMES)[0].n == 5
    assert feature_tests(more, NAMES)[0].p_t == pytest.approx(feature_tests(split, NAMES)[0].p_t)


def test_one_person_says_nothing_about_people() -> None:
    (only,) = [person(0, shift=2.0)]
    a = feature_tests([only], NAMES)[0]
    assert a.difference == pytest.approx(2.0, abs=0.3)
    assert np.isnan([a.p_t, a.p_t_holm, a.p_flip, a.dz]).all()
    files, lines = inspected([only], NAMES)
    assert "too few for a test, and no result about people" in lines[0]
    assert files["features.tsv"].splitlines()[1].count("n/a") == 5


def test_subjects_with_one_class_are_left_out() -> None:
    awake = TimeSeries(
        name="x",
        subject="x",
        features=np.zeros((50, 3), dtype=np.float32),
        targets=np.zeros(50, dtype=np.int64),
    )
    assert feature_tests([person(0), person(1), awake], NAMES)[0].n == 2
    nobody = feature_tests([awake], NAMES)[0]
    assert nobody.n == 0
    assert np.isnan(nobody.difference)


def test_pairs_that_correlate_otherwise_are_found_by_fisher_s_z() -> None:
    people = [person(k, correlation=0.6, offset=2.0) for k in range(7)]
    found = {t.name: t for t in correlation_tests(people, NAMES)}
    assert list(found) == ["a ~ b", "a ~ c", "b ~ c"]
    pair = found["b ~ c"]
    assert pair.positive == pytest.approx(np.arctanh(0.6), abs=0.08)
    assert pair.negative == pytest.approx(0, abs=0.08)
    assert pair.p_t_holm < 0.001
    assert found["a ~ b"].p_t_holm > 0.05
    assert np.isnan(pair.auc)
    one = correlation_tests(people[:1], NAMES)[2]
    x, y = people[0].features, people[0].targets
    r = [np.corrcoef(x[y == c, 1], x[y == c, 2])[0, 1] for c in (0, 1)]
    assert (one.negative, one.positive) == pytest.approx(np.arctanh(r), rel=1e-4)


def test_a_feature_that_never_changes_breaks_nothing() -> None:
    people = [person(k) for k in range(4)]
    for s in people:
        s.features[:, 1] = 7.0
    flat = feature_tests(people, NAMES)[1]
    assert (flat.difference, flat.auc) == (0, 0.5)
    assert np.isnan(flat.p_t)
    assert all(np.isfinite(t.positive) for t in correlation_tests(people, NAMES))


def test_too_many_features_make_no_pairs() -> None:
    wide = TimeSeries(
        name="w",
        subject="w",
        features=np.zeros((4, MOST_PAIRED + 1), dtype=np.float32),
        targets=np.array([0, 1, 0, 1]),
    )
    names = [f"f{k}" for k in range(MOST_PAIRED + 1)]
    assert correlation_tests([wide], names) == []
    assert list(inspected([wide], names)[0]) == ["features.tsv"]


def test_correlations_are_not_correlated_again() -> None:
    people = [person(k) for k in range(3)]
    assert [t.name for t in correlation_tests(people, ("a", "O1~O2", "c"))] == ["a ~ c"]
    assert correlation_tests(people, ("O1~O2", "O1~C3", "O2~C3")) == []


def test_without_a_test_the_classes_furthest_apart_come_first() -> None:
    tests = feature_tests([person(0, shift=2.0)], ("near", "b1", "b2"))
    assert as_table(tests[::-1]).splitlines()[1].startswith("near\t1\t")


def test_the_table_begins_with_the_clearest() -> None:
    tests = feature_tests([person(k, shift=0.5) for k in range(7)], ("b0", "b1", "b2"))
    rows = [line.split("\t") for line in as_table(tests).splitlines()]
    assert rows[0][:3] == ["name", "n", "negative"]
    assert rows[1][0] == "b0"
    p = [float(row[rows[0].index("p_t")]) for row in rows[1:]]
    assert p == sorted(p)
    assert "1 of 3 features differ" in in_words(tests, "features", "features.tsv")


def test_the_app_looks_at_the_training_split_alone(theta_dataset) -> None:
    app = Microsleep(MicrosleepConfig(), theta_dataset)
    task = app.task()
    files, lines = app.inspected(task)
    assert set(files) == {"features.tsv", "feature_correlations.tsv"}
    people = {s.subject for s in task.train}
    assert files["features.tsv"].splitlines()[1].split("\t")[1] == str(len(people))
    assert "training subject" in lines[0]
    theta = [
        line
        for line in files["features.tsv"].splitlines()
        if line.startswith("O1 relative theta\t")
    ]
    assert float(theta[0].split("\t")[4]) > 0.5
