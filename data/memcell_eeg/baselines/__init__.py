"""What needs no network: to be shown beside every network, for a score means nothing alone.

Quick, and beside every run:

- majority class: the more frequent class of the training steps, everywhere;
- clock only: logistic regression on the time since the recording's start, without any signal;
- noise only: logistic regression on random numbers;
- previous true label: what was true one step ago. No detector has it, so it cannot be used; it shows what a
  score is worth on labels that seldom change;
- this step alone: logistic regression on the features of the step, without any memory;
- the same, smoothed by a hidden Markov model of two states: the smallest memory there is.

Slower, beside a comparison (``--baselines all``):

- logistic regression on this step and the past ones, also smoothed;
- logistic regression on this step with a penalty chosen on validation, also smoothed;
- lasso-probit and a partial-least-squares discriminant, on this step.

All are fitted on the training steps, scaled by their mean and spread, get what there is to choose and their
threshold from the validation steps, exactly as a network does, and see no label of the test steps but the
one that is said to. Nothing is random but the noise, which comes from a seed.
"""

from __future__ import annotations

import numpy as np

from memcell.applications.app import Row, Task
from memcell_eeg.baselines import partial_least_squares, plain, probit, regression, smoothed
from memcell_eeg.baselines.fitted import Fitted, Score, row

__all__ = ["baselines"]


def baselines(
    task: Task,
    cost_ratio: float,
    score: Score,
    seed: int,
    every: bool = False,
    way: str = "threshold",
) -> list[Row]:
    """Return a row of test scores for each baseline, pooled and by subject.

    Args:
        task: Its training part has both classes.
        cost_ratio: For the threshold, as for a network.
        score: Gives the scores of the parts that a model has judged.
        seed: Of the noise.
        every: The slower ones too.
        way: How thresholds are chosen, as for a network.
    """
    this = regression.this_step(task)
    models: list[Fitted] = [
        plain.majority(task),
        plain.clock_only(task),
        plain.noise_only(task, np.random.default_rng(seed)),
        plain.previous_label(task),
        this,
        smoothed.smoothed(task, this),
    ]
    if every:
        past, chosen = regression.past_steps(task), regression.chosen_penalty(task)
        models += [
            past,
            smoothed.smoothed(task, past),
            chosen,
            smoothed.smoothed(task, chosen),
            probit.lasso_probit(task),
            partial_least_squares.discriminant(task),
        ]
    return [row(model, task, cost_ratio, score, way) for model in models]
