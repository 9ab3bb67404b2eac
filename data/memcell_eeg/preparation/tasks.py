"""Recordings to tasks: read and prepared once, then split, scaled and weighted as each task asks.

The step, the channels and the rate are decided for all recordings together, those that will be tested on
included: labels give the grid on which they change and nothing else (`memcell_eeg.targets.grid`). Everything
that learns (scales, class weights, folds inside the training people) sees the training part alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from memcell.applications.app import Fold, Task
from memcell.applications.checking import CHECKS, checks_shown, checks_table
from memcell.applications.datasets import DataSet
from memcell.errors import DataError, UsageError
from memcell.plugins.options import to_mapping
from memcell.progress import Progress
from memcell.sequences.time_series import TimeSeries
from memcell_data.recording import Recording
from memcell_data.renaming import Renaming
from memcell_eeg.advice.findings import Advice
from memcell_eeg.cache import FeatureCache
from memcell_eeg.config import EegConfig
from memcell_eeg.features.optional import check_optional, with_dropout
from memcell_eeg.features.pipeline import BlindSteps, Pipeline
from memcell_eeg.features.precomputed import (
    PrecomputedFeatures,
    check_features_of_run,
    pipeline_of,
)
from memcell_eeg.left_out import FILE as LEFT_OUT
from memcell_eeg.left_out import RECORDING, LeftOut
from memcell_eeg.preparation.notes import few, notes, precomputed_notes
from memcell_eeg.preparation.prepare import PreparedData, make_sequences
from memcell_eeg.preparation.weights import class_weights, inner_folds, step_weights
from memcell_eeg.signal.channels import (
    choose,
    how_to_rename,
    locate,
    native_rate,
    otherwise_measured_in,
    trained_on,
    with_channels,
)
from memcell_eeg.signal.references import FACT as REFERENCES
from memcell_eeg.signal.references import stated_in
from memcell_eeg.signal.unit import unit_fact
from memcell_eeg.splits.known import apart, check_tested, people_of
from memcell_eeg.splits.leaks import Reach, check, check_folds
from memcell_eeg.splits.split import (
    ENOUGH_SUBJECTS,
    PARTS,
    Split,
    check_classes_of_folds,
    check_loso,
    sets_aside,
    split,
)
from memcell_eeg.splits.who import FILE as WHO
from memcell_eeg.splits.who import Who
from memcell_eeg.targets.grid import timing
from memcell_eeg.targets.resolved import read_labels
from memcell_eeg.task import EegTask


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """Prepared recordings, and what makes tasks of them.

    Args:
        data: Sequences before they are split.
        advice: What is to be said of them before training.
        task: Splits them as a config asks and returns the task.
        known: People of the model that training goes on from.
    """

    data: PreparedData
    advice: Advice
    task: Callable[[EegConfig], Task]
    known: frozenset[str] = frozenset()

    def folds(self, config: EegConfig) -> list[Fold]:
        """Return a fold for each subject, who is tested on in it alone; for none whom the model has seen.

        Raises:
            DataError: There are too few subjects.
        """
        check_tested((s.subject for s in self.data.sequences), (), self.known)
        new, seen = apart(self.data.sequences, self.known)
        subjects = sorted({s.subject for s in new})
        check_loso(subjects, config, len({s.subject for s in seen}))
        # whatever refuses a fold is said before any is trained
        check_folds(self.data.sequences, self.data.copies)
        try:
            check_classes_of_folds(self.data.sequences, self.known)
        except DataError as error:
            raise _with_left_out(error, self.data) from None
        validating: dict[str, Sequence[TimeSeries]] = {}
        if sets_aside(config):  # who validates decides who is left to train on
            for subject in subjects:
                parts = _split(replace(config, held_out=subject), self.data, self.known)
                validating[subject] = parts.valid
        who = Who.of_folds(self.data.recordings, new, seen)
        findings = self.advice.of_folds(validating)
        tables = {WHO: who.table(), CHECKS: checks_table(findings), **_left_out(self.data)}
        preview = [*who.lines(), *checks_shown(findings)]
        return [
            Fold(
                name=subject,
                options={"held_out": subject},
                task=partial(self.task, replace(config, held_out=subject)),
                tables=tables,
                preview=preview,
            )
            for subject in subjects
        ]


def prepare(
    detects: EegTask,
    config: EegConfig,
    dataset: DataSet,
    scores: tuple[str, Sequence[str]],
    progress: Progress,
    source: Mapping[str, Any] | None = None,
) -> Tasks:
    """Read the recordings of a data set and make their sequences.

    Args:
        detects: What is detected.
        config: The options.
        dataset: Where the recordings are.
        scores: The main score, and those for a screen.
        progress: Told how many recordings there are, and of each that is done.
        source: Facts of the trained model that training goes on from: features are made and scaled as there.

    Raises:
        DataError: There is no labelled recording, or a recording, a channel or the split cannot be used as
            asked.
        UsageError: The features of ``source`` cannot be made of these recordings, or by this version.
    """
    made = None if source is None else pipeline_of(source["pipeline"])
    if source is not None and made is not None:
        check_features_of_run(made, source)
    known = people_of(source)
    return _Preparation(detects, config, dataset, scores, made, known).prepared(progress)


@dataclass(frozen=True)
class _Preparation:
    """What `prepare` was given."""

    detects: EegTask
    config: EegConfig
    dataset: DataSet
    scores: tuple[str, Sequence[str]]
    source: Pipeline | PrecomputedFeatures | None = None
    known: frozenset[str] = frozenset()

    def prepared(self, progress: Progress) -> Tasks:
        """Read the recordings; see `prepare`."""
        config, dataset = self.config, self.dataset
        recordings = list(dataset.recordings())
        if not recordings:
            raise DataError(f"data set '{dataset.card.name}' has no recording.")
        renaming = Renaming.of(config.rename)
        recordings, unused = (
            [renaming.recording(r) for r in recordings],
            renaming.unused(recordings),
        )
        if unused:
            raise UsageError(
                f"--rename {','.join(unused)} fits no channel of any recording; '{recordings[0].name}' has "
                f"{', '.join(c.name.strip() for c in recordings[0].channels[:40]) or 'none'}"
            )
        _ask(dataset, recordings, config)
        left_out = LeftOut(config.strict)
        for reason in getattr(dataset, "refused", getattr(dataset, "problems", ())):
            left_out.add(None, RECORDING, reason)
        if any(r.features is not None for r in recordings):
            if isinstance(self.source, Pipeline):
                raise UsageError(
                    "the model that training goes on from makes its features of a signal, and these "
                    "recordings have precomputed ones: type --data of signals, or leave out --init"
                )
            return self._of_precomputed(recordings, progress, left_out)
        source = self.source
        if isinstance(source, PrecomputedFeatures):
            raise UsageError(
                "the model that training goes on from was trained on precomputed features, and these "
                "recordings have a signal: go on from one that was trained on signals, or leave out --init"
            )
        try:
            recordings = with_channels(config.channels, recordings, left_out)
        except DataError as error:
            if source is None:
                raise
            hint = how_to_rename(source.channels, [c.name for c in recordings[0].channels])
            raise DataError(
                f"{error}{trained_on(source.channels)}{hint} To train on the channels that there are, leave "
                "out --init."
            ) from error
        choice = choose(config.channels, recordings)
        native = min(native_rate(locate(choice.names, r), r) for r in recordings)
        resolved = read_labels(recordings, config.protocol, self.detects.protocols, left_out)
        timed = timing(config, resolved.recordings)
        if source is None:
            pipeline = Pipeline.of(timed.applied(config), choice, native)
        else:
            pipeline = replace(source, centre=(), spread=())
        if config.channel_dropout:
            check_optional(pipeline)
        measured = otherwise_measured_in(config.channels, choice, recordings)
        made = make_sequences(config, pipeline, resolved, progress, left_out)
        advice = self._advice(made, pipeline)
        reach = Reach.of(pipeline, native)
        blind = BlindSteps(pipeline, made.recordings, made.sequences)

        def finish(config: EegConfig) -> Task:
            parts = _split(config, made, self.known)
            fitted = source or pipeline.fitted(parts.train, blind)
            parts = parts.changed(partial(fitted.scaled_sequences, blind=blind))
            if config.channel_dropout:
                parts = _with_dropout(parts, fitted, config)
            return self._task(
                config,
                made,
                advice,
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
                    REFERENCES: stated_in(pipeline.channels, made.recordings),
                    "rate": pipeline.rate,
                    "delay_seconds": pipeline.delay(native, self.detects.rhythm[1]),
                    "onset_delay_seconds": pipeline.onset_delay(native, self.detects.rhythm[1]),
                    "blind_seconds": pipeline.blind(native),
                },
            )

        return Tasks(data=made, advice=advice, task=finish, known=self.known)

    def _advice(self, made: PreparedData, pipeline: Pipeline | PrecomputedFeatures) -> Advice:
        return Advice(
            features=pipeline.features if isinstance(pipeline, Pipeline) else (),
            sequences=made.sequences,
            recordings=made.recordings,
            channels=pipeline.channels if isinstance(pipeline, Pipeline) else (),
            normalization=pipeline.normalization,
            memory=self.config.normalization_memory,
            cache=FeatureCache.of(self.config.cache),
            left_out=made.left_out,
        )

    def _of_precomputed(
        self, recordings: Sequence[Recording], progress: Progress, left_out: LeftOut
    ) -> Tasks:
        """Prepare recordings whose features are precomputed."""
        if self.config.channel_dropout:
            raise UsageError(
                "--channel-dropout leaves out channels, and precomputed features have none: leave it out"
            )
        unfitted = PrecomputedFeatures.of(self.config, recordings)
        source = self.source if isinstance(self.source, PrecomputedFeatures) else None
        if source is not None and replace(source, centre=(), spread=()) != unfitted:
            raise UsageError(
                f"the model that training goes on from has {_described(source)}, and these recordings have "
                f"{_described(unfitted)}: type the same data set with the same options, or leave out --init"
            )
        protocols = self.detects.protocols
        resolved = read_labels(recordings, self.config.protocol, protocols, left_out)
        made = make_sequences(self.config, unfitted, resolved, progress, left_out)
        advice = self._advice(made, unfitted)

        def finish(config: EegConfig) -> Task:
            parts = _split(config, made, self.known)
            features = source or unfitted.fitted(parts.train)
            parts = parts.changed(features.scaled)
            facts = {
                "pipeline": {"precomputed": True, **features.facts()},
                "feature_names": list(features.column_names),
                "channels": [],
                "delay_seconds": 0.0,
            }
            lines = precomputed_notes(config, features, parts)
            return self._task(config, made, advice, parts, Reach(), lines, facts)

        return Tasks(data=made, advice=advice, task=finish, known=self.known)

    def _task(
        self,
        config: EegConfig,
        made: PreparedData,
        advice: Advice,
        parts: Split,
        reach: Reach,
        lines: Sequence[str],
        facts: Mapping[str, Any],
    ) -> Task:
        dataset, card = self.dataset, self.dataset.card
        checked = check(parts, made.recordings, reach, made.copies)
        who = Who.of_split(made.recordings, parts)
        weights = step_weights(config, parts.train)
        if weights is not None and not any(w.any() for w in weights):
            raise DataError(
                "no training sequence has a change of label to train around; leave out "
                "--around-transitions."
            )
        simulated = card.simulated or made.simulated
        simulation = (
            [f"simulated data ('{card.name}'): no result about people"] if simulated else []
        )
        ratio = config.cost_ratio if config.decision == "cost" else 1.0
        inner, inside = inner_folds(config, parts, ratio, self.known)
        findings = advice.of_split(parts, validated=not inner)
        return Task(
            train=parts.train,
            valid=parts.valid,
            test=parts.test,
            n_classes=2,
            main_score=self.scores[0],
            shown_scores=tuple(self.scores[1]),
            class_weights=class_weights(config, parts.train, weights, ratio),
            train_weights=weights,
            drop_unweighted=config.around_transitions,
            protocol=made.protocol.name,
            notes=(
                *([f"what the model knows: {self.detects.knows}"] if self.detects.knows else []),
                *simulation,
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
            preview=(*who.lines(), *checks_shown(findings)),
            tables={WHO: who.table(), CHECKS: checks_table(findings), **_left_out(made)},
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


def _with_dropout(parts: Split, pipeline: Pipeline, config: EegConfig) -> Split:
    """Return a split in whose training part channels are left out at times."""
    chance, seed = config.channel_dropout, config.split_seed
    return replace(parts, train=with_dropout(parts.train, pipeline, chance, seed))


def _described(features: PrecomputedFeatures) -> str:
    names = features.feature_names
    return (
        f"{len(names)} precomputed features ({', '.join(names[:3])}, ...) in steps of {features.step:g} s, "
        f"means of {len(features.context)} and normalization {features.normalization}"
    )


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


def _split(config: EegConfig, made: PreparedData, known: frozenset[str]) -> Split:
    """Return the split of what was made.

    Raises:
        DataError: As `memcell_eeg.splits.split.split`; says what was left out, which may be why.
    """
    published = made.published if config.split == "published" else {}
    try:
        return split(made.sequences, config, published, known)
    except DataError as error:
        raise _with_left_out(error, made) from None


def _with_left_out(error: DataError, made: PreparedData) -> DataError:
    """Return an error that says what was left out, which may be why."""
    if not made.left_out.items:
        return error
    n = len(made.left_out.items)
    more = f" (and {n - 1} more)" if n > 1 else ""
    reason = made.left_out.items[0].reason
    return DataError(f"{error} What was left out may be why: {reason}{more}")


def _left_out(made: PreparedData) -> dict[str, str]:
    return {LEFT_OUT: made.left_out.table()} if made.left_out.items else {}


def _decisive(config: EegConfig) -> dict[str, Any]:
    """Return the options as JSON holds them; those that change no model as if they were left out.

    A model's id is the digest of its file, and must not depend on where features are kept, or on what its
    scores were held against.
    """
    usual = type(config)()
    return to_mapping(
        replace(
            config,
            cache=usual.cache,
            baselines=usual.baselines,
            robustness=usual.robustness,
            strict=usual.strict,
        )
    )
