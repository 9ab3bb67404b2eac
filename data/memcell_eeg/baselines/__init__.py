"""What needs no recurrent network: to be shown beside every one, for a score means nothing alone.

``few``, quick:

- majority class: the more frequent class of the training steps, everywhere;
- clock only: logistic regression on the time since the recording's start, without any signal;
- noise only: logistic regression on random numbers;
- previous true label: what was true one step ago. No detector has it, so it cannot be used; it shows what a
  score is worth on labels that seldom change;
- this step alone: logistic regression on the features of the step, without memory and means of its past;
- the same, smoothed by a hidden Markov model of two states: the smallest memory there is.

``strong``, and beside every run unless something else is typed: what is hard to beat with little data:

- logistic regression on this step and the past ones, also smoothed by the hidden Markov model;
- logistic regression with a strong penalty on the step and means of its past, also with an averaged logit,
  and boosted trees on the same (`memcell_eeg.baselines.past`);
- a small causal convolutional network (`memcell_eeg.baselines.convolution`).

``all``, beside a comparison too:

- logistic regression on this step with a penalty chosen on validation, also smoothed;
- lasso-probit and a partial-least-squares discriminant, on this step.

All are fitted on the training steps, scaled by their mean and spread, and see no label of the test steps but
the one that is said to. Their threshold is chosen by the rule of the network and on the same people: on the
validation steps, or, where the training people are divided into folds (`memcell.applications.app.InnerFold`),
on the pooled predictions for the people of each fold by models that were fitted without them. Nothing is
random but what comes from a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from memcell.applications.app import InnerFold, Row, Task
from memcell_eeg.baselines import (
    convolution,
    partial_least_squares,
    past,
    plain,
    probit,
    regression,
    smoothed,
)
from memcell_eeg.baselines.fitted import Fitted, Held, Score, row

__all__ = ["WHICH", "baselines"]

#: Which baselines there may be, the fewest first.
WHICH = ("few", "strong", "all")


def baselines(
    task: Task,
    cost_ratio: float,
    score: Score,
    seed: int,
    which: str = "strong",
    way: str = "threshold",
) -> list[Row]:
    """Return a row of test scores for each baseline, pooled and by subject.

    Args:
        task: Its training part has both classes.
        cost_ratio: For the threshold, as for a network.
        score: Gives the scores of the parts that a model has judged.
        seed: Of noise and of the convolutional network.
        which: ``"few"``, ``"strong"`` or ``"all"``.
        way: How thresholds are chosen, as for a network.
    """
    models = _fitted(task, seed, which)
    held = _held_out(task, seed, which, len(models))
    return [
        row(model, task, cost_ratio, score, way, own)
        for model, own in zip(models, held, strict=True)
    ]


def _fitted(task: Task, seed: int, which: str) -> list[Fitted]:
    """Return the baselines, fitted on the training part of a task."""
    this = regression.this_step(task)
    models: list[Fitted] = [
        plain.majority(task),
        plain.clock_only(task),
        plain.noise_only(task, np.random.default_rng(seed)),
        plain.previous_label(task),
        this,
        smoothed.smoothed(task, this),
    ]
    if which in ("strong", "all"):
        steps = regression.past_steps(task)
        models += [steps, smoothed.smoothed(task, steps)]
        if task.train[0].n_features <= past.WIDEST:
            means = past.regression(task)
            models += [
                means,
                past.averaged(task, means),
                past.trees(task),
                convolution.causal_cnn(task, seed),
            ]
    if which == "all":
        chosen = regression.chosen_penalty(task)
        models += [
            chosen,
            smoothed.smoothed(task, chosen),
            probit.lasso_probit(task),
            partial_least_squares.discriminant(task),
        ]
    return models


def _held_out(task: Task, seed: int, which: str, n_models: int) -> Sequence[Held | None]:
    """Return, for each baseline, what it says of training people that it was not fitted on.

    None for each where the training people are not divided into folds.
    """
    parts = [_part(task, fold) for fold in task.inner]
    parts = [part for part in parts if _has_both(part)]
    if not parts:
        return [None] * n_models
    held: list[Held] = [[] for _ in range(n_models)]
    for part in parts:
        for own, model in zip(held, _fitted(part, seed, which), strict=True):
            own += [(s, model.model(s)) for s in part.valid]
    return held


def _part(task: Task, fold: InnerFold) -> Task:
    """Return the task of a fold: fitted on some of the training people, chosen on the others."""
    return replace(
        task,
        train=fold.train,
        valid=fold.valid,
        class_weights=fold.class_weights,
        train_weights=fold.train_weights,
        inner=(),
    )


def _has_both(part: Task) -> bool:
    y = np.concatenate([s.targets[s.labelled] for s in part.train])
    return bool((y == 0).any() and (y == 1).any())
