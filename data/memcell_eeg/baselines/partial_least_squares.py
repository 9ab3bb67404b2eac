"""A partial-least-squares discriminant: regression of the class on a few components (Barker and Rayens 2003).

One of the models of S. Schumacher's eye-state detector. The number of components is that with the smallest
log loss on people left out; the regression's value becomes a probability by a logistic regression on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from memcell.applications.app import Task
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.baselines.fitted import (
    Describe,
    Fitted,
    choosing,
    chosen_where,
    every_step,
    log_loss,
    notes,
    step_alone,
    steps_of,
    two,
)

NAME = "PLS discriminant"
MOST_COMPONENTS = 10
#: Where there is no validation split.
USUAL = 2


def discriminant(task: Task, components: float | None = None) -> Fitted:
    """Return the discriminant.

    Args:
        task: Its training split is fitted on.
        components: How many, where that was chosen before; None for those of 1 to `MOST_COMPONENTS` with the
            smallest log loss on the people of `choosing`.
    """
    describe = step_alone(task)
    parts = choosing(task) if components is None else ()
    setting = None
    if parts:
        each = [_losses(part, describe) for part in parts]
        shared = min(map(len, each))
        losses = np.mean([losses[:shared] for losses in each], axis=0)
        components = setting = int(np.argmin(losses)) + 1
    steps = steps_of(task.train, describe)
    scaler = StandardScaler().fit(steps.x)
    x = scaler.transform(steps.x)
    n = min(int(components or USUAL), _most(x))
    fitted = _Discriminant(x, steps.y, n)

    def model(sequence: TimeSeries) -> NDArray[np.float32]:
        return two(fitted(scaler.transform(describe(sequence, every_step(sequence)))))

    note = f"{n} components, {chosen_where(task, bool(parts))}"
    return Fitted(name=NAME, model=model, note=notes(note, steps.note), setting=setting)


def _most(x: NDArray[np.float64]) -> int:
    return max(1, min(MOST_COMPONENTS, int(np.linalg.matrix_rank(x))))


def _losses(task: Task, describe: Describe) -> list[float]:
    """Return the log loss on the validation steps with 1, 2, ... components, nats."""
    steps, held = steps_of(task.train, describe), steps_of(task.valid, describe)
    scaler = StandardScaler().fit(steps.x)
    x, seen = scaler.transform(steps.x), scaler.transform(held.x)
    return [log_loss(held.y, _Discriminant(x, steps.y, n)(seen)) for n in range(1, _most(x) + 1)]


class _Discriminant:
    """A fitted discriminant.

    Args:
        x: ``[n, F]`` scaled.
        y: ``[n]`` 0 or 1.
        components: How many.
    """

    def __init__(self, x: NDArray[np.float64], y: NDArray[np.int64], components: int) -> None:
        self.regression = PLSRegression(n_components=components, scale=False).fit(x, y)
        self.logistic = LogisticRegression().fit(self._value(x), y)

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``[n]`` probabilities of the positive class."""
        return np.asarray(self.logistic.predict_proba(self._value(x))[:, 1], dtype=np.float64)

    def _value(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.regression.predict(x), dtype=np.float64).reshape(len(x), 1)
