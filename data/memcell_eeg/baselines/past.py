"""The strong simple baselines: a regression, and trees, on each step and what the last minutes were like.

Ten lines of scikit-learn, and hard to beat with little data. Each step is described by its features and their
causal means over some 20 s and 90 s (`memcell_eeg.features.context`; of precomputed features over 5 and 20
steps where that is longer). Where the run's own features have such means, they are taken as they are: then
the regression sees exactly what the network sees, with the network's scale.

- *regression on past means*: logistic regression with a strong L2 penalty (C = .001), weighted as the loss
  is. A network that starts at a regression on its inputs (``--skip``) is this one before its first update;
- *the same, penalty chosen*: with the C whose regressions predict the people best that they were not fitted
  on, in the folds in which a network's settings are chosen, and by the same loss as its own start;
- *the first, smoothed*: a causal mean of its logit over some 10 s, the smallest memory that needs no labels;
- *boosted trees on past means*: gradient-boosted trees, few and small, on the same description.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from memcell.applications.app import InnerFold, Task
from memcell.sequences.time_series import TimeSeries
from memcell.training.regression_start import choose_inverse_penalty
from memcell_eeg.baselines.fitted import (
    Describe,
    Fitted,
    chosen_where,
    every_step,
    fold_task,
    has_both,
    has_means,
    notes,
    steps_of,
    this_step,
    two,
)
from memcell_eeg.baselines.regression import logistic
from memcell_eeg.features.context import ContextMeans

#: Time constants of the means in seconds, and the least that they are in steps.
MEANS = ((20.0, 5), (90.0, 20))
SMOOTHED = (10.0, 2)
#: C of scikit-learn.
STRENGTH = 1e-3
#: More features than these are samples of a signal, whose means say nothing.
WIDEST = 300
NAME = "regression on past means"
#: The one whose penalty is chosen.
CHOSEN = f"{NAME}, penalty chosen"
#: Surest logit, so that one step alone does not outweigh a minute.
SUREST = 20.0


def description(task: Task) -> tuple[Describe, str]:
    """Return what describes a step of a task, and a note on it."""
    if has_means(task):
        return this_step, "on the network's own inputs"
    seconds = [max(s, n * task.train[0].step_seconds) for s, n in MEANS]

    def describe(sequence: TimeSeries, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        now = np.asarray(sequence.features, dtype=np.float64)
        return np.concatenate([now, means(sequence, now, seconds)], axis=1)[steps]

    return describe, f"features and their means of {' and '.join(f'{s:g}' for s in seconds)} s"


def means(
    sequence: TimeSeries, values: NDArray[np.float64], seconds: Sequence[float]
) -> NDArray[np.float64]:
    """Return causal means ``[n_steps, F * len(seconds)]`` of values ``[n_steps, F]`` along a sequence.

    What was before a gap fades by its length.
    """
    past = ContextMeans(seconds, sequence.step_seconds)
    times, parts = sequence.times, []
    edges = [0, *sequence.breaks, sequence.n_steps]
    for start, stop in pairwise(edges):
        if start:
            past.gap((times[start] - times[start - 1]) / sequence.step_seconds - 1)
        parts.append(past.push(values[start:stop]))
    return np.concatenate(parts)


def regression(task: Task) -> Fitted:
    """Return the regression on past means."""
    describe, note = description(task)
    return logistic(NAME, task, describe, (STRENGTH,), note)


def chosen_penalty(task: Task, strength: float | None = None) -> Fitted | None:
    """Return the regression on past means with a penalty that is chosen, or was before.

    None where the training people are not divided into folds to choose by.

    Args:
        task: Its training split is fitted on.
        strength: C that was chosen before.
    """
    note = ""
    describe, seen = description(task)
    if strength is None:
        folds = [fold for fold in task.inner if has_both(fold_task(task, fold))]
        if not folds:
            return None
        strength = task.inverse_penalty  # as the network's own start has it
        if strength is None or not has_means(task) or len(folds) < len(task.inner):
            if not has_means(task):
                folds = [_described(fold, describe) for fold in folds]
            strength = choose_inverse_penalty(replace(task, inner=tuple(folds))).inverse_penalty
        note = f"C = {strength:g}, {chosen_where(task, True)}"
    fitted = logistic(CHOSEN, task, describe, (strength,), notes(seen, note))
    return replace(fitted, setting=strength)


def _described(fold: InnerFold, describe: Describe) -> InnerFold:
    """Return a fold whose features are what describes its steps."""

    def made(sequences: Sequence[TimeSeries]) -> tuple[TimeSeries, ...]:
        return tuple(
            replace(s, features=describe(s, every_step(s)).astype(np.float32)) for s in sequences
        )

    return replace(fold, train=made(fold.train), valid=made(fold.valid))


def averaged(task: Task, fitted: Fitted) -> Fitted:
    """Return a baseline with its logit averaged over the last seconds.

    Args:
        task: Says how long a step is.
        fitted: The baseline.
    """
    tau = max(SMOOTHED[0], SMOOTHED[1] * task.train[0].step_seconds)

    def model(sequence: TimeSeries) -> NDArray[np.float32]:
        p = np.clip(fitted.model(sequence)[:, 1].astype(np.float64), 1e-9, 1 - 1e-9)
        logit = np.clip(np.log(p) - np.log1p(-p), -SUREST, SUREST)
        return two(1 / (1 + np.exp(-means(sequence, logit[:, None], [tau])[:, 0])))

    return Fitted(
        name=f"{fitted.name}, smoothed",
        model=model,
        odds=fitted.odds,
        note=notes(fitted.note, f"logit averaged over {tau:g} s"),
    )


def trees(task: Task) -> Fitted:
    """Return boosted trees on past means: 60 of at most 8 leaves, each of at least 1 % of the steps.

    Each step weighs the same: a threshold is chosen for their probability anyway, and scikit-learn bins
    weighted values a hundred times slower.
    """
    describe, note = description(task)
    steps = steps_of(task.train, describe)
    fitted = HistGradientBoostingClassifier(
        max_iter=60,
        learning_rate=0.1,
        max_leaf_nodes=8,
        min_samples_leaf=max(20, len(steps.y) // 100),
        l2_regularization=10.0,
        early_stopping=False,
        random_state=0,
    ).fit(steps.x, steps.y)

    def model(sequence: TimeSeries) -> NDArray[np.float32]:
        return two(fitted.predict_proba(describe(sequence, every_step(sequence)))[:, 1])

    return Fitted(
        name="boosted trees on past means",
        model=model,
        odds=1.0,
        note=notes(note, steps.note),
    )
