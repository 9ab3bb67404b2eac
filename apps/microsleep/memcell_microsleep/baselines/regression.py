"""Logistic regression on a step's features, or on those of the past steps too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from memcell.app import Task
from memcell.sequences.sequence import Sequence
from memcell_microsleep.baselines import fitted as table
from memcell_microsleep.baselines.fitted import Describe, Fitted, every_step, steps_of, two

PAST = 10
#: Columns that the regression on past steps may have; with more features it looks back fewer steps.
WIDEST = 1000


def logistic(name: str, task: Task, describe: Describe) -> Fitted:
    """Return logistic regression (L2 penalty of scikit-learn's default, C = 1), weighted as the loss is.

    Args:
        name: In the table.
        task: Its training split is fitted on.
        describe: What it sees.
    """
    steps = steps_of(task.train, describe)
    scaler = StandardScaler().fit(steps.x)
    weights = task.class_weights
    regression = LogisticRegression(
        max_iter=500, class_weight=None if weights is None else dict(enumerate(weights))
    ).fit(scaler.transform(steps.x), steps.y)

    def model(sequence: Sequence) -> NDArray[np.float32]:
        x = scaler.transform(describe(sequence, every_step(sequence)))
        return two(regression.predict_proba(x)[:, 1])

    return Fitted(name=name, model=model, odds=table.weight_odds(task), note=steps.note)


def this_step(task: Task) -> Fitted:
    """Return logistic regression on the features of the step."""
    return logistic("this step alone", task, table.this_step)


def past_steps(task: Task) -> Fitted:
    """Return logistic regression on the features of this step and `PAST` steps before it.

    Fewer where they would make more than `WIDEST` columns; the name says how many.
    """
    n = max(1, min(PAST, WIDEST // task.train[0].n_features - 1))
    return logistic(f"this and {n} past steps", task, lambda s, steps: past(s, steps, n))


def past(sequence: Sequence, steps: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Return ``[len(steps), (n + 1) F]``: features of each step, of the one before, ... n before.

    Nothing is taken from before a gap: a stretch's first step stands in for what would lie there.
    """
    starts = np.flatnonzero(sequence.starts)
    first = starts[np.searchsorted(starts, steps, side="right") - 1]
    at = np.maximum(steps[:, None] - np.arange(n + 1), first[:, None])
    return np.asarray(sequence.features[at], dtype=np.float64).reshape(len(steps), -1)
