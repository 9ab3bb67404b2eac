"""An application that detects events in EEG, behind the engine's contract (`memcell.applications.app.App`).

One of its own is a subclass with a description (`memcell_eeg.task.EegTask`); whatever else is different, its
scores for instance, it overrides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from memcell.applications.app import Fold, ModelPredictions, Probabilities, Row, Task
from memcell.applications.conditions import Condition, Peer
from memcell.applications.cross_validation import Candidate
from memcell.applications.datasets import DataSet
from memcell.applications.detecting import DetectorRequest
from memcell.applications.prediction import PredictionRequest, Predictor
from memcell.applications.streaming import StreamRequest
from memcell.errors import DataError, UsageError
from memcell.progress import SILENT, Progress
from memcell.sequences.time_series import TimeSeries
from memcell_data.recording import Recording
from memcell_data.renaming import Renaming
from memcell_eeg.config import EegConfig
from memcell_eeg.decisions.decision import decide, in_words
from memcell_eeg.features.extractors import check_words
from memcell_eeg.preparation.tasks import Tasks, prepare
from memcell_eeg.scores.events import EventRules
from memcell_eeg.scores.scores import MAIN, SHOWN, pooled_scores
from memcell_eeg.task import EegTask

if TYPE_CHECKING:
    from torch import nn

    from memcell_eeg.detector import EegDetector


class EegApp:
    """Detects events at every step of a recording.

    Args:
        config: The options.
        dataset: What ``config.data`` stands for, built; None where only `predict` is wanted.
    """

    #: What is detected; a subclass says it.
    detects: ClassVar[EegTask]
    #: The score that early stop and tables put first, and those that a screen has room for.
    main_score: ClassVar[str] = MAIN
    shown_scores: ClassVar[tuple[str, ...]] = SHOWN

    def __init__(self, config: EegConfig, dataset: DataSet | None = None) -> None:
        config.validate()
        check_words(config.feature_kinds)
        self.config = config
        self.dataset = dataset
        #: Facts of the trained model that training goes on from; None where it begins anew.
        self.source: Mapping[str, Any] | None = None
        #: What channels of other recordings may be measured against, as ``memcell evaluate --reference``.
        self.reference = ""

    def continuing(self, facts: Mapping[str, Any]) -> EegApp:
        """Return the app with tasks whose features are made and scaled as for a trained model."""
        app = copy(self)
        app.source = facts
        return app

    def measured(self, reference: str) -> EegApp:
        """Return the app with `unseen` recordings taken as ``--reference`` says."""
        app = copy(self)
        app.reference = reference
        return app

    def task(self, progress: Progress = SILENT) -> Task:
        """Read the recordings and prepare the sequences.

        Args:
            progress: Told how many recordings there are, and of each that is done.

        Raises:
            DataError: There is no data set or no labelled recording, or a recording, a channel or
                the split cannot be used as asked.
        """
        return self._tasks(progress).task(self.config)

    @property
    def folded(self) -> bool:
        """Whether a run for each subject is asked for."""
        return self.config.split == "loso" and not self.config.held_out

    def folds(self, progress: Progress = SILENT) -> list[Fold]:
        """Read the recordings once and return a fold for each subject; see `task`."""
        return self._tasks(progress).folds(self.config)

    def everybody(self) -> Mapping[str, Any]:
        """Return the options under which `task` trains on everybody.

        Raises:
            UsageError: Nothing would choose length and threshold.
        """
        if self.config.tune == "none":
            raise UsageError(
                "--final needs --tune quick or full: nobody is left out of such a network, so that length "
                "and threshold are chosen by cross-validation"
            )
        return {"split": "none", "held_out": "", "test_subjects": ()}

    def _tasks(self, progress: Progress) -> Tasks:
        if self.dataset is None:
            raise DataError("no data set was given; type --data NAME or --data PATH.")
        scores = (self.main_score, self.shown_scores)
        return prepare(self.detects, self.config, self.dataset, scores, progress, self.source)

    def candidates(self, task: Task) -> Sequence[Candidate]:
        """Return the settings that ``--tune`` chooses from; see `memcell_eeg.tuning`."""
        from memcell_eeg.tuning import candidates

        return candidates(self.config, task)

    def feature_sets(self, task: Task) -> Sequence[Candidate]:
        """Return the kinds of features that ``--tune full`` compares; see `memcell_eeg.tuning`."""
        from memcell_eeg.tuning import feature_sets

        return feature_sets(self.config, task, self.detects.name)

    def measures(
        self, sequences: Sequence[TimeSeries], probabilities: Sequence[Probabilities]
    ) -> Mapping[str, float]:
        """Return AUC and kappa of pooled out-of-fold predictions."""
        from memcell_eeg.tuning import measures

        return measures(sequences, probabilities)

    def encoder(self, n_features: int) -> nn.Module:
        """Return the module from a step's ``n_features`` to the cell's input."""
        return self.encoder_for(n_features, {})

    def encoder_for(self, n_features: int, facts: Mapping[str, Any]) -> nn.Module:
        """Return what `encoder` does; the facts say where raw samples stand among the features."""
        from memcell_eeg.features.encoder import build

        return build(self.config, n_features, facts)

    def fit_decision(self, task: Task, valid: Sequence[Probabilities]) -> Mapping[str, float]:
        """Choose for the cost ratio what `memcell_eeg.decisions.decision.decide` returns."""
        return decide(
            self.config.decision_method(bool(task.inner)), task, valid, self.config.cost_ratio
        )

    def decided(self, decision: Mapping[str, float]) -> str:
        """Return in one line what was decided, and what it costs on validation."""
        way = self.config.decision_method(bool(decision.get("cross_validated")))
        return in_words(way, decision, self.config.cost_ratio)

    def inspected(self, task: Task) -> tuple[Mapping[str, str], list[str]]:
        """Return how features differ between the classes; see `memcell_eeg.features.feature_tests`."""
        from memcell_eeg.features.feature_tests import inspected

        return inspected(task.train, task.facts["feature_names"])

    def under(self, task: Task, options: Mapping[str, Any]) -> Task:
        """Return the task scored under another ``protocol``; see `memcell_eeg.preparation.relabel`."""
        from memcell_eeg.preparation.relabel import under

        assert self.dataset is not None
        protocols, recordings = self.detects.protocols, self.dataset.recordings()
        return under(task, str(options["protocol"]), protocols, recordings, self.config)

    def unseen(self, facts: Mapping[str, Any], progress: Progress = SILENT) -> Task:
        """Return all labelled recordings as a test split; see `memcell_eeg.preparation.unseen`."""
        from memcell_eeg.preparation.unseen import unseen

        if self.dataset is None:
            raise DataError("no data set was given; type --data NAME or --data PATH.")
        scores = (self.main_score, self.shown_scores)
        return unseen(
            self.detects, self.config, self.dataset, facts, progress, scores, self.reference
        )

    def scores(
        self,
        sequences: Sequence[TimeSeries],
        probabilities: Sequence[Probabilities],
        decision: Mapping[str, float],
    ) -> Mapping[str, float]:
        """Return the scores of `pooled` under one decision."""
        part = ModelPredictions(
            sequences=tuple(sequences), probabilities=tuple(probabilities), decision=decision
        )
        return self.pooled([part])

    def pooled(self, predictions: Sequence[ModelPredictions]) -> Mapping[str, float]:
        """Return the scores over parts that have each its own threshold, of networks and baselines alike.

        Those of `memcell_eeg.scores.scores.MEANING`; what an application with scores of its own overrides.
        """
        return pooled_scores(predictions, EventRules.of(self.config))

    def intervals(
        self, predictions: Sequence[ModelPredictions]
    ) -> Mapping[str, tuple[float, float]]:
        """Return intervals of the pooled scores; see `memcell_eeg.scores.resampled`."""
        from memcell_eeg.scores.resampled import intervals

        return intervals(predictions, EventRules.of(self.config))

    def details(self, rows: Sequence[Row]) -> Mapping[str, str]:
        """Return the tables of `memcell_eeg.scores.tables`: file name to content."""
        from memcell_eeg.scores.tables import tables

        return tables(rows, EventRules.of(self.config))

    def baselines(self, task: Task, every: bool = False) -> list[Row]:
        """Score on the test split what needs no network; see `memcell_eeg.baselines`.

        Args:
            task: What `task` gave.
            every: All that there are, as with ``--baselines all``.
        """
        from memcell_eeg.baselines import baselines

        config = self.config
        which = "all" if every else config.baselines
        return baselines(
            task,
            config.cost_ratio,
            self.pooled,
            config.split_seed,
            which,
            config.decision_method(bool(task.inner)),
        )

    @property
    def compared(self) -> Sequence[str]:
        """The scores that are told under other conditions."""
        return tuple(dict.fromkeys((self.main_score, "kappa", "auc_roc")))

    def why_undisturbed(self, task: Task) -> str:
        """Return why a run is not scored under other conditions; see `memcell_eeg.preparation.conditions`."""
        from memcell_eeg.preparation.conditions import why_undisturbed

        return why_undisturbed(self.config, task)

    def conditions(self, task: Task) -> Sequence[Condition]:
        """Return what may happen to the test recordings: gains, lost channels, hum, half the rate."""
        from memcell_eeg.preparation.conditions import conditions
        from memcell_eeg.preparation.unseen import as_asked

        recordings = self._recordings()
        if not task.train:
            recordings = as_asked(recordings, self.config, task.facts, self.reference).recordings
        return conditions(task, recordings)

    def _recordings(self) -> Sequence[Recording]:
        """Return the recordings of the data set, as they are called by the run; none without one."""
        if self.dataset is None:
            return ()
        renaming = Renaming.of(self.config.rename)
        return [renaming.recording(recording) for recording in self.dataset.recordings()]

    def peer(self, task: Task, rows: Sequence[Row]) -> Peer | None:
        """Return the regression that is held beside the network under these."""
        from memcell_eeg.preparation.conditions import peer

        return peer(task, rows)

    def picture(
        self,
        task: Task,
        probabilities: Mapping[str, Sequence[Probabilities]],
        decision: Mapping[str, float],
        path: Path,
    ) -> None:
        """Draw the test recording with the most events: EEG, truth and probabilities over time."""
        from memcell_eeg.reports.excerpts import keep_excerpts
        from memcell_eeg.reports.run.kept_views import keep_views
        from memcell_eeg.reports.timeline import draw

        recordings = self._recordings()
        rules = EventRules.of(self.config)
        draw(task, probabilities, decision["threshold"], rules, recordings, path)
        own = next(iter(probabilities.values()))
        keep_excerpts(path.parent, task, own, decision["threshold"], recordings)
        keep_views(path.parent, task, recordings, self.config.views)

    def report(self, folder: Path) -> Path:
        """Write ``report.html`` of a run or a prediction; see `memcell_eeg.reports.build`."""
        from memcell_eeg.reports import build

        return build(folder, self.detects)

    def check_facts(self, facts: Mapping[str, Any]) -> None:
        """Refuse facts of a stored model that no run writes; see `memcell_eeg.prediction.model`."""
        from memcell_eeg.prediction.model import check_facts

        check_facts(facts, self.detects.config)

    def needs(self, facts: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """Return what a trained model needs of a recording; see `memcell_eeg.prediction.needs`."""
        from memcell_eeg.prediction.needs import needs

        return needs(facts, self.detects)

    def predictor(self, request: PredictionRequest) -> Predictor:
        """Return what writes events and probabilities of recordings."""
        from memcell_eeg.prediction import predict

        return predict.RecordingPredictor(request, self.detects)

    def stream(self, request: StreamRequest) -> int:
        """Detect live; see `memcell_eeg.live.run.stream`."""
        from memcell_eeg.live.run import stream

        return stream(request, self.detects)

    def detector(self, request: DetectorRequest) -> EegDetector:
        """Return the trained model for a program or a notebook."""
        from memcell_eeg.detector import EegDetector

        return EegDetector(request, self.detects)

    def exported(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what an exported file says of its inputs and outputs (`memcell.inference.onnx.facts`)."""
        pipeline = facts["pipeline"]
        return {
            "classes": [self.detects.background, self.detects.event],
            "step_seconds": pipeline["step"],
            "preparation": dict(pipeline),
        }
