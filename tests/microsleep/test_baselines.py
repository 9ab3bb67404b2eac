"""What stands beside every network: fitted on training, chosen on validation, blind to the test labels."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from memcell.applications.app import Task
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.baselines import fitted, plain, regression, smoothed
from memcell_eeg.baselines.partial_least_squares import discriminant
from memcell_eeg.baselines.probit import lasso_probit
from memcell_eeg.scores.scores import MEANING
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
MORE = [
    "this and 10 past steps",
    "this and 10 past steps, HMM-smoothed",
    "this step alone, penalty chosen",
    "this step alone, penalty chosen, HMM-smoothed",
    "lasso-probit",
    "PLS discriminant",
]


@pytest.fixture
def app(theta_dataset) -> Microsleep:
    return Microsleep(MicrosleepConfig(), theta_dataset)


def test_few_and_all(app, theta_dataset) -> None:
    task = app.task()
    rows = {r.name: r for r in app.baselines(task)}
    assert list(rows) == FEW
    every = {r.name: r for r in app.baselines(task, every=True)}
    assert list(every) == FEW + MORE
    typed = Microsleep(MicrosleepConfig(baselines="all"), theta_dataset)
    assert [r.name for r in typed.baselines(task)] == FEW + MORE
    for row in every.values():
        assert row.kind == "baseline"
        assert list(row.scores) == list(MEANING)
        assert set(row.subjects) == {s.subject for s in task.test}
    accuracy = {name: row.scores["balanced_accuracy"] for name, row in every.items()}
    assert accuracy["majority class"] == 0.5
    assert abs(accuracy["noise only"] - 0.5) < 0.1
    for name in (*MORE, *FEW[3:]):
        assert accuracy[name] > 0.8, name


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
