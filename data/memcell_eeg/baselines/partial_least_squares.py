"""A partial-least-squares discriminant: regression of the class on a few components (Barker and Rayens 2003).

One of the models of S. Schumacher's eye-state detector. The number of components is that with the smallest
log loss on validation; the regression's value becomes a probability by a logistic regression on it.
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
    Fitted,
    every_step,
    log_loss,
    notes,
    step_alone,
    steps_of,
    two,
)

MOST_COMPONENTS = 10
#: Where there is no validation split.
USUAL = 2


def discriminant(task: Task) -> Fitted:
    """Return the discriminant with 1 to `MOST_COMPONENTS` components."""
    this_step = step_alone(task)
    steps = steps_of(task.train, this_step)
    scaler = StandardScaler().fit(steps.x)
    x = scaler.transform(steps.x)
    rank = int(np.linalg.matrix_rank(x))
    held = steps_of(task.valid, this_step) if any(s.labelled.any() for s in task.valid) else None
    most = max(1, min(MOST_COMPONENTS, rank))
    best, chosen = np.inf, _Discriminant(x, steps.y, min(USUAL, most))
    if held is not None:
        for n in range(1, most + 1):
            made = _Discriminant(x, steps.y, n)
            loss = log_loss(held.y, made(scaler.transform(held.x)))
            if loss < best:
                best, chosen = loss, made

    def model(sequence: TimeSeries) -> NDArray[np.float32]:
        return two(chosen(scaler.transform(this_step(sequence, every_step(sequence)))))

    how = (
        "chosen on validation" if held is not None else "not chosen: there are no validation steps"
    )
    return Fitted(
        name="PLS discriminant",
        model=model,
        note=notes(f"{chosen.components} components, {how}", steps.note),
    )


class _Discriminant:
    """A fitted discriminant.

    Args:
        x: ``[n, F]`` scaled.
        y: ``[n]`` 0 or 1.
        components: How many.
    """

    def __init__(self, x: NDArray[np.float64], y: NDArray[np.int64], components: int) -> None:
        self.components = components
        self.regression = PLSRegression(n_components=components, scale=False).fit(x, y)
        self.logistic = LogisticRegression().fit(self._value(x), y)

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``[n]`` probabilities of the positive class."""
        return np.asarray(self.logistic.predict_proba(self._value(x))[:, 1], dtype=np.float64)

    def _value(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.regression.predict(x), dtype=np.float64).reshape(len(x), 1)
