"""What needs no recurrent network: the best constant, the clock, regressions and trees on the same features.

All are fitted on the training steps with a target, weighted as the network's loss is, for the smallest
absolute error:

- *best constant*: the weighted median of the training steps' true times;
- *clock only*: boosted trees on the time since the recording's start. Where recordings are cut by the label
  it is hard to beat, and the label has leaked;
- *regression on past means*: linear, of the features and their means over the past, with the network's
  penalty;
- *this step alone*: the same without the means;
- *boosted trees on past means*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import ModelPredictions, Row, Task
from memcell.applications.conditions import Peer
from memcell.sequences.targets import Values
from memcell.sequences.time_series import TimeSeries
from memcell.training.regression_start import INVERSE_PENALTY, fit_values
from memcell_eeg.baselines.fitted import Describe, every_step, notes, step_alone
from memcell_eeg.baselines.past import description

Array = NDArray[np.float64]
REGRESSION = "regression on past means"
#: Boosted trees: rounds, leaves, least share of the steps in a leaf.
TREES, LEAVES, LEAST = 60, 8, 0.02


@dataclass(frozen=True)
class TrainingSteps:
    """Training steps with a target.

    Args:
        x: ``[n, F]`` what describes them.
        y: ``[n]`` true seconds.
        weights: ``[n]`` of the loss.
    """

    x: Array
    y: Array
    weights: Array

    @classmethod
    def of(cls, task: Task, describe: Describe) -> TrainingSteps:
        """Return those of a task."""
        assert isinstance(task.target, Values)
        weigh = np.array(task.class_weights or task.target.importance * 0 + 1)
        xs, ys = [], []
        for s in task.train:
            at = np.flatnonzero(s.labelled)
            xs.append(describe(s, at))
            ys.append(np.asarray(s.targets, dtype=np.float64)[at])
        y = np.concatenate(ys)
        return cls(x=np.concatenate(xs), y=y, weights=weigh[task.target.groups(y)])


Model = Callable[[TimeSeries], Array]
Score = Callable[[Sequence[ModelPredictions]], dict[str, float]]


def baselines(task: Task, score: Score, which: str = "strong") -> list[Row]:
    """Return a row of test scores for each baseline, pooled and by person.

    Args:
        task: Seconds for targets.
        score: Gives the scores of predictions.
        which: ``"few"``, or more.
    """
    describe, note = description(task)
    models = [
        best_constant(task),
        clock(task),
        linear(REGRESSION, task, describe, note),
    ]
    if which != "few":
        models.append(linear("this step alone", task, step_alone(task)))
        models.append(trees("boosted trees on past means", task, describe, note))
    return [_row(name, model, note, task, score) for name, model, note in models]


def peer(task: Task, rows: Sequence[Row]) -> Peer | None:
    """Return the regression on past means, to be held beside the network under other conditions."""
    row = next((r for r in rows if r.name == REGRESSION and r.predictions), None)
    if row is None or not task.train:
        return None
    describe, note = description(task)
    _, model, _ = linear(REGRESSION, task, describe, note)
    return Peer(row=row, model=lambda sequence: _within(model(sequence), task))


def best_constant(task: Task) -> tuple[str, Model, str]:
    """Return the constant of the smallest weighted error on the training steps."""
    steps = TrainingSteps.of(task, lambda s, at: np.zeros((len(at), 0)))
    value = weighted_median(steps.y, steps.weights)
    return (
        "best constant",
        lambda s: np.full(s.n_steps, value),
        f"{value:g} s, of the training people",
    )


def clock(task: Task) -> tuple[str, Model, str]:
    """Return boosted trees on the time since the recording's start."""

    def elapsed(sequence: TimeSeries, steps: NDArray[np.int64]) -> Array:
        return np.asarray(sequence.times, dtype=np.float64)[steps, None]

    return trees("clock only", task, elapsed, "time since the recording's start, no signal")


def trees(name: str, task: Task, describe: Describe, note: str = "") -> tuple[str, Model, str]:
    """Return boosted trees of the smallest absolute error."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    steps = TrainingSteps.of(task, describe)
    fitted = HistGradientBoostingRegressor(
        loss="absolute_error",
        max_iter=TREES,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=max(5, int(LEAST * len(steps.y))),
        l2_regularization=1.0,
        early_stopping=False,
        random_state=0,
    ).fit(steps.x, steps.y, sample_weight=steps.weights)
    return name, lambda s: fitted.predict(describe(s, every_step(s))), note


def linear(name: str, task: Task, describe: Describe, note: str = "") -> tuple[str, Model, str]:
    """Return linear regression of the smallest absolute error, with the penalty of a network's start."""
    assert isinstance(task.target, Values)
    steps = TrainingSteps.of(task, describe)
    (centre,), (size,) = task.target.centre, task.target.spread
    absolute = Values(("seconds",), loss="absolute")
    found = fit_values(steps.x, (steps.y - centre) / size, steps.weights, absolute)
    weight, bias = found.weight[0].numpy(), float(found.bias)

    def model(sequence: TimeSeries) -> Array:
        at = describe(sequence, every_step(sequence)) @ weight + bias
        return np.asarray(centre + size * at)

    return name, model, notes(note, f"penalty of C = {INVERSE_PENALTY:g}")


def weighted_median(values: Array, weights: Array) -> float:
    """Return the value of the smallest weighted sum of distances."""
    order = np.argsort(values, kind="stable")
    until = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(until, until[-1] / 2)])


def _within(seconds: Array, task: Task) -> NDArray[np.float32]:
    """Return predictions ``[n, 1]`` within the limits of the target."""
    assert isinstance(task.target, Values)
    low, high = task.target.limits
    return seconds.clip(low, high).astype(np.float32)[:, None]


def _row(name: str, model: Model, note: str, task: Task, score: Score) -> Row:
    made = [(s, _within(model(s), task)) for s in task.test]

    def predictions(subject: str | None = None) -> ModelPredictions:
        own = [(s, p) for s, p in made if subject is None or s.subject == subject]
        return ModelPredictions(
            sequences=tuple(s for s, _ in own), probabilities=tuple(p for _, p in own), decision={}
        )

    people = sorted({s.subject for s in task.test})
    return Row(
        name=name,
        kind="baseline",
        scores=score([predictions()]),
        subjects={person: score([predictions(person)]) for person in people},
        note=note,
        predictions=(predictions(),),
    )
