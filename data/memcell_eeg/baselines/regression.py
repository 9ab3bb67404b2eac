"""Logistic regression on a step's features, or on those of the past steps too."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from memcell.applications.app import Task
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.baselines import fitted as table
from memcell_eeg.baselines.fitted import (
    Describe,
    Fitted,
    choosing,
    chosen_where,
    every_step,
    log_loss,
    notes,
    steps_of,
    two,
)
from memcell_eeg.scores.scores import undo_weights

PAST = 10
#: Of the solver, at most.
MOST_ITERATIONS = 500
#: Columns that the regression on past steps may have; with more features it looks back fewer steps.
WIDEST = 1000
#: Names of the regression on the step, and of that whose penalty is chosen.
THIS_STEP = "this step alone"
CHOSEN = f"{THIS_STEP}, penalty chosen"
#: Inverse strengths of the L2 penalty that may be tried: scikit-learn's own, and stronger penalties.
STRENGTHS = (1.0, 0.1, 0.01, 0.001, 0.0001)


def logistic(
    name: str,
    task: Task,
    describe: Describe,
    strengths: Sequence[float] = STRENGTHS[:1],
    note: str = "",
) -> Fitted:
    """Return logistic regression with an L2 penalty, weighted as the loss is.

    Noise on the inputs of a linear model is a penalty on its weights (Bishop 1995, "Training with noise is
    equivalent to Tikhonov regularization"), so this choice is to it what noise in training is to a network.

    Args:
        name: In the table.
        task: Its training split is fitted on.
        describe: What it sees.
        strengths: C of scikit-learn; of several that with the smallest log loss on the people of `choosing`,
            class weights undone.
        note: On what it sees.
    """
    strength, setting = strengths[0], None
    if len(strengths) > 1:
        parts = choosing(task)
        if parts:
            losses = np.mean([_losses(part, describe, strengths) for part in parts], axis=0)
            strength = setting = strengths[int(np.argmin(losses))]
        note = notes(note, f"penalty of C = {strength:g}, {chosen_where(task, bool(parts))}")
    fitting = _Logistic(task, describe)
    regression = fitting.fit(strength)
    if int(regression.n_iter_.max()) >= MOST_ITERATIONS:
        note = notes(note, f"not converged after {MOST_ITERATIONS} iterations")

    def model(sequence: TimeSeries) -> NDArray[np.float32]:
        x = fitting.scaler.transform(describe(sequence, every_step(sequence)))
        return two(regression.predict_proba(x)[:, 1])

    return Fitted(
        name=name,
        model=model,
        odds=table.weight_odds(task),
        note=notes(note, fitting.note),
        setting=setting,
    )


class _Logistic:
    """The training steps of a task, scaled, and the regression on them.

    Args:
        task: Its training split, and weights of the classes.
        describe: What the regression sees.
    """

    def __init__(self, task: Task, describe: Describe) -> None:
        steps = steps_of(task.train, describe)
        self.scaler = StandardScaler().fit(steps.x)
        self.note = steps.note
        self._x, self._y = self.scaler.transform(steps.x), steps.y
        weights = task.class_weights
        self._weights = None if weights is None else dict(enumerate(weights))

    def fit(self, strength: float) -> LogisticRegression:
        """Return the regression with ``C = strength``."""
        # Classes that can be told apart without an error need ever larger weights under a weak penalty:
        # where the iterations end the fit is good enough, and the row says so.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return LogisticRegression(
                C=strength, max_iter=MOST_ITERATIONS, class_weight=self._weights
            ).fit(self._x, self._y)


def _losses(task: Task, describe: Describe, strengths: Sequence[float]) -> list[float]:
    """Return the log loss on the validation steps for each strength, nats, class weights undone."""
    fitting, held = _Logistic(task, describe), steps_of(task.valid, describe)
    seen, odds = fitting.scaler.transform(held.x), table.weight_odds(task)
    said = (fitting.fit(strength).predict_proba(seen)[:, 1] for strength in strengths)
    return [log_loss(held.y, undo_weights(p, odds)) for p in said]


def this_step(task: Task) -> Fitted:
    """Return logistic regression on the features of the step."""
    return logistic(THIS_STEP, task, table.step_alone(task))


def chosen_penalty(task: Task, strength: float | None = None) -> Fitted:
    """Return the same with a penalty that is chosen, or was before."""
    strengths = STRENGTHS if strength is None else (strength,)
    return logistic(CHOSEN, task, table.step_alone(task), strengths)


def past_steps(task: Task) -> Fitted:
    """Return logistic regression on the features of this step and `PAST` steps before it.

    Fewer where they would make more than `WIDEST` columns; the name says how many.
    """
    columns = table.step_columns(task)
    n = max(1, min(PAST, WIDEST // len(columns) - 1))
    name = f"this and {n} past steps"
    return logistic(name, task, lambda s, steps: past(s, steps, n, columns))


def past(
    sequence: TimeSeries,
    steps: NDArray[np.int64],
    n: int,
    columns: NDArray[np.int64] | slice = slice(None),
) -> NDArray[np.float64]:
    """Return ``[len(steps), (n + 1) F]``: features of each step, of the one before, ... n before.

    Args:
        sequence: The sequence.
        steps: Which steps.
        n: How far back.
        columns: Which features; all by default.

    Nothing is taken from before a gap: a segment's first step stands in for what would lie there.
    """
    starts = np.flatnonzero(sequence.starts)
    first = starts[np.searchsorted(starts, steps, side="right") - 1]
    at = np.maximum(steps[:, None] - np.arange(n + 1), first[:, None])
    values = np.asarray(sequence.features[:, columns], dtype=np.float64)
    described: NDArray[np.float64] = values[at].reshape(len(steps), -1)
    return described
