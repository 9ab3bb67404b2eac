"""Lasso-probit: ``P(y = 1) = Phi(b_0 + b x)`` with a chosen L1 penalty on b (statsmodels).

One of the models of S. Schumacher's eye-state detector. Without class weights, for statsmodels has none: the
threshold makes up for it. Penalties are tried from the strongest on, until the loss on people left out has
risen twice in a row: the weak ones of many features take long and fit noise.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.preprocessing import StandardScaler

from memcell.applications.app import Task
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.baselines.fitted import (
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

NAME = "lasso-probit"
#: Penalties as shares of the number of steps; the middle one where there is no validation split.
PENALTIES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
PATIENCE = 2
#: Most steps it is fitted on: its optimizer (SLSQP) is slow.
MOST = 5_000


def lasso_probit(task: Task, penalty: float | None = None) -> Fitted:
    """Return the probit.

    Args:
        task: Its training split is fitted on.
        penalty: One that was chosen before; None for that with the smallest log loss on the people of
            `choosing`.
    """
    fitting = _ProbitFitting(task)
    parts = choosing(task) if penalty is None else ()
    setting = _chosen([fitting if part is task else _ProbitFitting(part) for part in parts])
    used = penalty or setting or PENALTIES[len(PENALTIES) // 2]
    b = fitting.fit(used)
    if b is None:
        share = float(fitting.y.mean())
        refusal = "no penalty could be fitted: it predicts the share of positive training steps everywhere"
        return Fitted(name=NAME, model=lambda s: two(np.full(s.n_steps, share)), note=refusal)
    found = b

    def model(sequence: TimeSeries) -> NDArray[np.float32]:
        return two(fitting.probabilities(sequence, every_step(sequence), found))

    n = int(np.sum(b[1:] != 0))
    return Fitted(
        name=NAME,
        model=model,
        note=notes(
            f"penalty {used:g} a step, {chosen_where(task, setting is not None)}; "
            f"{n} of {len(b) - 1} features used",
            fitting.note,
        ),
        setting=setting,
    )


class _ProbitFitting:
    """The training steps of a task, scaled, and the probits on them.

    Args:
        task: Its training split is fitted on, its validation split gives the loss.
    """

    def __init__(self, task: Task) -> None:
        self._describe = step_alone(task)
        steps = steps_of(task.train, self._describe, MOST)
        self._scaler = StandardScaler().fit(steps.x)
        self._x, self.y, self.note = self._columns(steps.x), steps.y, steps.note
        self._valid = task.valid
        self._fits: dict[float, NDArray[np.float64] | None] = {}

    def fit(self, penalty: float) -> NDArray[np.float64] | None:
        """Return ``[1 + F]`` coefficients, the constant first; None where they cannot be fitted."""
        if penalty not in self._fits:
            self._fits[penalty] = _fit(self._x, self.y, penalty)
        return self._fits[penalty]

    def loss(self, penalty: float) -> float | None:
        """Return the log loss on the validation steps, nats; None where nothing can be fitted."""
        b = self.fit(penalty)
        if b is None:
            return None
        held = steps_of(self._valid, self._describe)
        return log_loss(held.y, norm.cdf(self._columns(held.x) @ b))

    def probabilities(
        self, sequence: TimeSeries, steps: NDArray[np.int64], b: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return ``[len(steps)]`` of the positive class."""
        return np.asarray(norm.cdf(self._columns(self._describe(sequence, steps)) @ b))

    def _columns(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([np.ones(len(x)), self._scaler.transform(x)])


def _chosen(parts: Sequence[_ProbitFitting]) -> float | None:
    """Return the penalty with the smallest mean loss over parts; None where there is none to be had."""
    best, risen, found = np.inf, 0, None
    for penalty in PENALTIES if parts else ():
        losses = [loss for part in parts if (loss := part.loss(penalty)) is not None]
        if len(losses) < len(parts):
            continue
        mean = float(np.mean(losses))
        if found is None or mean < best:
            best, found, risen = mean, penalty, 0
        elif (risen := risen + 1) == PATIENCE:
            break
    return found


def _fit(
    x: NDArray[np.float64], y: NDArray[np.int64], penalty: float
) -> NDArray[np.float64] | None:
    """Return ``[1 + F]`` coefficients, the constant first and not penalized; None where it fails."""
    from statsmodels.discrete.discrete_model import Probit

    # statsmodels ships no types, so its class is Any
    class WithoutErrors(Probit):  # type: ignore[misc]
        """Nobody wants standard errors here, and two features alike have none."""

        def cov_params_func_l1(self, likelihood_model: object, xopt: Any, retvals: object) -> Any:
            return np.full((len(xopt), len(xopt)), np.nan)

    alpha = np.full(x.shape[1], penalty * len(y))
    alpha[0] = 0.0
    with warnings.catch_warnings():
        # Whether it is any good is seen on the validation steps.
        warnings.simplefilter("ignore")
        try:
            fitted = WithoutErrors(y, x).fit_regularized(
                method="l1", alpha=alpha, maxiter=200, disp=0, qc_verbose=False
            )
        except (np.linalg.LinAlgError, ValueError):
            return None
    b = np.asarray(fitted.params, dtype=np.float64)
    return b if np.isfinite(b).all() else None
