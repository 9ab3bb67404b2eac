"""Thresholds, chances and intervals against formulas written down anew, in exact fractions where they are."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations_with_replacement
from math import factorial, prod

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from memcell.applications.app import ModelPredictions, Task
from memcell.sequences.time_series import TimeSeries
from memcell.sequences.windows import window_table
from memcell.training.window_statistics import class_totals as totals_of_order
from memcell_eeg.baselines import baselines, partial_least_squares, probit, regression, smoothed
from memcell_eeg.baselines.fitted import threshold_of
from memcell_eeg.decisions.costs import loss_weights
from memcell_eeg.decisions.decision import class_totals, decide, shift_of
from memcell_eeg.scores.events import EventRules
from memcell_eeg.scores.resampled import MOST_UNDEFINED, intervals
from memcell_eeg.scores.scores import pooled_scores, step_scores
from memcell_eeg.targets.transitions import transition_weights
from memcell_plugins.samplers.balanced import Balanced


def sequence(random, k, n=1500, rare=0.08):
    """Return a recording in runs of 10 steps, whose first feature differs between the classes."""
    y = np.repeat(random.random(n // 10) < rare, 10).astype(np.int64)
    x = random.normal(size=(n, 3))
    x[:, 0] += y
    return TimeSeries(
        name=f"r{k}", subject=f"s{k}", features=x.astype(np.float32), targets=y, step_seconds=0.2
    )


def task(seed=0, valid=(), ratio=1.0, weighted=True, around=0.0):
    random = np.random.default_rng(seed)
    made = [sequence(random, k) for k in range(9)]
    steps = tuple(transition_weights(s, around) for s in made[:6]) if around else None
    totals = class_totals(made[:6], steps)
    return Task(
        train=tuple(made[:6]),
        valid=tuple(valid),
        test=tuple(made[6:]),
        n_classes=2,
        main_score="balanced_accuracy",
        class_weights=loss_weights(*totals, ratio) if weighted else None,
        train_weights=steps,
    )


def only_wake(random):
    made = sequence(random, 20)
    return replace(made, targets=np.zeros_like(made.targets))


@pytest.mark.parametrize("valid", ["none", "one class"])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_where_validation_lacks_a_class_networks_and_baselines_follow_one_rule(
    valid, ratio, weighted
) -> None:
    random = np.random.default_rng(1)
    held = () if valid == "none" else (only_wake(random),)
    t = task(valid=held, weighted=weighted)
    y = np.concatenate([s.targets for s in t.train])
    n, p = Fraction(int((y == 0).sum())), Fraction(int((y == 1).sum()))

    def expected(shift):
        odds = shift * p / (Fraction(str(ratio)) * n)
        return float(odds / (1 + odds))

    own = n / p if weighted else Fraction(1)
    said = [np.full((s.n_steps, 2), 0.5, dtype=np.float32) for s in held]
    assert decide("threshold", t, said, ratio)["threshold"] == pytest.approx(expected(own))
    this = regression.this_step(t)
    for model, shift in (
        (this, own),
        (smoothed.smoothed(t, this), Fraction(1)),
        (probit.lasso_probit(t), Fraction(1)),
        (partial_least_squares.discriminant(t), Fraction(1)),
    ):
        assert threshold_of(model, t, ratio, "threshold") == pytest.approx(expected(shift))
        likelier = float(shift / (1 + shift))
        for way in ("likelier", "kappa"):
            assert threshold_of(model, t, ratio, way) == pytest.approx(likelier)
    assert decide("likelier", t, said, ratio)["threshold"] == pytest.approx(float(own / (1 + own)))


def test_without_validation_every_baseline_is_scored_under_its_own_odds() -> None:
    t = task(valid=())

    def score(predictions):
        return pooled_scores(predictions, EventRules())

    rows = {r.name: r.scores["balanced_accuracy"] for r in baselines(t, 1.0, score, 0, "all")}
    assert rows["lasso-probit"] > 0.6  # under .5 it calls next to nothing positive: about .5
    assert rows["PLS discriminant"] > 0.6


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("how", ["plain", "around", "balanced"])
def test_every_shift_of_the_prior_is_undone(how, weighted) -> None:
    """A logistic regression in the network's place, trained on what the sampler and the weights leave."""
    t = task(seed=3, weighted=weighted, around=1.0 if how == "around" else 0.0)
    table = window_table(t.train, 10, 2, t.train_weights)
    rows = np.arange(len(table))
    if how == "balanced":
        rows = Balanced().order(table, 8, 0, np.random.default_rng(0))
    totals = totals_of_order(t.train, t.train_weights, table, rows)
    t = replace(t, training_totals=tuple(totals.tolist()))

    # every step of every window as often as it came, by a loop over steps
    x, y, w = [], [], []
    for row in rows[rows >= 0].ravel():
        s = t.train[table.sequence[row]]
        for step in range(table.start[row], table.start[row] + table.length[row]):
            x.append(s.features[step])
            y.append(int(s.targets[step]))
            w.append(
                1.0
                if t.train_weights is None
                else float(t.train_weights[table.sequence[row]][step])
            )
    x, y, w = np.array(x), np.array(y), np.array(w)
    assert totals == pytest.approx([w[y == 0].sum(), w[y == 1].sum()])
    of_class = np.array(t.class_weights or (1.0, 1.0))
    network = LogisticRegression(C=1e6).fit(x, y, sample_weight=w * of_class[y])

    shift = shift_of(t)
    truth = np.concatenate([s.targets for s in t.train])
    natural = (truth == 1).sum() / (truth == 0).sum()
    effective = (w * of_class[y])[y == 1].sum() / (w * of_class[y])[y == 0].sum()
    assert shift == pytest.approx(effective / natural)

    test_y = np.concatenate([s.targets for s in t.test])
    p = network.predict_proba(np.concatenate([s.features for s in t.test]))[:, 1]
    undone = step_scores(test_y, p, 0.5, shift)["ece"]
    weights_alone = step_scores(test_y, p, 0.5, of_class[1] / of_class[0])["ece"]
    assert undone < 0.03
    if how != "plain" and not (how == "around" and weighted):
        assert weights_alone > 2 * undone
    if how == "plain":
        assert shift == of_class[1] / of_class[0]
    # the likelier class: as many errors as a model of the natural prior makes, not more
    threshold = decide("likelier", t, [], 1.0)["threshold"]
    errors = np.mean((p >= threshold) != (test_y == 1))
    assert errors <= np.mean(test_y == 1) + 0.005


def judged_of(subjects, random, threshold=0.5, positives=()):
    made, said = [], []
    for u in subjects:
        y, p = np.zeros(500, dtype=int), random.random(500) * 0.6
        if u in positives:
            y[100:120], p[100:120] = 1, 0.9
        made.append(
            TimeSeries(
                name=u,
                subject=u,
                features=np.zeros((500, 1), dtype=np.float32),
                targets=y,
                step_seconds=0.2,
            )
        )
        said.append(np.stack([1 - p, p], axis=1).astype(np.float32))
    return ModelPredictions(
        sequences=tuple(made), probabilities=tuple(said), decision={"threshold": threshold}
    )


@pytest.mark.parametrize("positives", ["", "a", "ab", "abcd"])
@pytest.mark.parametrize("threshold", [0.5, 2.0])
def test_an_interval_is_given_where_the_score_is_defined_in_the_resamples(
    positives, threshold
) -> None:
    """Each resample of subjects scored by the same code as the pooled score, one by one."""
    random = np.random.default_rng(0)
    part = judged_of("abcd", random, threshold, positives)
    rules = EventRules()
    found = intervals([part], rules)
    pooled = pooled_scores([part], rules)
    lost = dict.fromkeys(found, 0.0)  # share of all 4^4 resamples without the score
    for draw in combinations_with_replacement(range(4), 4):
        share = factorial(4) / prod(factorial(draw.count(i)) for i in range(4)) / 4**4
        again = ModelPredictions(
            sequences=tuple(part.sequences[i] for i in draw),
            probabilities=tuple(part.probabilities[i] for i in draw),
            decision=part.decision,
        )
        scores = pooled_scores([again], rules)
        for name in found:
            lost[name] += share * (not np.isfinite(scores[name]))
    for name, ends in found.items():
        undefined = not np.isfinite(pooled[name]) or lost[name] > MOST_UNDEFINED
        assert np.isnan(ends).all() if undefined else np.isfinite(ends).all(), name
    if positives == "a":
        for name in ("balanced_accuracy", "kappa", "f1", "auc_pr", "mcc"):
            assert np.isnan(found[name]).all(), name
    if positives == "":
        for name in ("balanced_accuracy", "kappa", "f1", "auc_pr", "mcc", "event_sensitivity"):
            assert np.isnan(found[name]).all(), name
