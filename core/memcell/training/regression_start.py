"""A regression on the training steps, which a network with a linear path starts as.

Multinomial logistic regression of a step's class on its features, with an L2 penalty, on features scaled by
mean and spread of the training steps. Steps weigh what they weigh in the loss (class weights, weights of
steps), brought to a mean of 1, so that the penalty is that of scikit-learn's ``LogisticRegression`` with the
same C and the same weights::

    C sum_i w_i (-log softmax(W z_i + b)[y_i]) + |W|^2 / 2

Of two classes the rows of W mirror each other and the penalty counts twice, which is scikit-learn's own
regression of two classes. scikit-learn finds the minimum, in float64 and without a random number, by Newton's
method for two classes of few features and by L-BFGS otherwise. C is the person's, or chosen by
cross-validation inside the training people (`choose_inverse_penalty`).

Of other targets than classes it is the same at their own scale: of values the penalized regression of the
error that training goes by, each value on the steps that have it::

    C sum_i w_i e(W z_i + b - (y_i - centre) / spread) + |W|^2 / 2

with e(r) = r^2 / 2 under a squared error, which is solved at once, |r| or Huber's under the others, by least
squares in which each step weighs the less the larger its error was in the round before. Of several labels it
is a regression of two classes for each.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgWarning
from torch import Tensor, nn

from memcell.applications.app import Task
from memcell.applications.task import inner_task
from memcell.network.linear_path import LinearPath
from memcell.network.network import Network
from memcell.progress import SILENT, Progress
from memcell.sequences.targets import Classes, TargetKind, Values
from memcell.sequences.time_series import TimeSeries

#: C, the inverse strength of the penalty, where nobody chooses it: a strong one.
INVERSE_PENALTY = 1e-3
#: Those that cross-validation chooses from, the strongest penalty first.
INVERSE_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
#: Unknowns up to which Newton's method is used: it solves a system of so many equations in each round.
MOST_OF_NEWTON = 500
#: Log odds that a class without a training step lies below the rarest one.
NEVER_SEEN = 20.0
#: Most training steps that it is fitted on; of more, so many evenly spaced ones stand for all.
MOST_STEPS = 50_000
#: No probability counts as smaller in the loss that C is chosen by.
SMALLEST = 1e-6
#: Rounds of reweighted least squares at most, the error under which a step weighs no more (in spreads), and
#: how little weights change where it ends.
ROUNDS, SMALLEST_ERROR, SAME = 100, 1e-3, 1e-6


class Regression(NamedTuple):
    """A fitted regression on features as they come.

    Args:
        weight: ``[n_outputs, F]`` float64.
        bias: ``[n_outputs]`` float64.
    """

    weight: Tensor
    bias: Tensor


class ChosenPenalty(NamedTuple):
    """C as cross-validation chooses it.

    Args:
        inverse_penalty: The C of the smallest loss; of equal ones the smallest C.
        losses: C to the loss of the people left out, pooled.
        predictions: Under that C, of the left-out sequences of all folds: ``[n_steps, n_outputs]`` each,
            0 at steps without a target.
    """

    inverse_penalty: float
    losses: Mapping[float, float]
    predictions: tuple[NDArray[np.float32], ...] = ()


def start_at_regression(
    network: Network, path: LinearPath, task: Task, inverse_penalty: float = INVERSE_PENALTY
) -> None:
    """Make a network the regression on its training steps: path and bias that, recurrent readout zero.

    Where the training steps are of one class alone there is nothing to fit, and the path is zero as well.

    Args:
        network: On the CPU.
        path: Its linear path.
        task: Its training split and weights of the loss are used.
        inverse_penalty: C.
    """
    found = _of_task(task, inverse_penalty)
    with torch.no_grad():
        nn.init.zeros_(network.readout.weight)
        path.weight.copy_(found.weight)
        network.readout.bias.copy_(found.bias)


def _of_task(task: Task, inverse_penalty: float) -> Regression:
    """Return the regression on a task, fitted once: runs of a comparison share their task."""
    key = ("regression", inverse_penalty)
    if key not in task.computed:
        task.computed[key] = regression_of(task, (inverse_penalty,))[0]
    found: Regression = task.computed[key]
    return found


def regression_of(task: Task, inverse_penalties: Sequence[float]) -> list[Regression]:
    """Return the regression on a task's training steps for each C."""
    x, y, weights, n_steps = _steps(task)
    return [_fitted(task.target, x, y, weights, n_steps, c) for c in inverse_penalties]


def choose_inverse_penalty(
    task: Task,
    candidates: Sequence[float] = INVERSE_PENALTIES,
    progress: Progress = SILENT,
) -> ChosenPenalty:
    """Return the C whose regressions predict the people best that they were not fitted on.

    Each inner fold of the task (`memcell.applications.app.InnerFold`) fits on its own training people; the
    loss is that of the target, of the steps of all people left out together, each group of steps (class,
    bin) weighing its importance.

    Args:
        task: With inner folds; nobody outside of its training split is looked at.
        candidates: To choose from, ascending.
        progress: Told of each fold.
    """
    target = task.target
    pooled: list[NDArray[Any]] = []
    losses: list[NDArray[np.float64]] = []
    predicted: list[list[NDArray[np.float32]]] = [[] for _ in candidates]
    for fold in task.inner:
        found = regression_of(inner_task(task, fold), candidates)
        for sequence in fold.valid:
            known = np.flatnonzero(sequence.labelled)
            x, y, _ = _of(sequence, known, None)
            pooled.append(target.groups(y))
            made = [
                target.predictions(torch.from_numpy(x) @ r.weight.T + r.bias).numpy() for r in found
            ]
            losses.append(np.array([target.errors(p, y, SMALLEST) for p in made]))
            for of_c, p in zip(predicted, made, strict=True):
                everywhere = np.zeros((sequence.n_steps, p.shape[1]), dtype=np.float32)
                everywhere[known] = p
                of_c.append(everywhere)
        progress.advance()
    groups, errors = np.concatenate(pooled), np.concatenate(losses, axis=1)
    counts = np.bincount(groups, minlength=len(target.importance))
    weights = np.divide(target.importance, counts, out=np.zeros(len(counts)), where=counts > 0)
    totals = errors @ weights[groups] / weights[groups].sum()
    by_candidate = {c: float(loss) for c, loss in zip(candidates, totals, strict=True)}
    best = int(np.argmin(totals))
    return ChosenPenalty(candidates[best], by_candidate, tuple(predicted[best]))


def _fitted(
    target: TargetKind,
    x: NDArray[np.float64],
    y: NDArray[Any],
    weights: NDArray[np.float64],
    n_steps: int,
    c: float = INVERSE_PENALTY,
) -> Regression:
    """Return the regression on targets of a kind."""
    if isinstance(target, Classes):
        return fit_regression(x, y, weights, target.n, n_steps, c)
    columns = y.reshape(len(y), -1)
    made = []
    for k in range(target.n_outputs):
        if isinstance(target, Values):
            aims = (columns[:, k].astype(np.float64) - target.centre[k]) / target.spread[k]
            known = ~np.isnan(aims)
            made.append(fit_values(x, aims, weights * known, target, n_steps, c))
        else:
            known = columns[:, k] >= 0
            both = fit_regression(
                x, columns[:, k].clip(0).astype(np.int64), weights * known, 2, n_steps, c
            )
            made.append(
                Regression(both.weight[1:] - both.weight[:1], both.bias[1:] - both.bias[:1])
            )
    return Regression(torch.cat([m.weight for m in made]), torch.cat([m.bias for m in made]))


def fit_values(
    x: NDArray[np.float64],
    aims: NDArray[np.float64],
    weights: NDArray[np.float64],
    target: Values,
    n_steps: int = 0,
    inverse_penalty: float = INVERSE_PENALTY,
) -> Regression:
    """Return the penalized regression of the module's equation, of one value.

    Args:
        x: ``[n, F]``.
        aims: ``[n]`` at the target's scale; any number where the weight is 0.
        weights: ``[n]``, not negative.
        target: Its error.
        n_steps: Steps that the n stand for; 0 for themselves.
        inverse_penalty: C.
    """
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread < 1e-12] = 1.0
    if not weights.sum() > 0:
        return Regression(
            torch.zeros(1, x.shape[1], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
        )
    z = (x - mean) / spread
    w = weights * ((n_steps or len(x)) / weights.sum())
    y = np.where(weights > 0, aims, 0.0)
    found, level = _least_squares(z, y, w, inverse_penalty)
    for _ in range(0 if target.loss == "squared" else ROUNDS):
        errors = np.maximum(np.abs(y - z @ found - level), SMALLEST_ERROR)
        by_error = 1 / errors if target.loss == "absolute" else np.minimum(1, target.delta / errors)
        before = found
        found, level = _least_squares(z, y, w * by_error, inverse_penalty)
        if np.abs(found - before).max(initial=0.0) < SAME:
            break
    weight = torch.from_numpy(found / spread)[None]
    bias = torch.tensor([level], dtype=torch.float64)
    return Regression(weight, bias - weight @ torch.from_numpy(mean))


def _least_squares(
    z: NDArray[np.float64], y: NDArray[np.float64], w: NDArray[np.float64], c: float
) -> tuple[NDArray[np.float64], float]:
    """Return weights and bias of penalized least squares; the bias has no penalty."""
    of_z, of_y = w @ z / w.sum(), float(w @ y / w.sum())
    centred = z - of_z
    weighted = c * centred * w[:, None]
    found = np.linalg.solve(weighted.T @ centred + np.eye(z.shape[1]), weighted.T @ (y - of_y))
    return found, float(of_y - of_z @ found)


def fit_regression(
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    weights: NDArray[np.float64],
    n_classes: int,
    n_steps: int = 0,
    inverse_penalty: float = INVERSE_PENALTY,
) -> Regression:
    """Return the regression of the module's equation.

    Args:
        x: ``[n, F]``.
        y: ``[n]`` classes.
        weights: ``[n]``, not negative.
        n_classes: Outputs, also of classes that no step has: these get a logit far below all others.
        n_steps: Steps that the n stand for; 0 for themselves.
        inverse_penalty: C.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    n_features = x.shape[1]
    weight = torch.zeros(n_classes, n_features, dtype=torch.float64)
    bias = torch.zeros(n_classes, dtype=torch.float64)
    used = weights > 0
    classes = np.unique(y[used])
    if len(classes) < 2:
        return Regression(weight, bias)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread < 1e-12] = 1.0
    # what can be told apart without an error under a weak penalty may not end; where it stands is good enough
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", LinAlgWarning)
        found = LogisticRegression(
            C=inverse_penalty,
            solver="newton-cholesky"
            if len(classes) == 2 and n_features < MOST_OF_NEWTON
            else "lbfgs",
            tol=1e-8,
            max_iter=1000,
        ).fit(
            (x[used] - mean) / spread,
            y[used],
            sample_weight=weights[used] * ((n_steps or len(y)) / weights.sum()),
        )
    of_scaled, offsets = found.coef_, found.intercept_
    if len(classes) == 2:
        of_scaled = np.concatenate([-of_scaled, of_scaled]) / 2
        offsets = np.concatenate([-offsets, offsets]) / 2
    offsets = offsets - offsets.mean()
    at = torch.from_numpy(classes)
    weight[at] = torch.from_numpy(of_scaled / spread)
    bias[:] = float(offsets.min()) - NEVER_SEEN
    bias[at] = torch.from_numpy(offsets)
    return Regression(weight, bias - weight @ torch.from_numpy(mean))


def _steps(
    task: Task,
) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[np.float64], int]:
    """Return features, targets and loss weights of steps, at most `MOST_STEPS`, and how many there are."""
    of_steps = task.train_weights or (None,) * len(task.train)
    at = [np.flatnonzero(s.labelled) for s in task.train]
    n = sum(map(len, at))
    kept = np.linspace(0, n - 1, min(n, MOST_STEPS)).round().astype(np.int64)
    xs, ys, ws = [], [], []
    before = 0
    for sequence, own, each in zip(task.train, at, of_steps, strict=True):
        inside = own[kept[(kept >= before) & (kept < before + len(own))] - before]
        before += len(own)
        x, y, w = _of(sequence, inside, each)
        xs.append(x)
        ys.append(y)
        ws.append(w)
    y, w = np.concatenate(ys), np.concatenate(ws)
    if task.class_weights is not None:
        w = w * np.asarray(task.class_weights)[task.target.groups(y)]
    return np.concatenate(xs), y, w, n


def _of(
    sequence: TimeSeries,
    steps: NDArray[np.int64],
    weights: Sequence[float] | NDArray[np.float32] | None,
) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[np.float64]]:
    x = np.asarray(sequence.features[steps], dtype=np.float64)
    y = np.asarray(sequence.targets[steps], dtype=None if sequence.of_values else np.int64)
    return x, y, np.ones(len(steps)) if weights is None else np.asarray(weights, np.float64)[steps]
