"""A fitted baseline, the steps that it is fitted on, and its row of scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import InnerFold, ModelPredictions, Row, Task
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.decisions.decision import choose, class_totals, labelled, people_of
from memcell_eeg.decisions.thresholds import HALF
from memcell_eeg.features.context import is_mean

#: Most training steps that a regression is fitted on; of more, so many evenly spaced ones are taken.
MOST = 20_000

Model = Callable[[TimeSeries], NDArray[np.float32]]
#: Sequences with the probabilities of a model that was not fitted on their people.
Held = list[tuple[TimeSeries, NDArray[np.float32]]]
#: Scores of parts that were judged, each under its own decision.
Score = Callable[[Sequence[ModelPredictions]], Mapping[str, float]]
#: ``describe(sequence, steps) -> [len(steps), F]``: what a baseline sees at some steps of a sequence.
Describe = Callable[[TimeSeries, NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A baseline that is ready to be scored.

    Args:
        name: In the table.
        model: ``[n_steps, 2]`` probabilities of a sequence.
        odds: Weight of the positive class over that of the negative one in its fit.
        note: How it was fitted.
        deployable: False where it knows what nobody knows when it would be used.
        setting: What was chosen of it on people left out, for the same model fitted on others.
    """

    name: str
    model: Model
    odds: float = 1.0
    note: str = ""
    deployable: bool = True
    setting: float | None = None


@dataclass(frozen=True, kw_only=True)
class LabelledSteps:
    """Labelled steps as a table.

    Args:
        x: ``[n, F]``.
        y: ``[n]`` 0 or 1.
        note: How many of how many, where some were left out.
    """

    x: NDArray[np.float64]
    y: NDArray[np.int64]
    note: str


def steps_of(
    sequences: Sequence[TimeSeries], describe: Describe, most: int = MOST
) -> LabelledSteps:
    """Return the labelled steps of sequences, at most ``most`` of them, evenly spaced."""
    at = [np.flatnonzero(s.labelled) for s in sequences]
    edges = np.cumsum([0, *(len(a) for a in at)])
    n = int(edges[-1])
    kept = np.arange(n) if n <= most else np.linspace(0, n - 1, most).round().astype(np.int64)
    xs, ys = [], []
    for k, (sequence, own) in enumerate(zip(sequences, at, strict=True)):
        inside = kept[(kept >= edges[k]) & (kept < edges[k + 1])] - edges[k]
        xs.append(describe(sequence, own[inside]))
        ys.append(sequence.targets[own[inside]])
    return LabelledSteps(
        x=np.concatenate(xs),
        y=np.concatenate(ys).astype(np.int64),
        note="" if n <= most else f"fitted on {most} evenly spaced of {n} training steps",
    )


def this_step(sequence: TimeSeries, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the features of the steps."""
    return np.asarray(sequence.features[steps], dtype=np.float64)


def has_means(task: Task) -> bool:
    """Whether the features of a task have means of the past among them."""
    return bool(task.facts.get("pipeline", {}).get("context"))


def step_columns(task: Task) -> NDArray[np.int64]:
    """Return the columns of the features that are of the step itself, no means of its past."""
    n_features = task.train[0].n_features
    names = task.facts.get("feature_names", ())
    if not has_means(task) or len(names) != n_features:
        return np.arange(n_features)
    return np.array([k for k, name in enumerate(names) if not is_mean(name)], dtype=np.int64)


def step_alone(task: Task) -> Describe:
    """Return what describes a step of a task without anything of its past."""
    columns = step_columns(task)

    def describe(sequence: TimeSeries, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(sequence.features[np.ix_(steps, columns)], dtype=np.float64)

    return describe


def every_step(sequence: TimeSeries) -> NDArray[np.int64]:
    """Return the indices of all steps."""
    return np.arange(sequence.n_steps)


def two(p: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return ``[n, 2]`` of the probability of the positive class ``[n]``."""
    p = np.asarray(p, dtype=np.float64)
    return np.stack([1 - p, p], axis=1).astype(np.float32)


def weight_odds(task: Task) -> float:
    """Return the weight of the positive class in the loss over that of the negative one."""
    weights = task.class_weights
    return 1.0 if weights is None else weights[1] / weights[0]


def notes(*lines: str) -> str:
    """Return what there is of some lines as one."""
    return "; ".join(line for line in lines if line)


def fold_task(task: Task, fold: InnerFold) -> Task:
    """Return the task of a fold: trained on some of the training people, validated on the others."""
    return replace(
        task,
        train=fold.train,
        valid=fold.valid,
        class_weights=fold.class_weights,
        train_weights=fold.train_weights,
        inner=(),
    )


def has_both(task: Task) -> bool:
    """Whether both classes occur among the labelled training steps of a task."""
    y = np.concatenate([s.targets[s.labelled] for s in task.train])
    return bool((y == 0).any() and (y == 1).any())


def choosing(task: Task) -> tuple[Task, ...]:
    """Return the tasks on whose validation steps a setting of a baseline is chosen.

    The folds inside the training people where there are some, else the task itself; none where nobody
    validates.
    """
    parts = tuple(fold_task(task, fold) for fold in task.inner) or (task,)
    return tuple(p for p in parts if has_both(p) and any(s.labelled.any() for s in p.valid))


def chosen_where(task: Task, chosen: bool) -> str:
    """Return for a note on whom a setting was chosen, or that it was not."""
    if not chosen:
        return "not chosen: there are no validation steps"
    return f"chosen on {'people left out in cross-validation' if task.inner else 'validation'}"


def log_loss(y: NDArray[np.int64], p: NDArray[np.float64]) -> float:
    """Return the mean of ``-ln p(y)`` in nats, by which settings are chosen."""
    chosen = np.clip(np.where(y == 1, p, 1 - p), 1e-7, None)
    return float(-np.log(chosen).mean())


def threshold_of(
    fitted: Fitted, task: Task, cost_ratio: float, way: str, held: Held | None = None
) -> float:
    """Return a baseline's threshold, by the rule that a network's is chosen by.

    Args:
        fitted: The baseline.
        task: Its validation split decides; where it lacks a class, theory does, from the training steps.
        cost_ratio: For the ways that mind it.
        way: As a network's decision; ``"intercept"`` and ``"cost"`` are ``"threshold"`` here.
        held: Predictions for training people by models fitted without them: they decide in the place of the
            validation split.
    """
    said = [(s, fitted.model(s)) for s in task.valid] if held is None else held
    y, p = labelled([s for s, _ in said], [q for _, q in said])
    # A constant has no threshold to choose: every one calls all steps alike, so it stays itself.
    if way != "likelier" and len(np.unique(p)) == 1:
        return HALF
    of_validation = way if way in ("kappa", "likelier") else "threshold"
    # A baseline is fitted on every labelled step, whatever the network was trained on.
    totals = class_totals(task.train, None)
    people = people_of([s for s, _ in said])
    return choose(of_validation, y, p, cost_ratio, totals, fitted.odds, people)[0]


def row(
    fitted: Fitted,
    task: Task,
    cost_ratio: float,
    score: Score,
    way: str = "threshold",
    held: Held | None = None,
) -> Row:
    """Return its scores on the test split, under the threshold of `threshold_of`."""
    threshold = threshold_of(fitted, task, cost_ratio, way, held)
    decision = {"threshold": threshold, "weight_odds": fitted.odds}
    made = [(s, fitted.model(s)) for s in task.test]

    def predictions(subject: str | None = None) -> ModelPredictions:
        own = [(s, q) for s, q in made if subject is None or s.subject == subject]
        sequences, probabilities = zip(*own, strict=True)
        return ModelPredictions(sequences=sequences, probabilities=probabilities, decision=decision)

    subjects = sorted({s.subject for s in task.test})
    return Row(
        name=fitted.name,
        kind="baseline",
        scores=score([predictions()]),
        subjects={u: score([predictions(u)]) for u in subjects},
        note=fitted.note,
        predictions=(predictions(),),
        deployable=fitted.deployable,
    )
