"""Lasso-probit: ``P(y = 1) = Phi(b_0 + b x)`` with an L1 penalty on b (statsmodels) chosen by validation.

One of the models of S. Schumacher's eye-state detector. Without class weights, for statsmodels has none: the
threshold chosen on validation makes up for it. Penalties are tried from the strongest on, until the
validation loss has risen twice in a row: the weak ones of many features take long and fit noise.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
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

#: Penalties as shares of the number of steps; the middle one where there is no validation split.
PENALTIES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
PATIENCE = 2
#: Most steps it is fitted on: its optimizer (SLSQP) is slow.
MOST = 5_000


def lasso_probit(task: Task) -> Fitted:
    """Return the probit with the penalty that has the smallest log loss on validation."""
    this_step = step_alone(task)
    steps = steps_of(task.train, this_step, MOST)
    scaler = StandardScaler().fit(steps.x)
    x = _with_constant(scaler.transform(steps.x))
    held = steps_of(task.valid, this_step) if any(s.labelled.any() for s in task.valid) else None
    best, risen = np.inf, 0
    found: tuple[float, NDArray[np.float64]] | None = None
    for penalty in PENALTIES if held is not None else (PENALTIES[len(PENALTIES) // 2],):
        b = _fit(x, steps.y, penalty)
        if b is None:
            continue
        loss = np.inf
        if held is not None:
            loss = log_loss(held.y, norm.cdf(_with_constant(scaler.transform(held.x)) @ b))
        if found is None or loss < best:
            best, found, risen = loss, (penalty, b), 0
        elif (risen := risen + 1) == PATIENCE:
            break
    if found is None:
        share = float(steps.y.mean())
        said = "no penalty could be fitted: it predicts the share of positive training steps everywhere"
        return Fitted(
            name="lasso-probit", model=lambda s: two(np.full(s.n_steps, share)), note=said
        )
    penalty, b = found

    def model(sequence: TimeSeries) -> NDArray[np.float32]:
        values = scaler.transform(this_step(sequence, every_step(sequence)))
        return two(norm.cdf(_with_constant(values) @ b))

    used = int(np.sum(b[1:] != 0))
    chosen = (
        "chosen on validation" if held is not None else "not chosen: there are no validation steps"
    )
    return Fitted(
        name="lasso-probit",
        model=model,
        note=notes(
            f"penalty {penalty:g} a step, {chosen}; {used} of {len(b) - 1} features used",
            steps.note,
        ),
    )


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


def _with_constant(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.ones(len(x)), x])
