"""Labelled recordings as a test split for a model that was trained elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memcell.applications.app import Task
from memcell.applications.datasets import DataSet
from memcell.applications.trained_on import spelled
from memcell.errors import DataError, UsageError
from memcell.progress import Progress
from memcell_data.recording import Recording
from memcell_data.renaming import Renaming
from memcell_eeg.config import EegConfig
from memcell_eeg.features.optional import has_optional, left_out_of
from memcell_eeg.features.pipeline import BlindSteps, Pipeline
from memcell_eeg.features.precomputed import check_features_of_run, pipeline_of
from memcell_eeg.left_out import FILE, RECORDING, LeftOut
from memcell_eeg.preparation.notes import few
from memcell_eeg.preparation.prepare import make_sequences
from memcell_eeg.signal.absent import with_absent
from memcell_eeg.signal.channels import otherwise_measured
from memcell_eeg.signal.reference_words import AS_IS
from memcell_eeg.signal.references import OtherMontage, References
from memcell_eeg.splits.known import people_of
from memcell_eeg.splits.who import FILE as WHO
from memcell_eeg.splits.who import Who
from memcell_eeg.targets.resolved import read_labels
from memcell_eeg.task import EegTask


def unseen(
    task: EegTask,
    config: EegConfig,
    dataset: DataSet,
    facts: Mapping[str, Any],
    progress: Progress,
    scores: tuple[str, Sequence[str]],
    reference: str = "",
) -> Task:
    """Return the labelled recordings of a data set, all of them to test on.

    A recording whose channels are measured against something else than the model's is refused as a prediction
    refuses it, and left out.

    Args:
        task: What is detected.
        config: The options that the model was trained under: rules for labels, protocol.
        dataset: Where the recordings are.
        facts: Of the model: its features are made, and those who trained it are not tested on.
        progress: Told of each recording.
        scores: The main score, and those for a screen.
        reference: What channels may be measured against, as ``memcell predict --reference`` takes it.

    Raises:
        DataError: No recording can be used, or none has a labelled step.
        UsageError: The model was trained on somebody who is there.
    """
    found = dataset.recordings()
    if not found:
        raise DataError(f"data set '{dataset.card.name}' has no recording.")
    pipeline = pipeline_of(facts["pipeline"])
    check_features_of_run(pipeline, facts)
    left_out = LeftOut(config.strict)
    for reason in getattr(dataset, "refused", getattr(dataset, "problems", ())):
        left_out.add(None, RECORDING, reason)
    asked = as_asked(found, config, facts, reference)
    for recording, error in asked.refused:
        if config.strict or not asked.recordings:
            raise error
        left_out.add(recording, RECORDING, str(error))
    resolved = read_labels(asked.recordings, config.protocol, task.protocols, left_out)
    optional = None
    if isinstance(pipeline, Pipeline) and has_optional(facts):
        optional = _references(pipeline, facts)
    made = make_sequences(
        config,
        pipeline,
        resolved,
        progress,
        left_out,
        compare=False,
        stand_in=True,
        optional=optional,
    )
    _check_people(facts, {s.subject for s in made.sequences})
    sequences = tuple(made.sequences)
    measured = []
    if isinstance(pipeline, Pipeline):
        sequences = pipeline.scaled_sequences(
            sequences, BlindSteps(pipeline, made.recordings, sequences)
        )
        sequences = tuple(left_out_of(s, pipeline, made.without.get(s.name, ())) for s in sequences)
        measured = [
            line for r in made.recordings for line in otherwise_measured(pipeline.channels, r)
        ]
        if not reference:
            references = _references(pipeline, facts)
            measured += [
                f"{r.name}: {line}" for r in made.recordings for line in references.lines(r)
            ]
    who = Who(made.recordings, {"test": sequences})
    simulated = dataset.card.simulated or made.simulated
    said = [f"simulated data ('{dataset.card.name}'): no result about people"] if simulated else []
    tables = {WHO: who.table()}
    if left_out.items:
        tables[FILE] = left_out.table()
    return Task(
        train=(),
        valid=(),
        test=sequences,
        n_classes=2,
        main_score=scores[0],
        shown_scores=tuple(scores[1]),
        protocol=made.protocol.name,
        notes=(
            *said,
            str(made.protocol),
            *few(asked.lines),
            *few(measured),
            *getattr(dataset, "notes", ()),
            *made.notes,
            *left_out.notes(len(made.recordings) + left_out.recordings, "(with --out FOLDER)"),
        ),
        preview=tuple(who.lines()),
        tables=tables,
        instead=asked.instead,
        facts={**facts, "dataset": dataset.card.name, "simulated": simulated},
    )


@dataclass(frozen=True, kw_only=True)
class AskedFor:
    """Recordings with the names and references of a model's channels.

    Args:
        recordings: Those that have them.
        refused: The others, each with the reason.
        lines: What was made so.
    """

    recordings: Sequence[Recording]
    refused: Sequence[tuple[Recording, DataError]]
    lines: Sequence[str]

    @property
    def instead(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Names of those that are refused, with options under which they are taken."""
        return tuple(
            (recording.name, options)
            for recording, error in self.refused
            if (options := getattr(error, "options", {}))
        )


def as_asked(
    recordings: Sequence[Recording], config: EegConfig, facts: Mapping[str, Any], reference: str
) -> AskedFor:
    """Return recordings with the names and references of a model's channels, by the rule of a prediction.

    Args:
        recordings: As they are in their files.
        config: Its rules of renaming.
        facts: Of the model.
        reference: What was typed as ``--reference``.
    """
    renaming, pipeline = Renaming.of(config.rename), pipeline_of(facts["pipeline"])
    taken: list[Recording] = []
    refused: list[tuple[Recording, DataError]] = []
    lines: list[str] = []
    for each in recordings:
        recording = renaming.recording(each)
        if isinstance(pipeline, Pipeline) and recording.features is None:
            references = _references(pipeline, facts)
            try:
                if reference:
                    recording, said = references.fitted(recording, reference)
                    lines += [f"{recording.name}: {line}" for line in said]
                if has_optional(facts):
                    # nothing is made of it yet: what it lacks is known by names
                    with_absent(recording, references, lambda _, absent: absent)
                elif reference != AS_IS:
                    references.check(recording)
            except OtherMontage as error:
                options = dict(error.options)
                if "rename" in options:  # what is typed replaces the rules that held until now
                    options["rename"] = [*config.rename, *options["rename"]]
                refused.append((recording, OtherMontage(str(error), options)))
                continue
            except DataError as error:
                refused.append((recording, error))
                continue
        taken.append(recording)
    return AskedFor(recordings=taken, refused=refused, lines=lines)


def _references(pipeline: Pipeline, facts: Mapping[str, Any]) -> References:
    return References.of(pipeline.channels, facts, getattr(pipeline, "reference", "none"))


def _check_people(facts: Mapping[str, Any], tested_on: set[str]) -> None:
    """Refuse to test a model on somebody it was trained on, however the name is spelled.

    Raises:
        UsageError: Names who.
    """
    trained = people_of(facts)
    both = sorted(who for who in tested_on if spelled(who) in trained)
    if both:
        raise UsageError(
            f"the model was trained with {', '.join(both[:5])}{', ...' if len(both) > 5 else ''}: leave "
            "their recordings out, or say who is who with --data.subjects TABLE where these are other people"
        )
