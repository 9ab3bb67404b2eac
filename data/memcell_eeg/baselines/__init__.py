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

- logistic regression on this step with a chosen penalty, also smoothed;
- lasso-probit and a partial-least-squares discriminant, on this step.

All are fitted on the training steps, scaled by their mean and spread, and see no label of the test steps but
the one that is said to. Their threshold is chosen by the rule of the network and on the same people: on the
validation steps, or, where the training people are divided into folds (`memcell.applications.app.InnerFold`),
on the pooled predictions for the people of each fold by models that were fitted without them. Penalties and
numbers of components are chosen on the same people, once, and then hold for the models of all folds, as a
network's settings do. Nothing is random but what comes from a seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from memcell.applications.app import Row, Task
from memcell_eeg.baselines import (
    convolution,
    partial_least_squares,
    past,
    plain,
    probit,
    regression,
    smoothed,
)
from memcell_eeg.baselines.fitted import Fitted, Held, Score, fold_task, has_both, row

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
    held = _held_out(task, seed, which, models)
    return [
        row(model, task, cost_ratio, score, way, own)
        for model, own in zip(models, held, strict=True)
    ]


def _fitted(
    task: Task, seed: int, which: str, settings: Mapping[str, float | None] | None = None
) -> list[Fitted]:
    """Return the baselines, fitted on the training part of a task.

    Args:
        task: Its training part is fitted on.
        seed: Of noise and of the convolutional network.
        which: ``"few"``, ``"strong"`` or ``"all"``.
        settings: By name, what was chosen before; what is not there is chosen.
    """
    settings = settings or {}
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
            own = past.chosen_penalty(task, settings.get(past.CHOSEN))
            models += [
                means,
                past.averaged(task, means),
                *([] if own is None else [own]),
                past.trees(task),
                convolution.causal_cnn(task, seed),
            ]
    if which == "all":
        chosen = regression.chosen_penalty(task, settings.get(regression.CHOSEN))
        models += [
            chosen,
            smoothed.smoothed(task, chosen),
            probit.lasso_probit(task, settings.get(probit.NAME)),
            partial_least_squares.discriminant(task, settings.get(partial_least_squares.NAME)),
        ]
    return models


def _held_out(task: Task, seed: int, which: str, models: Sequence[Fitted]) -> Sequence[Held | None]:
    """Return, for each baseline, what it says of training people that it was not fitted on.

    None for each where the training people are not divided into folds.
    """
    parts = [part for fold in task.inner if has_both(part := fold_task(task, fold))]
    if not parts:
        return [None] * len(models)
    settings = {model.name: model.setting for model in models}
    held: list[Held] = [[] for _ in models]
    for part in parts:
        # without those who are judged: nothing is chosen on them again
        fitted = _fitted(replace(part, valid=()), seed, which, settings)
        for own, model in zip(held, fitted, strict=True):
            own += [(s, model.model(s)) for s in part.valid]
    return held
