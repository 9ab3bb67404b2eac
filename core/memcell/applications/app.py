"""What an application gives the engine: sequences by split, a loss, scores, and what to hold beside them.

An app is built from its config alone; the engine trains, evaluates and predicts without knowing what
the features mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from memcell.applications.prediction import PredictionRequest, Predictor
from memcell.applications.prediction import Probabilities as Probabilities
from memcell.errors import DataError, UsageError
from memcell.old_methods import keep_old_field
from memcell.old_paths import renamed_in
from memcell.progress import SILENT, Progress
from memcell.sequences.targets import Classes, TargetKind
from memcell.sequences.time_series import TimeSeries

if TYPE_CHECKING:
    import torch


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
    target: TargetKind = UNSAID

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


class App(Protocol):
    """An application, built from its config. These four methods are all that it needs.

    The protocols below name what an app may have beside: `Deciding` (a threshold), `Picturing`,
    `Predicting`, `Shaped` (an encoder that knows the data), `Explaining`, `Relabelling`, `Pooling`,
    `Continuing`, `Folding`, `Finishing` and `Reporting`; and `memcell.applications.conditions.Disturbing`.
    """

    def task(self, progress: Progress = SILENT) -> Task:
        """Prepare the sequences.

        Args:
            progress: Told how many recordings there are, and of each that is done.

        Raises:
            DataError: The recordings cannot be used as asked.
        """

    def encoder(self, n_features: int) -> torch.nn.Module:
        """Return the module from a step's features to the cell's input.

        It is called on ``[T, B, F]`` and must treat each step by itself, so that carrying and
        streaming stay exact. It has an attribute ``output_size``.
        """

    def scores(
        self,
        sequences: Sequence[TimeSeries],
        probabilities: Sequence[Probabilities],
        decision: Mapping[str, float],
    ) -> Mapping[str, float]:
        """Score probabilities against the sequences' targets."""

    def baselines(self, task: Task, every: bool = False) -> Sequence[Row]:
        """Score what needs no network on the test split: the majority class, the clock alone ...

        Args:
            task: What `task` gave.
            every: All that there are; otherwise an app may leave out those that take long.
        """


@runtime_checkable
class Deciding(Protocol):
    """An app that turns probabilities into decisions by something that it fits; it is optional."""

    def fit_decision(self, task: Task, valid: Sequence[Probabilities]) -> Mapping[str, float]:
        """Choose what turns probabilities into decisions (a threshold) on the validation split.

        Args:
            task: What `task` gave, with ``training_totals`` of the network's training.
            valid: For each validation sequence.
        """


@runtime_checkable
class Picturing(Protocol):
    """An app that draws what networks said about a recording; it is optional."""

    def picture(
        self,
        task: Task,
        probabilities: Mapping[str, Sequence[Probabilities]],
        decision: Mapping[str, float],
        path: Path,
    ) -> None:
        """Draw one test recording with the probabilities over it, one line for each named network."""


@runtime_checkable
class Predicting(Protocol):
    """An app whose trained networks run over recordings that training never saw; it is optional."""

    def predictor(self, asked: PredictionRequest) -> Predictor:
        """Return what runs a trained network over recordings and writes results.

        Raises:
            UsageError: The app has no recordings to predict, or the model cannot do what is asked.
        """


@runtime_checkable
class Testing(Protocol):
    """An app whose networks can be scored on recordings that training never saw; it is optional."""

    def unseen(self, facts: Mapping[str, Any], progress: Progress = SILENT) -> Task:
        """Return all labelled recordings of the app's data set as a test split; the others are empty.

        Args:
            facts: What `Task.facts` of the network's training said: features are made as they were there.
            progress: As in `App.task`.

        Raises:
            DataError: A recording cannot be used as asked, or none has labels.
            UsageError: The network was trained on somebody who is there.
        """


def decision_of(app: App, task: Task, valid: Sequence[Probabilities]) -> Mapping[str, float]:
    """Return what an app fits on the validation split; nothing where it fits nothing."""
    return app.fit_decision(task, valid) if isinstance(app, Deciding) else {}


def predictor_of(app: App, name: str, asked: PredictionRequest) -> Predictor:
    """Return what runs a trained network over recordings.

    Raises:
        UsageError: The app has no recordings to predict, or the model cannot do what is asked.
    """
    if not isinstance(app, Predicting):
        raise UsageError(f"app '{name}' has no recordings to predict")
    return app.predictor(asked)


@runtime_checkable
class Shaped(Protocol):
    """An app whose encoder depends on more than the number of features; it is optional."""

    def encoder_for(self, n_features: int, facts: Mapping[str, Any]) -> torch.nn.Module:
        """Return the module that `App.encoder` would, given the facts of the task too (`Task.facts`)."""


def encoder_of(app: App, n_features: int, facts: Mapping[str, Any]) -> torch.nn.Module:
    """Return an app's encoder for a task.

    Args:
        app: The app.
        n_features: F.
        facts: `Task.facts`, or what a run has stored of them.
    """
    return (
        app.encoder_for(n_features, facts) if isinstance(app, Shaped) else app.encoder(n_features)
    )


@runtime_checkable
class Continuing(Protocol):
    """An app whose tasks can be made for a model that was trained before; it is optional.

    Its config may name the options that have to be that model's, as a class method ``of_model(facts)`` which
    returns names and values.
    """

    def continuing(self, facts: Mapping[str, Any]) -> App:
        """Return the app with tasks whose features are made and scaled as they were for a model.

        Args:
            facts: What `Task.facts` said when it was trained.
        """


@runtime_checkable
class Explaining(Protocol):
    """An app that says more of a run than scores do; it is optional."""

    def decided(self, decision: Mapping[str, float]) -> str:
        """Return in one line what `App.fit_decision` chose; it stands beside the network's scores."""

    def inspected(self, task: Task) -> tuple[Mapping[str, str], Sequence[str]]:
        """Return tables about the data of a task (file name to content), and lines for the person."""


@runtime_checkable
class Relabelling(Protocol):
    """An app that can score a trained network under other options; its config names them in ``RESCORING``."""

    def under(self, task: Task, options: Mapping[str, Any]) -> Task:
        """Return a task of the same recordings and the same split under other options.

        Args:
            task: What `App.task` gave.
            options: Of those in ``RESCORING``, the ones that were typed.
        """


@runtime_checkable
class Pooling(Protocol):
    """An app that can score parts that were decided under different decisions, and tell more than scores.

    It is optional: an app without it has ``scores.tsv`` and the tables by subject.
    """

    def pooled(self, predictions: Sequence[ModelPredictions]) -> Mapping[str, float]:
        """Return the scores of `App.scores` over all parts, each under its own decision."""

    def intervals(
        self, predictions: Sequence[ModelPredictions]
    ) -> Mapping[str, tuple[float, float]]:
        """Return 95 % intervals of pooled scores, subjects drawn anew; those that cannot be are left out."""

    def details(self, rows: Sequence[Row]) -> Mapping[str, str]:
        """Return more tables about rows that have predictions: file name to content."""


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


@runtime_checkable
class Folding(Pooling, Protocol):
    """An app whose options may ask for folds: a run of each, and scores pooled over who was held out."""

    @property
    def folded(self) -> bool:
        """Whether the options ask for folds; `App.task` refuses then."""

    def folds(self, progress: Progress = SILENT) -> Sequence[Fold]:
        """Prepare the sequences once, for all folds.

        Raises:
            DataError: The recordings cannot be used as asked, or are of too few.
        """


@runtime_checkable
class Finishing(Protocol):
    """An app that can train one network on everybody whom its folds have left out in turn; it is optional."""

    def everybody(self) -> Mapping[str, Any]:
        """Return the options of its config under which `App.task` trains on everybody and tests nobody.

        Raises:
            UsageError: The other options do not allow that.
        """


@runtime_checkable
class Reporting(Protocol):
    """An app that makes a page of its runs and predictions. It is optional."""

    def report(self, folder: Path) -> Path:
        """Write ``report.html`` into a run folder or a prediction's folder, from the files there alone.

        Args:
            folder: The folder, finished or not.

        Returns:
            The page.

        Raises:
            MemcellError: The folder is neither, or the page cannot be written.
        """


if not TYPE_CHECKING:
    __getattr__ = renamed_in(__name__)  # names of version 0.1
