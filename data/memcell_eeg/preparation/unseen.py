"""Labelled recordings as a test split for a model that was trained elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memcell.applications.app import Task
from memcell.applications.datasets import DataSet
from memcell.errors import DataError, UsageError
from memcell.progress import Progress
from memcell_data.renaming import Renaming
from memcell_eeg.config import EegConfig
from memcell_eeg.features.optional import has_optional, left_out_of
from memcell_eeg.features.pipeline import BlindSteps, Pipeline
from memcell_eeg.features.precomputed import check_features_of_run, pipeline_of
from memcell_eeg.left_out import FILE, RECORDING, LeftOut
from memcell_eeg.preparation.notes import few
from memcell_eeg.preparation.prepare import make_sequences
from memcell_eeg.signal.channels import otherwise_measured
from memcell_eeg.signal.references import References
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
) -> Task:
    """Return the labelled recordings of a data set, all of them to test on.

    Args:
        task: What is detected.
        config: The options that the model was trained under: rules for labels, protocol.
        dataset: Where the recordings are.
        facts: Of the model: its features are made, and those who trained it are not tested on.
        progress: Told of each recording.
        scores: The main score, and those for a screen.

    Raises:
        DataError: No recording can be used, or none has a labelled step.
        UsageError: The model was trained on somebody who is there.
    """
    renaming = Renaming.of(config.rename)
    recordings = [renaming.recording(recording) for recording in dataset.recordings()]
    if not recordings:
        raise DataError(f"data set '{dataset.card.name}' has no recording.")
    pipeline = pipeline_of(facts["pipeline"])
    check_features_of_run(pipeline, facts)
    left_out = LeftOut(config.strict)
    for reason in getattr(dataset, "refused", getattr(dataset, "problems", ())):
        left_out.add(None, RECORDING, reason)
    resolved = read_labels(recordings, config.protocol, task.protocols, left_out)
    optional = None
    if isinstance(pipeline, Pipeline) and has_optional(facts):
        optional = References.of(pipeline.channels, facts, pipeline.reference)
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
            *few(measured),
            *getattr(dataset, "notes", ()),
            *made.notes,
            *left_out.notes(len(made.recordings) + left_out.recordings),
        ),
        preview=tuple(who.lines()),
        tables=tables,
        facts={**facts, "dataset": dataset.card.name, "simulated": simulated},
    )


def _check_people(facts: Mapping[str, Any], tested_on: set[str]) -> None:
    """Refuse to test a model on somebody it was trained on, however the name is spelled.

    Raises:
        UsageError: Names who.
    """
    before = facts.get("subjects")
    known = before if isinstance(before, Mapping) else {}
    # whoever trained a model that this one went on from stands under "before"
    parts = ("train", "valid", "before")
    trained = {_spelled(who) for part in parts for who in known.get(part, ())}
    both = sorted(who for who in tested_on if _spelled(who) in trained)
    if both:
        raise UsageError(
            f"the model was trained with {', '.join(both[:5])}{', ...' if len(both) > 5 else ''}: leave "
            "their recordings out, or say who is who with --data.subjects TABLE where these are other people"
        )


def _spelled(subject: str) -> str:
    return subject.strip().casefold()
