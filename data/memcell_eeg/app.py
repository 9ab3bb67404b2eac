"""An application that detects events in EEG, behind the engine's contract (`memcell.applications.app.App`).

One of its own is a subclass with a description (`memcell_eeg.task.EegTask`); whatever else is different, its
scores for instance, it overrides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Fold, InnerFold, ModelPredictions, Probabilities, Row, Task
from memcell.applications.cross_validation import Candidate
from memcell.applications.datasets import DataSet
from memcell.applications.prediction import PredictionRequest, Predictor
from memcell.applications.streaming import StreamRequest
from memcell.errors import DataError
from memcell.plugins.options import to_mapping
from memcell.progress import SILENT, Progress
from memcell.sequences.time_series import TimeSeries
from memcell_data.recording import Recording
from memcell_eeg.config import EegConfig
from memcell_eeg.decisions.costs import loss_weights
from memcell_eeg.decisions.decision import class_totals, decide, in_words
from memcell_eeg.features.extractors import check_words
from memcell_eeg.features.pipeline import BlindSteps, Pipeline
from memcell_eeg.features.precomputed import PrecomputedFeatures
from memcell_eeg.left_out import FILE as LEFT_OUT
from memcell_eeg.left_out import RECORDING, LeftOut
from memcell_eeg.preparation.notes import few, notes, precomputed_notes
from memcell_eeg.preparation.prepare import PreparedData, make_sequences
from memcell_eeg.scores.events import EventRules
from memcell_eeg.scores.scores import MAIN, SHOWN, pooled_scores
from memcell_eeg.signal.channels import (
    choose,
    locate,
    native_rate,
    otherwise_measured_in,
    with_channels,
)
from memcell_eeg.signal.unit import unit_fact
from memcell_eeg.splits.inner import inner_splits
from memcell_eeg.splits.leaks import Reach, check
from memcell_eeg.splits.split import ENOUGH_SUBJECTS, PARTS, Split, check_loso, split
from memcell_eeg.splits.who import FILE as WHO
from memcell_eeg.splits.who import Who
from memcell_eeg.targets.grid import timing
from memcell_eeg.targets.resolved import read_labels
from memcell_eeg.targets.transitions import transition_weights
from memcell_eeg.task import EegTask

if TYPE_CHECKING:
    from torch import nn


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

    def task(self, progress: Progress = SILENT) -> Task:
        """Read the recordings and prepare the sequences.

        Args:
            progress: Told how many recordings there are, and of each that is done.

        Raises:
            DataError: There is no data set or no labelled recording, or a recording, a channel or
                the split cannot be used as asked.
        """
        return self._prepared(progress)[1](self.config)

    @property
    def folded(self) -> bool:
        """Whether a run for each subject is asked for."""
        return self.config.split == "loso" and not self.config.held_out

    def folds(self, progress: Progress = SILENT) -> list[Fold]:
        """Read the recordings once and return a fold for each subject; see `task`."""
        made, finish = self._prepared(progress)
        subjects = sorted({s.subject for s in made.sequences})
        check_loso(subjects, self.config)
        who = Who.of_folds(made.recordings, made.sequences)
        tables = {WHO: who.table(), **_left_out(made)}
        folds = []
        for subject in subjects:
            config = replace(self.config, held_out=subject)
            options = {"held_out": subject}
            fold = partial(finish, config)
            folds.append(
                Fold(name=subject, options=options, task=fold, tables=tables, preview=who.lines())
            )
        return folds

    def _prepared(self, progress: Progress) -> tuple[PreparedData, Callable[[EegConfig], Task]]:
        """Return the sequences before they are split, and what makes a task of them.

        Raises:
            DataError: As `task`.
        """
        if self.dataset is None:
            raise DataError("no data set was given; type --data NAME or --data PATH.")
        config, card, dataset = self.config, self.dataset.card, self.dataset
        recordings = list(dataset.recordings())
        if not recordings:
            raise DataError(f"data set '{card.name}' has no recording.")
        _ask(dataset, recordings, config)
        left_out = LeftOut(config.strict)
        for reason in getattr(dataset, "refused", getattr(dataset, "problems", ())):
            left_out.add(None, RECORDING, reason)
        if any(r.features is not None for r in recordings):
            return self._with_precomputed(dataset, recordings, progress, left_out)
        recordings = with_channels(config.channels, recordings, left_out)
        choice = choose(config.channels, recordings)
        native = min(native_rate(locate(choice.names, r), r) for r in recordings)
        resolved = read_labels(recordings, config.protocol, self.detects.protocols, left_out)
        timed = timing(config, resolved.recordings)
        pipeline = Pipeline.of(timed.applied(config), choice, native)
        measured = otherwise_measured_in(config.channels, choice, recordings)
        made = make_sequences(config, pipeline, resolved, progress, left_out)
        reach = Reach.of(pipeline, native)
        blind = BlindSteps(pipeline, made.recordings, made.sequences)

        def finish(config: EegConfig) -> Task:
            parts = _split(config, made)
            fitted = pipeline.fitted(parts.train, blind)
            parts = parts.changed(partial(fitted.scaled_sequences, blind=blind))
            return self._task(
                config,
                dataset,
                made,
                parts,
                reach,
                [
                    *notes(
                        config, choice, pipeline, parts, native, self.detects.rhythm, timed.reason
                    ),
                    *few(measured),
                ],
                {
                    "pipeline": fitted.facts(),
                    "feature_names": list(pipeline.feature_names),
                    "channels": list(pipeline.channels),
                    "rate": pipeline.rate,
                    "delay_seconds": pipeline.delay(native, self.detects.rhythm[1]),
                    "onset_delay_seconds": pipeline.onset_delay(native, self.detects.rhythm[1]),
                    "blind_seconds": pipeline.blind(native),
                },
            )

        return made, finish

    def _with_precomputed(
        self,
        dataset: DataSet,
        recordings: Sequence[Recording],
        progress: Progress,
        left_out: LeftOut,
    ) -> tuple[PreparedData, Callable[[EegConfig], Task]]:
        """Prepare recordings whose features are precomputed."""
        unfitted = PrecomputedFeatures.of(self.config, recordings)
        protocols = self.detects.protocols
        resolved = read_labels(recordings, self.config.protocol, protocols, left_out)
        made = make_sequences(self.config, unfitted, resolved, progress, left_out)

        def finish(config: EegConfig) -> Task:
            parts = _split(config, made)
            features = unfitted.fitted(parts.train)
            parts = parts.changed(features.scaled)
            facts = {
                "pipeline": {"precomputed": True, **features.facts()},
                "feature_names": list(features.column_names),
                "channels": [],
                "delay_seconds": 0.0,
            }
            lines = precomputed_notes(config, features, parts)
            return self._task(config, dataset, made, parts, Reach(), lines, facts)

        return made, finish

    def _task(
        self,
        config: EegConfig,
        dataset: DataSet,
        made: PreparedData,
        parts: Split,
        reach: Reach,
        lines: Sequence[str],
        facts: Mapping[str, Any],
    ) -> Task:
        card = dataset.card
        checked = check(parts, made.recordings, reach, made.copies)
        who = Who.of_split(made.recordings, parts)
        weights = _step_weights(config, parts.train)
        if weights is not None and not any(w.any() for w in weights):
            raise DataError(
                "no training sequence has a change of label to train around; leave out "
                "--around-transitions."
            )
        simulated = card.simulated or made.simulated
        said = [f"simulated data ('{card.name}'): no result about people"] if simulated else []
        ratio = config.cost_ratio if config.decision == "cost" else 1.0
        inner, inside = self._inner(config, parts, ratio)
        return Task(
            train=parts.train,
            valid=parts.valid,
            test=parts.test,
            n_classes=2,
            main_score=self.main_score,
            shown_scores=self.shown_scores,
            class_weights=_class_weights(config, parts.train, weights, ratio),
            train_weights=weights,
            drop_unweighted=config.around_transitions,
            protocol=made.protocol.name,
            notes=(
                *([f"what the model knows: {self.detects.knows}"] if self.detects.knows else []),
                *said,
                *few(getattr(dataset, "problems", ())),
                *lines,
                *inside,
                str(made.protocol),
                *getattr(dataset, "notes", ()),
                *checked,
                *made.notes,
                *made.left_out.notes(len(made.recordings) + made.left_out.recordings),
            ),
            remarks=made.remarks,
            preview=tuple(who.lines()),
            tables={WHO: who.table(), **_left_out(made)},
            inner=inner,
            facts={
                "app": self.detects.name,
                **({"knows": self.detects.knows} if self.detects.knows else {}),
                "dataset": card.name,
                "simulated": simulated,
                "protocol": made.protocol.facts(),
                **facts,
                "split": parts.kind,
                "recordings": list(made.quality),
                **unit_fact(dataset),
                "subjects": {p: sorted({s.subject for s in parts.part(p)}) for p in PARTS},
                "config": _decisive(config),
            },
        )

    def _inner(
        self, config: EegConfig, parts: Split, ratio: float
    ) -> tuple[tuple[InnerFold, ...], list[str]]:
        """Return the folds inside the training people, none without ``--tune``, and what is said of them.

        Features that are scaled by the training people are so by all of them, those left out in an inner
        fold included: nobody who is tested has a part in it.
        """
        if config.tune == "none" or parts.kind == "time":
            return (), []
        made, lines = inner_splits(parts.train, config)
        if not made and parts.kind == "none":
            raise DataError(
                "--split none is scored by cross-validation, and the labels cannot be divided: the steps of "
                "a class lie too close together; type --split time"
            )
        folds = []
        for each in made:
            weights = _step_weights(config, each.train)
            if weights is not None and not all(class_totals(each.train, weights)):
                return (), [
                    *lines,
                    "no cross-validation: a fold has no change of label to train on",
                ]
            folds.append(
                InnerFold(
                    name=each.name,
                    train=each.train,
                    valid=each.valid,
                    class_weights=_class_weights(config, each.train, weights, ratio),
                    train_weights=weights,
                )
            )
        return tuple(folds), lines

    def candidates(self) -> Sequence[Candidate]:
        """Return the settings that ``--tune`` chooses from; see `memcell_eeg.tuning`."""
        from memcell_eeg.tuning import candidates

        return candidates(self.config)

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
        return decide(self.config.way(bool(task.inner)), task, valid, self.config.cost_ratio)

    def decided(self, decision: Mapping[str, float]) -> str:
        """Return in one line what was decided, and what it costs on validation."""
        way = self.config.way(bool(decision.get("cross_validated")))
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
        return unseen(self.detects, self.config, self.dataset, facts, progress, scores)

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
            config.way(bool(task.inner)),
        )

    def picture(
        self,
        task: Task,
        probabilities: Mapping[str, Sequence[Probabilities]],
        decision: Mapping[str, float],
        path: Path,
    ) -> None:
        """Draw the test recording with the most events: EEG, truth and probabilities over time."""
        from memcell_eeg.reports.excerpts import keep_excerpts
        from memcell_eeg.reports.timeline import draw

        recordings = () if self.dataset is None else self.dataset.recordings()
        rules = EventRules.of(self.config)
        draw(task, probabilities, decision["threshold"], rules, recordings, path)
        own = next(iter(probabilities.values()))
        keep_excerpts(path.parent, task, own, decision["threshold"], recordings)

    def report(self, folder: Path) -> Path:
        """Write ``report.html`` of a run or a prediction; see `memcell_eeg.reports.build`."""
        from memcell_eeg.reports import build

        return build(folder, self.detects)

    def check_facts(self, facts: Mapping[str, Any]) -> None:
        """Refuse facts of a stored model that no run writes; see `memcell_eeg.prediction.model`."""
        from memcell_eeg.prediction.model import check_facts

        check_facts(facts, self.detects.config)

    def predictor(self, asked: PredictionRequest) -> Predictor:
        """Return what writes events and probabilities of recordings."""
        from memcell_eeg.prediction import predict

        return predict.RecordingPredictor(asked, self.detects)

    def stream(self, asked: StreamRequest) -> int:
        """Detect live; see `memcell_eeg.live.run.stream`."""
        from memcell_eeg.live.run import stream

        return stream(asked, self.detects)

    def exported(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what an exported file says of its inputs and outputs (`memcell.inference.onnx.facts`)."""
        pipeline = facts["pipeline"]
        return {
            "classes": [self.detects.background, self.detects.event],
            "step_seconds": pipeline["step"],
            "preparation": dict(pipeline),
        }


def _ask(dataset: DataSet, recordings: Sequence[Recording], config: EegConfig) -> None:
    """Refuse a split by subject where it is open whether two subjects are one person, and marks too short.

    Raises:
        DataError: Says what to type.
    """
    marks = float(getattr(getattr(dataset, "config", None), "mark_duration", 0.0))
    if 0 < marks < config.min_duration:
        raise DataError(
            f"--data.mark-duration {marks:g} is shorter than --min-duration ({config.min_duration:g} s), so "
            "no mark would count: type a longer one, or a shorter --min-duration and --blink"
        )
    doubt = str(getattr(dataset, "doubt", ""))
    few_people = len({r.subject for r in recordings}) < ENOUGH_SUBJECTS
    by_time = config.split == "time" or (config.split == "auto" and few_people)
    if doubt and not by_time:
        raise DataError(doubt)


def _split(config: EegConfig, made: PreparedData) -> Split:
    """Return the split of what was made.

    Raises:
        DataError: As `memcell_eeg.splits.split.split`; says what was left out, which may be why.
    """
    published = made.published if config.split == "published" else {}
    try:
        return split(made.sequences, config, published)
    except DataError as error:
        if not made.left_out.items:
            raise
        n = len(made.left_out.items)
        more = f" (and {n - 1} more)" if n > 1 else ""
        reason = made.left_out.items[0].reason
        raise DataError(f"{error} What was left out may be why: {reason}{more}") from None


def _step_weights(
    config: EegConfig, train: Sequence[TimeSeries]
) -> tuple[NDArray[np.float32], ...] | None:
    """Return the weights of training steps; None where each labelled one weighs 1."""
    if not config.around_transitions:
        return None
    return tuple(transition_weights(s, config.margin) for s in train)


def _class_weights(
    config: EegConfig,
    train: Sequence[TimeSeries],
    weights: Sequence[NDArray[np.float32]] | None,
    ratio: float,
) -> tuple[float, float] | None:
    if config.class_weights == "none":
        return None
    return loss_weights(*class_totals(train, weights), ratio)


def _left_out(made: PreparedData) -> dict[str, str]:
    return {LEFT_OUT: made.left_out.table()} if made.left_out.items else {}


def _decisive(config: EegConfig) -> dict[str, Any]:
    """Return the options as JSON holds them; those that change no model as if they were left out.

    A model's id is the digest of its file, and must not depend on where features are kept, or on what its
    scores were held against.
    """
    usual = type(config)()
    return to_mapping(
        replace(config, cache=usual.cache, baselines=usual.baselines, strict=usual.strict)
    )
