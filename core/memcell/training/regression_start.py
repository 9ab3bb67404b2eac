"""A regression on the training steps, which a network with a linear path starts as.

Multinomial logistic regression of a step's class on its features, with an L2 penalty, on features scaled by
mean and spread of the training steps. Steps weigh what they weigh in the loss (class weights, weights of
steps), brought to a mean of 1, so that the penalty is that of scikit-learn's ``LogisticRegression`` with the
same C and the same weights::

    C sum_i w_i (-log softmax(W z_i + b)[y_i]) + |W|^2 / 2

Of two classes the rows of W mirror each other and the penalty counts twice, which is scikit-learn's own
regression of two classes. The penalty is a strong one: what starts here was never shown other people.

The minimum is found by L-BFGS in float64 from zero, without a random number.

Of other targets than classes it is the same at their own scale: of values the penalized regression of the
error that training goes by, each value on the steps that have it::

    C sum_i w_i e(W z_i + b - (y_i - centre) / spread) + |W|^2 / 2

with e(r) = r^2 / 2 under a squared error, which is solved at once, |r| or Huber's under the others, by least
squares in which each step weighs the less the larger its error was in the round before. Of several labels it
is a regression of two classes for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memcell.applications.app import Task
from memcell.network.linear_path import LinearPath
from memcell.network.network import Network
from memcell.sequences.targets import Classes, TargetKind, Values
from memcell.sequences.time_series import TimeSeries

#: C, the inverse strength of the penalty.
INVERSE_PENALTY = 1e-3
#: Most training steps that it is fitted on; of more, so many evenly spaced ones stand for all.
MOST_STEPS = 50_000
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


def start_at_regression(network: Network, path: LinearPath, task: Task) -> None:
    """Make a network the regression on its training steps: path and bias that, recurrent readout zero.

    Where the training steps are of one class alone there is nothing to fit, and the path is zero as well.

    Args:
        network: On the CPU.
        path: Its linear path.
        task: Its training split and weights of the loss are used.
    """
    x, y, weights, n_steps = _steps(task)
    found = _fitted(task.target, x, y, weights, n_steps)
    with torch.no_grad():
        nn.init.zeros_(network.readout.weight)
        path.weight.copy_(found.weight)
        network.readout.bias.copy_(found.bias)


def _fitted(
    target: TargetKind,
    x: NDArray[np.float64],
    y: NDArray[Any],
    weights: NDArray[np.float64],
    n_steps: int,
) -> Regression:
    """Return the regression on targets of a kind."""
    if isinstance(target, Classes):
        return fit_regression(x, y, weights, target.n, n_steps)
    columns = y.reshape(len(y), -1)
    made = []
    for k in range(target.n_outputs):
        if isinstance(target, Values):
            aims = (columns[:, k].astype(np.float64) - target.centre[k]) / target.spread[k]
            known = ~np.isnan(aims)
            made.append(fit_values(x, aims, weights * known, target, n_steps))
        else:
            known = columns[:, k] >= 0
            both = fit_regression(
                x, columns[:, k].clip(0).astype(np.int64), weights * known, 2, n_steps
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
) -> Regression:
    """Return the penalized regression of the module's equation, of one value.

    Args:
        x: ``[n, F]``.
        aims: ``[n]`` at the target's scale; any number where the weight is 0.
        weights: ``[n]``, not negative.
        target: Its error.
        n_steps: Steps that the n stand for; 0 for themselves.
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
    found, level = _least_squares(z, y, w)
    for _ in range(0 if target.loss == "squared" else ROUNDS):
        errors = np.maximum(np.abs(y - z @ found - level), SMALLEST_ERROR)
        by_error = 1 / errors if target.loss == "absolute" else np.minimum(1, target.delta / errors)
        before = found
        found, level = _least_squares(z, y, w * by_error)
        if np.abs(found - before).max(initial=0.0) < SAME:
            break
    weight = torch.from_numpy(found / spread)[None]
    bias = torch.tensor([level], dtype=torch.float64)
    return Regression(weight, bias - weight @ torch.from_numpy(mean))


def _least_squares(
    z: NDArray[np.float64], y: NDArray[np.float64], w: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return weights and bias of penalized least squares; the bias has no penalty."""
    of_z, of_y = w @ z / w.sum(), float(w @ y / w.sum())
    centred = z - of_z
    weighted = INVERSE_PENALTY * centred * w[:, None]
    found = np.linalg.solve(weighted.T @ centred + np.eye(z.shape[1]), weighted.T @ (y - of_y))
    return found, float(of_y - of_z @ found)


def fit_regression(
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    weights: NDArray[np.float64],
    n_classes: int,
    n_steps: int = 0,
) -> Regression:
    """Return the regression of the module's equation.

    Args:
        x: ``[n, F]``.
        y: ``[n]`` classes.
        weights: ``[n]``, not negative.
        n_classes: Outputs, also of classes that no step has.
        n_steps: Steps that the n stand for; 0 for themselves.
    """
    n_features = x.shape[1]
    parameters = torch.zeros(n_classes, n_features + 1, dtype=torch.float64, requires_grad=True)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread < 1e-12] = 1.0
    if len(np.unique(y[weights > 0])) > 1:
        z = torch.from_numpy((x - mean) / spread)
        w = torch.from_numpy(weights * ((n_steps or len(y)) / weights.sum()))
        _minimize(parameters, z, torch.from_numpy(y), w)
    with torch.no_grad():
        weight = parameters[:, :-1] / torch.from_numpy(spread)
        return Regression(weight, parameters[:, -1] - weight @ torch.from_numpy(mean))


def _minimize(parameters: Tensor, z: Tensor, y: Tensor, weights: Tensor) -> None:
    strength = 2.0 if len(parameters) == 2 else 1.0
    search = torch.optim.LBFGS(
        [parameters],
        max_iter=1000,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        search.zero_grad()
        logits = z @ parameters[:, :-1].T + parameters[:, -1]
        each = nn.functional.cross_entropy(logits, y, reduction="none")
        total = INVERSE_PENALTY * (weights * each).sum()
        total = total + strength * parameters[:, :-1].square().sum() / 2
        total.backward()
        return total

    with torch.enable_grad():
        search.step(loss)


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
