"""What an application gives the engine: four methods, and what it may offer beside them.

An app is built from its config alone; the engine trains, evaluates and predicts without knowing what
the features mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from memcell.applications.prediction import PredictionRequest, Predictor
from memcell.applications.prediction import Probabilities as Probabilities
from memcell.applications.task import Fold as Fold
from memcell.applications.task import InnerFold as InnerFold
from memcell.applications.task import ModelPredictions as ModelPredictions
from memcell.applications.task import Row as Row
from memcell.applications.task import Task as Task
from memcell.applications.task import network_label as network_label
from memcell.applications.task import smaller_is_better as smaller_is_better
from memcell.errors import UsageError
from memcell.old_paths import renamed_in
from memcell.progress import SILENT, Progress
from memcell.sequences.time_series import TimeSeries

if TYPE_CHECKING:
    import torch


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

    def predictor(self, request: PredictionRequest) -> Predictor:
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


def predictor_of(app: App, name: str, request: PredictionRequest) -> Predictor:
    """Return what runs a trained network over recordings.

    Raises:
        UsageError: The app has no recordings to predict, or the model cannot do what is asked.
    """
    if not isinstance(app, Predicting):
        raise UsageError(f"app '{name}' has no recordings to predict")
    return app.predictor(request)


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
class Measuring(Testing, Protocol):
    """An app that can be told what channels of such recordings may be measured against; it is optional."""

    def measured(self, reference: str) -> App:
        """Return the app whose `Testing.unseen` takes recordings as a reference says.

        Args:
            reference: As the ``--reference`` of its ``predict_config`` takes it.
        """


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
class Needing(Protocol):
    """An app that says what a trained model needs of what it is given. It is optional."""

    def needs(self, facts: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """Return what it needs, each a heading of a word and a text.

        Args:
            facts: What `Task.facts` said when it was trained.
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
