"""What needs no network: to be shown beside every network, for a score means nothing alone.

- majority class: the more frequent class of the training steps, everywhere;
- clock only: logistic regression on the time of day of the recording, without any signal;
- noise only: logistic regression on random numbers;
- this step alone: logistic regression on the features of the step, without any memory.

All are fitted on the training steps, get their threshold from the validation steps exactly as a network
does, and see no label of the test steps.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as ListOf

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from memcell.app import Row, Task
from memcell.sequences.sequence import Sequence
from memcell_microsleep.decision import choose_threshold, labelled
from memcell_microsleep.events import EventRules
from memcell_microsleep.scores import scores

#: Periods of the clock's waves in seconds.
PERIODS = (60.0, 300.0, 1800.0)
NOISE_FEATURES = 8

Describe = Callable[[Sequence], NDArray[np.float64]]


def baselines(task: Task, cost_ratio: float, rules: EventRules, seed: int) -> list[Row]:
    """Return a row of test scores for each baseline.

    Args:
        task: Its training part has both classes.
        cost_ratio: For the threshold, as for a network.
        rules: How events are made and matched.
        seed: Of the noise.
    """
    random = np.random.default_rng(seed)
    regressions: dict[str, Describe] = {
        "clock only": clock,
        "noise only": lambda s: random.standard_normal((s.n_steps, NOISE_FEATURES)),
        "this step alone": lambda s: np.asarray(s.features, dtype=np.float64),
    }
    rows = [_row("majority class", task, _majority(task), 1.0, cost_ratio, rules)]
    for name, describe in regressions.items():
        model, odds = _fit(task, describe)
        rows.append(_row(name, task, model, odds, cost_ratio, rules))
    return rows


def clock(sequence: Sequence) -> NDArray[np.float64]:
    """Return ``[n_steps, 8]`` of the time t from the recording's start: t and t^2 in hours, waves."""
    t = sequence.times
    hours = t / 3600
    waves = [f(2 * np.pi * t / period) for period in PERIODS for f in (np.sin, np.cos)]
    return np.stack([hours, hours**2, *waves], axis=1)


Model = Callable[[Sequence], NDArray[np.float32]]


def _majority(task: Task) -> Model:
    y = np.concatenate([s.targets[s.labelled] for s in task.train])
    share = float(np.mean(y == 1))
    winner = float(share > 0.5)
    return lambda s: _two(np.full(s.n_steps, winner))


def _fit(task: Task, describe: Describe) -> tuple[Model, float]:
    """Return a fitted regression and the ratio of the class weights that it was fitted with."""
    x = np.concatenate([describe(s)[s.labelled] for s in task.train])
    y = np.concatenate([s.targets[s.labelled] for s in task.train]).astype(np.int64)
    weights = task.class_weights
    scaler = StandardScaler().fit(x)
    regression = LogisticRegression(
        max_iter=500, class_weight=None if weights is None else dict(enumerate(weights))
    ).fit(scaler.transform(x), y)

    def model(sequence: Sequence) -> NDArray[np.float32]:
        return _two(regression.predict_proba(scaler.transform(describe(sequence)))[:, 1])

    return model, 1.0 if weights is None else weights[1] / weights[0]


def _row(
    name: str, task: Task, model: Model, odds: float, cost_ratio: float, rules: EventRules
) -> Row:
    y, p = labelled(task.valid, [model(s) for s in task.valid])
    constant = len(np.unique(p)) < 2
    # A constant has no threshold to choose: every one calls all steps alike, so it stays itself.
    threshold = 0.5 if constant else choose_threshold(y, p, cost_ratio).value
    found = scores(task.test, [model(s) for s in task.test], threshold, rules, odds)
    return Row(name=name, scores=found, kind="baseline")


def _two(p: ListOf[float] | NDArray[np.float64]) -> NDArray[np.float32]:
    p = np.asarray(p, dtype=np.float64)
    return np.stack([1 - p, p], axis=1).astype(np.float32)
