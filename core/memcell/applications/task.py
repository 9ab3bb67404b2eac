"""What goes between an application and the engine: a task, its folds, and rows of a score table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.prediction import Probabilities
from memcell.errors import DataError
from memcell.old_methods import keep_old_field
from memcell.sequences.targets import Classes, TargetKind
from memcell.sequences.time_series import TimeSeries

#: The target of a task that names its classes by number.
UNSAID = Classes(0)


@dataclass(frozen=True, kw_only=True)
class ModelPredictions:
    """What one model said about some test sequences, and what turns it into decisions.

    Args:
        sequences: The sequences.
        probabilities: For each of them.
        decision: As `App.fit_decision` chose it for this model.
    """

    sequences: tuple[TimeSeries, ...]
    probabilities: tuple[Probabilities, ...]
    decision: Mapping[str, float]


def network_label(cell: str, trained_with: str) -> str:
    """Return what tables call a trained network."""
    return f"{cell}, trained with {trained_with}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a score table: a network or a baseline on one split.

    Args:
        name: What tables call it: ``"majority class"``; of a network what `of_network` makes.
        scores: Name of a score to its value; NaN where it is not defined (said in ``notes``).
        kind: ``"network"`` or ``"baseline"``.
        subjects: Test subject to the scores on that subject's sequences alone, under the same decision;
            empty where nobody made them.
        note: What must be known to read the row (how it was fitted, why it cannot be used); may be
            empty.
        predictions: What the scores were made of: one part for each decision, so one in a run and one for
            each fold where folds are pooled; empty where they were not kept.
        cell: Of a network: its cell; empty for a baseline, as the next two.
        trained_with: The state policy of its training.
        inferred_with: The policy at inference.
        deployable: False for a baseline that knows what nobody knows when it would be used.
    """

    name: str
    scores: Mapping[str, float]
    kind: str = "network"
    subjects: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    note: str = ""
    predictions: tuple[ModelPredictions, ...] = field(default=(), repr=False)
    cell: str = ""
    trained_with: str = ""
    inferred_with: str = ""
    deployable: bool = True

    @classmethod
    def of_network(cls, cell: str, trained_with: str, inferred_with: str, **values: Any) -> Row:
        """Return the row of a network.

        Args:
            cell: Its cell.
            trained_with: The state policy of its training.
            inferred_with: The policy at inference.
            **values: The other fields.
        """
        name = f"{network_label(cell, trained_with)}, inferred with {inferred_with}"
        return cls(
            name=name,
            cell=cell,
            trained_with=trained_with,
            inferred_with=inferred_with,
            **values,
        )


keep_old_field(Row, "judged", "predictions")


@dataclass(frozen=True, kw_only=True)
class InnerFold:
    """A split of the training sequences alone: fit on some people, judge the choice on the others.

    Args:
        name: Who is left out of training; a folder is named so.
        train: Sequences to train on.
        valid: The left-out sequences: over all folds of a task each training sequence with labels stands here
            once.
        class_weights: As `Task.class_weights`, of these training sequences.
        train_weights: As `Task.train_weights`, of these training sequences.
    """

    name: str
    train: tuple[TimeSeries, ...]
    valid: tuple[TimeSeries, ...]
    class_weights: tuple[float, ...] | None = None
    train_weights: tuple[NDArray[np.float32], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything an app prepares for one run.

    Args:
        train: Sequences to train on.
        valid: Sequences for early stop and thresholds; may be empty.
        test: Sequences that are scored and otherwise never seen.
        n_classes: Classes of a step; left out where ``target`` is given.
        main_score: The score that early stop and tables put first. Larger is better, unless its name ends in
            ``_error`` (`smaller_is_better`).
        shown_scores: The scores that a screen has room for; files have all of them.
        class_weights: Weights of the loss, one for each class (of other targets for each group of steps, as
            `memcell.sequences.targets.TargetKind.groups` tells them), or None.
        train_weights: Per training sequence ``[n_steps]`` float32 weights of the loss; None for 1 at
            each labelled step. Unlabelled steps always weigh 0.
        drop_unweighted: Windows whose weights are all 0 may be dropped (never under a sampler that
            preserves streams: memory has to run through them).
        protocol: Name of what counts as which class, where an app has several; printed with every score.
        training_totals: ``[n_classes]`` sum of the loss weights of each class over a training that is done,
            class weights aside: what the sampler and ``train_weights`` made of the training split. None
            before, and where nobody counted.
        notes: Lines that every output on this task must carry (``"simulated data"``, the protocol).
        remarks: Lines for the person at the screen alone; no result depends on them.
        facts: What was resolved from the data (channels, rate, subjects by split ...), stored with the
            run and needed by `App.predict`.
        tables: Tables about the data, file name to content (which file is on which side of the split); kept
            in the run folder from before training on.
        preview: What the person at the screen sees of these tables before training, a line each.
        inner: Folds of the training sequences, for cross-validation inside them; empty where the training
            people are not divided. Where there are some, `valid` is empty.
        target: What a step's target is: one of ``n_classes`` unless given.
        instead: Recordings that were left out of it, each with options of ``memcell evaluate`` under which it
            is taken.
        inverse_penalty: C of a regression on these very features, where it was chosen in all of these folds
            (`memcell.training.regression_start.choose_inverse_penalty`); None where nobody has.

    Attributes:
        computed: What is computed once for the task, kept by whoever computes it; a changed task begins anew.

    Raises:
        DataError: A sequence has other targets.
    """

    train: tuple[TimeSeries, ...]
    valid: tuple[TimeSeries, ...]
    test: tuple[TimeSeries, ...]
    n_classes: int = 0
    main_score: str
    shown_scores: tuple[str, ...] = ()
    class_weights: tuple[float, ...] | None = None
    train_weights: tuple[NDArray[np.float32], ...] | None = None
    drop_unweighted: bool = False
    training_totals: tuple[float, ...] | None = None
    protocol: str = ""
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    preview: tuple[str, ...] = ()
    inner: tuple[InnerFold, ...] = ()
    instead: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    target: TargetKind = UNSAID
    inverse_penalty: float | None = None
    computed: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.target == UNSAID:
            object.__setattr__(self, "target", Classes(self.n_classes))
        elif not self.n_classes:
            object.__setattr__(self, "n_classes", self.target.n_classes)
        if self.n_classes != self.target.n_classes or self.n_classes < 1:
            raise DataError(
                f"the task got n_classes {self.n_classes} and target {self.target}: give one of the two"
            )
        groups = len(self.target.importance)
        if self.class_weights is not None and len(self.class_weights) != groups:
            raise DataError(
                f"the task got {len(self.class_weights)} class_weights; expected {groups}, one for each "
                f"group of steps of {self.target}"
            )
        if not isinstance(self.target, Classes):
            for sequence in (*self.train, *self.valid, *self.test):
                self.target.check(sequence)


def smaller_is_better(score: str) -> bool:
    """Whether a score is an error: its name ends in ``_error``."""
    return score.endswith("_error")


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One of several tasks made of the same recordings: somebody is held out and tested on.

    Args:
        name: Who is held out; a folder is named so.
        options: Of the app's config: under these `App.task` gives the same task by itself.
        task: Makes the task.
        tables: As `Task.tables`, about all folds together; the same in each.
        preview: As `Task.preview`, about all folds together; the same in each.
    """

    name: str
    options: Mapping[str, Any]
    task: Callable[[], Task]
    tables: Mapping[str, str] = field(default_factory=dict)
    preview: Sequence[str] = ()


def inner_task(task: Task, fold: InnerFold) -> Task:
    """Return the task of an inner fold: nobody is set aside for validation, nobody is tested."""
    return replace(
        task,
        train=fold.train,
        valid=(),
        test=(),
        class_weights=fold.class_weights,
        train_weights=fold.train_weights,
        inner=(),
    )
