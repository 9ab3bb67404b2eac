"""What needs no network: to be held beside every one.

- training shares (classes, labels) or training mean (values), at every step;
- previous target: that of the last labelled step before, as if it were known (not deployable); of tokens the
  one after each token, as often as in training;
- regression on this step, and on this and past steps: logistic (classes, labels) or ridge (values), on at
  most 20,000 labelled training steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import ModelPredictions, Row, Task
from memcell.sequences.time_series import TimeSeries
from memcell_sequences.scores import Probabilities, scores
from memcell_sequences.targets import TargetPlan

MOST_STEPS = 20_000
#: Columns that a regression on past steps has at the most.
MOST_COLUMNS = 2000
#: More classes than that have no regression.
MOST_CLASSES = 50

Array = NDArray[Any]
Model = Callable[[TimeSeries], Probabilities]


def baselines(task: Task, lags: int) -> list[Row]:
    """Return the rows, scored on the task's test split.

    Args:
        task: The task.
        lags: Steps that a regression on past steps sees.
    """
    plan = TargetPlan.of_facts(task.facts["target"])
    n = task.target.n_outputs
    constant = _shares(task, n)
    mean = plan.kind == "values"
    rows = [
        _row(
            "training mean" if mean else "training shares",
            plan,
            task,
            lambda s: _tiled(s, constant),
        )
    ]
    if plan.kind == "next":
        rows.append(_row("previous token", plan, task, _pairs(task, n, constant)))
        return rows
    rows.append(
        _row(
            "previous target",
            plan,
            task,
            lambda s: _previous(s, constant, plan.kind),
            note="knows the true target of earlier steps",
            deployable=False,
        )
    )
    features = task.train[0].n_features
    if n <= MOST_CLASSES and features <= MOST_COLUMNS:
        rows.append(
            _row("regression on this step", plan, task, _regression(task, plan, 1, constant))
        )
        lags = min(lags, MOST_COLUMNS // features)
        if lags > 1:
            name = f"regression on {lags} past steps"
            rows.append(_row(name, plan, task, _regression(task, plan, lags, constant)))
    return rows


def _row(
    name: str, plan: TargetPlan, task: Task, model: Model, note: str = "", deployable: bool = True
) -> Row:
    made = {s.name: model(s) for s in task.test}

    def of(sequences: Sequence[TimeSeries]) -> dict[str, float]:
        return scores(plan, sequences, [made[s.name] for s in sequences])

    subjects = sorted({s.subject for s in task.test})
    part = ModelPredictions(
        sequences=task.test, probabilities=tuple(made[s.name] for s in task.test), decision={}
    )
    return Row(
        name=name,
        kind="baseline",
        scores=of(task.test),
        subjects={who: of([s for s in task.test if s.subject == who]) for who in subjects},
        note=note,
        predictions=(part,),
        deployable=deployable,
    )


def _tiled(s: TimeSeries, row: Array) -> Probabilities:
    return np.tile(row, (s.n_steps, 1)).astype(np.float32)


def _known(sequences: Sequence[TimeSeries]) -> Array:
    return np.concatenate([s.targets[s.labelled] for s in sequences])


def _shares(task: Task, n: int) -> Array:
    y = _known(task.train)
    if y.dtype.kind == "f":
        return np.asarray(np.nanmean(y.reshape(len(y), -1).astype(np.float64), axis=0))
    if y.ndim == 2:
        return np.asarray(np.nanmean(np.where(y >= 0, y, np.nan), axis=0))
    return np.bincount(y.astype(np.int64), minlength=n) / len(y)


def _previous(s: TimeSeries, first: Array, kind: str) -> Probabilities:
    """Return the last known target before each step; the shares before there was one, and after a gap."""
    targets = np.asarray(s.targets, dtype=np.float64).reshape(s.n_steps, -1)
    known = ~np.isnan(targets) if kind == "values" else targets >= 0
    steps = np.arange(s.n_steps)[:, None]
    last = np.maximum.accumulate(np.where(known, steps, -1), axis=0)
    last = np.concatenate([np.full((1, targets.shape[1]), -1), last[:-1]])
    there = last >= segment_starts(s)[:, None]
    before = np.take_along_axis(targets, last.clip(0), axis=0)
    if kind == "classes":
        before, there = np.eye(len(first))[before[:, 0].astype(np.int64).clip(0)], there[:, :1]
    return np.where(there, before, first).astype(np.float32)


def _pairs(task: Task, n: int, shares: Array) -> Model:
    """Return the model of pairs of tokens: what followed a token in training, the shares counted once."""

    def tokens_of(s: TimeSeries) -> Array:
        x = s.features
        if n == x.shape[1] or task.facts["inputs"]["tokens"] <= x.shape[1]:
            return np.where(x[:, :n].any(axis=1), x[:, :n].argmax(axis=1), -1)
        return x[:, 0].astype(np.int64) - 1

    counts = np.zeros((n, n))
    for s in task.train:
        tokens, after = tokens_of(s), np.asarray(s.targets, dtype=np.int64)
        kept = (tokens >= 0) & (after >= 0)
        np.add.at(counts, (tokens[kept], after[kept]), 1)
    table = (counts + shares) / (counts.sum(axis=1, keepdims=True) + 1)

    def model(s: TimeSeries) -> Probabilities:
        tokens = tokens_of(s)
        return np.where((tokens >= 0)[:, None], table[tokens], shares).astype(np.float32)

    return model


def segment_starts(s: TimeSeries) -> NDArray[np.int64]:
    """Return ``[T]``: the step at which each step's segment began."""
    return np.maximum.accumulate(np.where(s.starts, np.arange(s.n_steps), 0))


def lagged(s: TimeSeries, lags: int) -> Array:
    """Return ``[T, lags * F]``: each step's features and those before it, within its segment."""
    x = np.asarray(s.features, dtype=np.float64)
    if lags == 1:
        return x
    begun, steps = segment_starts(s), np.arange(s.n_steps)
    return np.concatenate([x[np.maximum(steps - k, begun)] for k in range(lags)], axis=1)


def _regression(task: Task, plan: TargetPlan, lags: int, constant: Array) -> Model:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    total = sum(int(s.labelled.sum()) for s in task.train)
    thin = slice(None, None, -(-total // MOST_STEPS))
    y = _known(task.train)[thin]
    x = np.concatenate([lagged(s, lags)[s.labelled] for s in task.train])[thin]
    scaler = StandardScaler().fit(x)
    x = scaler.transform(x)
    y = y.reshape(len(y), -1)
    fitted: list[tuple[Any, Array]] = []
    for k in range(y.shape[1]):
        known = np.asarray(~np.isnan(y[:, k]) if plan.kind == "values" else y[:, k] >= 0)
        own = y[known, k]
        if plan.kind == "values":
            fitted.append((Ridge().fit(x[known], own) if len(own) else None, np.empty(0)))
            continue
        classes = np.unique(own)
        several = len(classes) > 1
        logistic = LogisticRegression(max_iter=300).fit(x[known], own) if several else None
        fitted.append((logistic, classes.astype(np.int64)))

    def model(s: TimeSeries) -> Probabilities:
        at = scaler.transform(lagged(s, lags))
        found = _tiled(s, constant)
        if plan.kind == "classes":
            one, classes = fitted[0]
            if one is not None:
                found[:] = 0
                found[:, classes] = one.predict_proba(at)
            return found
        for k, (one, _) in enumerate(fitted):
            if one is not None:
                found[:, k] = (
                    one.predict(at) if plan.kind == "values" else one.predict_proba(at)[:, 1]
                )
        return found

    return model
