"""What stands beside every network: fitted on training, chosen on validation, blind to the test labels."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from memcell.applications.app import InnerFold, Task
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.baselines import (
    baselines,
    convolution,
    fitted,
    past,
    plain,
    regression,
    smoothed,
)
from memcell_eeg.baselines.partial_least_squares import discriminant
from memcell_eeg.baselines.probit import lasso_probit
from memcell_eeg.decisions.decision import choose
from memcell_eeg.scores.events import EventRules
from memcell_eeg.scores.scores import MEANING, pooled_scores
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

FEW = [
    "majority class",
    "clock only",
    "noise only",
    "previous true label (not deployable)",
    "this step alone",
    "this step alone, HMM-smoothed",
]
STRONG = [
    "this and 10 past steps",
    "this and 10 past steps, HMM-smoothed",
    "regression on past means",
    "regression on past means, smoothed",
    "regression on past means, penalty chosen",
    "boosted trees on past means",
    "causal CNN",
]
MORE = [
    "this step alone, penalty chosen",
    "this step alone, penalty chosen, HMM-smoothed",
    "lasso-probit",
    "PLS discriminant",
]


@pytest.fixture
def app(theta_dataset) -> Microsleep:
    return Microsleep(MicrosleepConfig(), theta_dataset)


def test_few_strong_and_all(app, theta_dataset) -> None:
    task = app.task()
    assert [r.name for r in app.baselines(task)] == FEW + STRONG
    every = {r.name: r for r in app.baselines(task, every=True)}
    assert list(every) == FEW + STRONG + MORE
    few = Microsleep(MicrosleepConfig(baselines="few"), theta_dataset)
    assert [r.name for r in few.baselines(task)] == FEW
    for row in every.values():
        assert row.kind == "baseline"
        assert list(row.scores) == list(MEANING)
        assert set(row.subjects) == {s.subject for s in task.test}
    accuracy = {name: row.scores["balanced_accuracy"] for name, row in every.items()}
    assert accuracy["majority class"] == 0.5
    assert abs(accuracy["noise only"] - 0.5) < 0.15
    for name in (*STRONG, *MORE, *FEW[3:]):
        # events of a few seconds are shorter than what a logit is averaged over
        assert accuracy[name] > (0.55 if name.endswith("means, smoothed") else 0.8), name


def test_the_same_call_gives_the_same_rows(app) -> None:
    task = app.task()
    one, again = app.baselines(task, every=True), app.baselines(task, every=True)
    assert [(r.name, r.note) for r in one] == [(r.name, r.note) for r in again]
    for a, b in zip(one, again, strict=True):
        assert list(a.scores.values()) == pytest.approx(list(b.scores.values()), nan_ok=True)


def test_no_baseline_but_one_sees_the_test_labels(app) -> None:
    """With the test labels turned round, what the baselines call positive stays where it was."""
    task = app.task()
    turned = replace(task, test=tuple(replace(s, targets=1 - s.targets) for s in task.test))
    pairs = zip(app.baselines(task, True), app.baselines(turned, True), strict=True)
    for one, other in pairs:
        a, b = one.scores["accuracy"], other.scores["accuracy"]
        if "not deployable" in one.name:
            assert a == pytest.approx(b, abs=0.02)
            assert a > 0.9
            assert "no detector" in one.note
        else:
            assert a == pytest.approx(1 - b)


def test_a_subject_is_scored_as_if_it_were_alone(app) -> None:
    task = app.task()
    two = replace(task, test=(*task.test, *task.valid))
    rows = app.baselines(two)
    for subject in {s.subject for s in two.test}:
        own = replace(two, test=tuple(s for s in two.test if s.subject == subject))
        for row, alone in zip(rows, app.baselines(own), strict=True):
            if row.name != "noise only":  # it draws anew
                found, other = row.subjects[subject], alone.scores
                assert list(found.values()) == pytest.approx(list(other.values()), nan_ok=True)


def sequence(features, targets, breaks=(), name="s", **options) -> TimeSeries:
    x = np.asarray(features, dtype=np.float32)
    y = np.asarray(targets, dtype=np.int64)
    return TimeSeries(
        name=name, subject=name, features=x.reshape(len(y), -1), targets=y, breaks=breaks, **options
    )


def task_of(train, valid=(), test=(), **options) -> Task:
    return Task(
        train=tuple(train), valid=tuple(valid), test=tuple(test), n_classes=2, main_score="kappa",
        **options,
    )  # fmt: skip


def test_the_previous_true_label() -> None:
    s = sequence(np.zeros(9), [0, 1, -1, -1, 0, 1, 1, 0, 1], breaks=(6,))
    model = plain.previous_label(task_of([s, sequence(np.zeros(3), [0, 0, 0])])).model
    # At the start and after the gap the majority (0); through unlabelled steps the last known one.
    assert model(s)[:, 1].tolist() == [0, 0, 1, 1, 1, 0, 0, 1, 0]


def test_past_steps_do_not_reach_over_a_gap() -> None:
    s = sequence(np.arange(7), [0] * 7, breaks=(4,))
    found = regression.past(s, np.arange(7), 2)
    assert found.tolist() == [
        [0, 0, 0], [1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 4, 4], [5, 4, 4], [6, 5, 4],
    ]  # fmt: skip
    assert regression.past(s, np.array([6, 2]), 1).tolist() == [[6, 5], [2, 1]]


def test_many_features_look_back_fewer_steps() -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 60)
    wide = task_of([sequence(random.normal(size=(60, 300)), y)])
    assert regression.past_steps(wide).name == "this and 2 past steps"


def test_transitions_are_counted_within_a_segment() -> None:
    s = sequence(np.zeros(10), [0, 0, 1, 1, 1, -1, 0, 0, 1, 1], breaks=(8,))
    # 0-0 twice, 0-1 once (the other is over the gap), 1-1 three times; one added to each.
    assert smoothed.transitions(task_of([s])).tolist() == [[3 / 5, 2 / 5], [1 / 5, 4 / 5]]


def test_the_filter_against_the_sum_over_all_paths() -> None:
    """p(y_t | x_1..x_t) by enumerating the paths of two states."""
    random = np.random.default_rng(1)
    said = random.normal(size=7)
    stay = np.array([[0.8, 0.2], [0.3, 0.7]])
    starts = np.array([True, False, False, False, True, False, False])
    found = smoothed.forward(said, starts, 0.25, stay)
    for begin, stop in ((0, 4), (4, 7)):
        for t in range(begin, stop):
            n = t - begin + 1
            mass = np.zeros(2)
            for path in np.ndindex(*([2] * n)):
                p = 0.25 if path[0] else 0.75
                for a, b in pairwise(path):
                    p *= stay[a, b]
                p *= np.exp(np.dot(path, said[begin : t + 1]))
                mass[path[-1]] += p
            assert found[t] == pytest.approx(mass[1] / mass.sum())


def markov(seed, n=3000, flip=0.03, noise=1.5):
    random = np.random.default_rng(seed)
    y = np.cumsum(random.random(n) < flip) % 2
    return sequence(y + random.normal(0, noise, n), y, name=f"s{seed}")


@pytest.mark.parametrize("weights", [None, (0.6, 3.0)])
def test_smoothing_helps_on_a_chain_and_class_weights_do_not_matter(weights) -> None:
    task = task_of([markov(0), markov(1)], [markov(2)], [markov(3)], class_weights=weights)
    this = regression.this_step(task)
    model = smoothed.smoothed(task, this)
    (test,) = task.test
    right = [np.mean((m.model(test)[:, 1] > 0.5) == test.targets) for m in (this, model)]
    assert right[1] > max(right[0] + 0.1, 0.72)
    assert model.odds == 1
    # What it says is a chance: of the steps at .8, four of five are positive.
    p = model.model(test)[:, 1]
    near = (p > 0.6) & (p < 0.9)
    assert np.mean(test.targets[near]) == pytest.approx(p[near].mean(), abs=0.1)


def test_at_most_so_many_steps_are_fitted_on() -> None:
    task = task_of([markov(0), markov(1, n=1000)])
    steps = fitted.steps_of(task.train, fitted.this_step, most=400)
    assert len(steps.y) == 400
    assert steps.note == "fitted on 400 evenly spaced of 4000 training steps"
    first, second = (s.features[:, 0] for s in task.train)
    assert steps.x[0, 0] == first[0]
    assert steps.x[-1, 0] == second[-1]
    assert np.isin(steps.x[:300, 0], first).all()
    assert fitted.steps_of(task.train, fitted.this_step).note == ""


def scattered(seed, n=600):
    """Two of twelve features matter, three are copies of one another."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 12))
    x[:, 5] = x[:, 6] = x[:, 4]
    y = (x[:, 0] - x[:, 1] + random.normal(0, 0.7, n) > 0.5).astype(int)
    return sequence(x * 50 + 3, y, name=f"s{seed}")


@pytest.mark.parametrize("make", [lasso_probit, discriminant])
def test_probit_and_partial_least_squares(make) -> None:
    task = task_of([scattered(0)], [scattered(1)], [scattered(2)])
    made = make(task)
    (test,) = task.test
    p = made.model(test)
    assert np.allclose(p.sum(axis=1), 1)
    assert np.mean((p[:, 1] > 0.5) == test.targets) > 0.8
    assert "chosen on validation" in made.note
    alone = make(replace(task, valid=()))
    assert "there are no validation steps" in alone.note
    assert np.mean((alone.model(test)[:, 1] > 0.5) == test.targets) > 0.75


def test_the_penalty_leaves_out_what_does_not_matter() -> None:
    made = lasso_probit(task_of([scattered(0)], [scattered(1)]))
    used = int(made.note.partition("; ")[2].split()[0])
    assert 2 <= used <= 8


def test_means_of_the_past_are_causal_and_fade_over_a_gap() -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    times = np.arange(40) * 5.0
    times[25:] += 60.0
    s = sequence(x, [0] * 40, breaks=(25,), step_seconds=5.0, step_times=times)
    found = past.means(s, x, [20.0, 90.0])
    for t in (0, 7, 24, 25, 39):
        for k, tau in enumerate((20.0, 90.0)):
            weights = np.exp(-(times[t] - times[: t + 1]) / tau)
            expected = (weights[:, None] * x[: t + 1]).sum(0) / weights.sum()
            np.testing.assert_allclose(found[t, 2 * k : 2 * k + 2], expected, rtol=1e-9)


def test_regression_on_past_means_takes_the_networks_means_where_it_has_some() -> None:
    random = np.random.default_rng(0)
    made = [sequence(random.normal(size=(60, 3)), random.integers(0, 2, 60), name=f"s{k}")
            for k in range(3)]  # fmt: skip
    describe, _ = past.description(task_of(made))
    assert describe(made[0], np.arange(5)).shape == (5, 9)
    with_means = task_of(made, facts={"pipeline": {"context": [20.0]}})
    describe, note = past.description(with_means)
    assert describe(made[0], np.arange(5)).shape == (5, 3)
    assert "network's own inputs" in note


def test_convolutional_network_sees_its_past_and_nothing_over_a_gap() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(200, 3)), random.integers(0, 2, 200)
    model = convolution.causal_cnn(task_of([sequence(x, y, breaks=(150,))]), 0).model
    before = model(sequence(x, y, breaks=(150,)))
    changed = x.copy()
    changed[100] += 5
    after = model(sequence(changed, y, breaks=(150,)))
    moved = np.flatnonzero(np.abs(after - before).max(axis=1) > 1e-7)
    assert moved.min() == 100
    assert moved.max() <= 114
    changed = x.copy()
    changed[149] += 5
    moved = np.flatnonzero(
        np.abs(model(sequence(changed, y, breaks=(150,))) - before).max(1) > 1e-7
    )
    assert moved.tolist() == [149]


def people(n, seed=0, shift=0.0):
    """Labelled sequences of several people, whose first feature says the class."""
    random = np.random.default_rng(seed)
    made = []
    for k in range(n):
        y = np.repeat(random.integers(0, 2, 30), 8)
        x = random.normal(size=(240, 3))
        x[:, 0] += 1.5 * y + shift * k
        made.append(sequence(x, y, name=f"p{k}", step_seconds=5.0))
    return made


def scored(parts):
    return pooled_scores(parts, EventRules())


def test_thresholds_come_from_people_that_a_model_was_not_fitted_on() -> None:
    everybody = people(7, shift=0.4)
    train, test = everybody[:6], everybody[6:]
    folds = tuple(
        InnerFold(
            name=f"p{k}",
            train=tuple(s for s in train if s is not train[k]),
            valid=(train[k],),
            class_weights=(0.5, 1.5),
        )
        for k in range(6)
    )
    task = task_of(train, test=test, inner=folds, class_weights=(0.5, 1.5))
    rows = {r.name: r for r in baselines(task, 1.0, scored, 0, "strong", "kappa")}
    assert list(rows) == FEW + STRONG
    fitted_on = {}
    for fold in folds:
        part = replace(task, train=fold.train, valid=fold.valid, inner=())
        fitted_on[fold.name] = past.regression(part).model(fold.valid[0])[:, 1]
    y = np.concatenate([s.targets for s in train])
    p = np.concatenate([fitted_on[s.subject] for s in train]).astype(np.float64)
    expected, _ = choose("kappa", y, p, 1.0, (1.0, 1.0), 3.0)
    decision = rows["regression on past means"].predictions[0].decision
    assert decision["threshold"] == pytest.approx(expected)
    # the model itself is fitted on all of them
    whole = past.regression(task).model(test[0])
    found = rows["regression on past means"].predictions[0].probabilities[0]
    np.testing.assert_allclose(found, whole)


def test_a_setting_chosen_on_people_left_out_holds_for_the_models_of_all_folds() -> None:
    random = np.random.default_rng(0)
    train = []
    for k in range(5):
        y = np.repeat(random.integers(0, 2, 10), 4)
        x = random.normal(size=(40, 25))  # of these one matters: a weak penalty fits the noise
        x[:, 0] += y
        train.append(sequence(x, y, name=f"p{k}"))
    folds = tuple(
        InnerFold(name=s.name, train=tuple(t for t in train if t is not s), valid=(s,))
        for s in train
    )
    task = task_of(train, test=train[:1], inner=folds)
    parts = [task_of(fold.train, fold.valid) for fold in folds]

    def said(part, strength):
        describe = fitted.step_alone(part)
        one = regression.logistic("one", part, describe, (strength,))
        return one.model(part.valid[0])[:, 1].astype(np.float64)

    def loss(strength):
        return np.mean([fitted.log_loss(p.valid[0].targets, said(p, strength)) for p in parts])

    made = regression.chosen_penalty(task)
    assert made.setting == min(regression.STRENGTHS, key=loss) != 1.0
    assert "chosen on people left out in cross-validation" in made.note
    rows = {r.name: r for r in baselines(task, 1.0, scored, 0, "all", "kappa")}
    y = np.concatenate([s.targets for s in train])
    p = np.concatenate([said(part, made.setting) for part in parts])
    expected, _ = choose("kappa", y, p, 1.0, (1.0, 1.0), 1.0)
    decision = rows[regression.CHOSEN].predictions[0].decision
    assert decision["threshold"] == pytest.approx(expected)
    for name in (regression.CHOSEN, "lasso-probit", "PLS discriminant"):
        assert "chosen on people left out" in rows[name].note


def test_fold_without_both_classes_is_left_out() -> None:
    train = people(3)
    one = replace(train[2], targets=np.zeros(240, dtype=np.int64))
    both = InnerFold(name="p0", train=(train[1], one), valid=(train[0],))
    lacks = InnerFold(name="p1", train=(one,), valid=(train[1],))
    task = task_of([*train[:2], one], test=train[:1], inner=(both, lacks))
    rows = baselines(task, 1.0, scored, 0, "strong", "kappa")
    assert all(0 < r.predictions[0].decision["threshold"] <= 1 for r in rows)


def test_strong_baselines_are_better_than_the_step_alone() -> None:
    task = task_of(people(6), valid=people(3, 1), test=people(4, 2))
    rows = {r.name: r.scores["auc_roc"] for r in baselines(task, 1.0, scored, 0)}
    alone = rows["this step alone"]
    assert rows["regression on past means"] > alone + 0.02
    assert rows["boosted trees on past means"] > alone + 0.02
    assert rows["causal CNN"] > alone + 0.02


def test_convolutional_network_is_not_shown_means_of_the_past() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(120, 2)), random.integers(0, 2, 120)
    facts = {"pipeline": {"context": [20.0]}, "feature_names": ["alpha", "alpha, mean of 20 s"]}
    model = convolution.causal_cnn(task_of([sequence(x, y)], facts=facts), 0).model
    changed = x.copy()
    changed[:, 1] += 5
    assert np.array_equal(model(sequence(x, y)), model(sequence(changed, y)))
    changed[:, 0] += 5
    assert not np.array_equal(model(sequence(x, y)), model(sequence(changed, y)))
