"""Scores of a trained network under both inference policies, and the files that hold them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from memcell.applications.app import (
    App,
    Explaining,
    ModelPredictions,
    Pooling,
    Row,
    Task,
    decision_of,
    network_label,
)
from memcell.files.atomic import write_atomic
from memcell.inference.overflow import probabilities_without_overflow
from memcell.network.network import Network
from memcell.runs.by_subject import (
    ENOUGH,
    differences,
    differences_tsv,
    intervals_tsv,
    subjects_tsv,
)
from memcell.runs.model import ModelFacts, save_model
from memcell.runs.predictions import write_predictions
from memcell.runs.run_folder import RunFolder
from memcell.runs.tables import as_tsv
from memcell.runs.tuning.out_of_fold import row_out_of_fold
from memcell.runs.tuning.record import Tuned
from memcell.settings.options import EVAL_POLICIES
from memcell.settings.run_config import RunConfig
from memcell.training.recalibrate import recalibrate
from memcell.training.trainer import Trainer


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoredNetwork:
    """A trained network with its scores.

    Args:
        label: ``"lstm, trained with carry"``.
        rows: One for each inference policy.
        scores: Inference policy to test scores.
        subjects: Inference policy to test subject to scores.
        picked: Test probabilities under the network's own inference policy.
        decision: What the app decided under it.
        predict: The network under its own inference policy.
        valid: Inference policy to predictions on the validation split; empty where cross-validation decided.
    """

    label: str
    rows: list[Row]
    scores: Mapping[str, Mapping[str, float]]
    subjects: Mapping[str, Mapping[str, Mapping[str, float]]]
    picked: list[Any]
    decision: Mapping[str, float]
    predict: Callable[[Sequence[Any]], Sequence[Any]]
    valid: Mapping[str, list[Any]] = dataclasses.field(default_factory=dict)


def label_of(config: RunConfig) -> str:
    """Return what tables call a run's network."""
    return network_label(config.choices["cell"].name, config.choices["policy"].name)


def score(
    trainer: Trainer, config: RunConfig, app: App, folder: RunFolder, tuned: Tuned | None = None
) -> ScoredNetwork:
    """Score a trained network on the test split under both inference policies, and store the model.

    Args:
        trainer: Done with training.
        config: The run's.
        app: The app.
        folder: Where the model is stored.
        tuned: What cross-validation chose; its out-of-fold predictions then decide, not a validation split.
    """
    if config.training.recalibrate:
        recalibrate(trainer)
    network, label = trainer.network, label_of(config)
    totals = tuple(trainer.at.class_totals) or None
    task = dataclasses.replace(trainer.task, training_totals=totals)
    time_steps, eval_policy = config.training.time_steps, trainer.eval_policy
    decisions: dict[str, Mapping[str, float]] = {}
    scores, subjects = {}, {}
    rows, picked = [], []
    valid: dict[str, list[Any]] = {}
    for policy in EVAL_POLICIES:
        if tuned is None:
            valid[policy], _ = probabilities_without_overflow(
                network, task.valid, policy, time_steps
            )
        decisions[policy] = _decided(app, task, policy, valid, tuned)
        if task.test or tuned is None:
            row, test = score_row(config, network, app, task, policy, time_steps, decisions[policy])
        else:
            row, test = _score_out_of_fold(config, app, task, policy, decisions[policy], tuned)
        rows.append(row)
        scores[policy], subjects[policy] = row.scores, row.subjects
        if policy == eval_policy:
            picked = test
    rows.sort(key=lambda row: row.inferred_with != eval_policy)
    facts = ModelFacts(
        n_features=task.train[0].n_features,
        n_classes=task.target.n_outputs,
        target=task.target,
        eval_policy=eval_policy,
        decisions=decisions,
        task=task.facts,
        notes=task.notes,
    )
    if trainer.processes.main:
        save_model(folder, network, facts)
    return ScoredNetwork(
        label=label,
        rows=rows,
        scores=scores,
        subjects=subjects,
        picked=picked,
        decision=decisions[eval_policy],
        predict=lambda sequences: probabilities_without_overflow(
            network, sequences, eval_policy, time_steps
        )[0],
        valid=valid,
    )


def _decided(
    app: App, task: Task, policy: str, valid: Mapping[str, list[Any]], tuned: Tuned | None
) -> Mapping[str, float]:
    """Return the decision of a network: on its validation split, or on out-of-fold predictions."""
    if tuned is None:
        return decision_of(app, task, valid[policy])
    held = tuned.out_of_fold
    with_held_out = dataclasses.replace(task, valid=held.sequences)
    return decision_of(app, with_held_out, held.probabilities(policy))


def _score_out_of_fold(
    config: RunConfig,
    app: App,
    task: Task,
    policy: str,
    decision: Mapping[str, float],
    tuned: Tuned,
) -> tuple[Row, list[Any]]:
    """Score the settings of a network that is trained on everybody: by the networks of the inner folds."""
    row = Row.of_network(
        config.choices["cell"].name,
        config.choices["policy"].name,
        policy,
        scores={},
        note=app.decided(decision) if isinstance(app, Explaining) else "",
    )
    held = tuned.out_of_fold
    found = held.predictions[policy]
    return row_out_of_fold(app, task, [row], found), list(held.probabilities(policy))


def _subject_scores(
    app: App, task: Task, test: Sequence[Any], decision: Mapping[str, float]
) -> dict[str, Mapping[str, float]]:
    of: dict[str, list[int]] = {}
    for i, sequence in enumerate(task.test):
        of.setdefault(sequence.subject, []).append(i)
    return {
        subject: app.scores([task.test[i] for i in rows], [test[i] for i in rows], decision)
        for subject, rows in sorted(of.items())
    }


def score_row(
    config: RunConfig,
    network: Network,
    app: App,
    task: Task,
    policy: str,
    time_steps: int,
    decision: Mapping[str, float],
    mixed: bool = False,
) -> tuple[Row, list[Any]]:
    """Score a network on the test split under an inference policy; the probabilities come with it.

    Where its memory overflows the row's note says so, and such steps count as if nothing were known of them.
    """
    test, overflow = probabilities_without_overflow(network, task.test, policy, time_steps, mixed)
    note = app.decided(decision) if isinstance(app, Explaining) else ""
    row = Row.of_network(
        config.choices["cell"].name,
        config.choices["policy"].name,
        policy,
        scores=app.scores(task.test, test, decision),
        subjects=_subject_scores(app, task, test, decision),
        note="; ".join(filter(None, (note, overflow))),
        predictions=(
            ModelPredictions(sequences=task.test, probabilities=tuple(test), decision=decision),
        ),
    )
    return row, test


def write_scores(
    path: Path,
    rows: Sequence[Row],
    main: str,
    notes: Sequence[str],
    app: object,
    protocol: str = "",
) -> None:
    """Write everything that is said of some rows; ``scores.json`` last, so that it says that all is there.

    ``scores.tsv``, ``subjects.tsv``, ``intervals.tsv``, ``differences.tsv``; of an app that pools also
    ``predictions.npz`` and its own tables.

    Args:
        path: The folder.
        rows: The first is the run's own network.
        main: The score that comes first.
        notes: Lines that must be said with every score.
        app: The app.
        protocol: Name of what counts as which class; empty where there is only one way.
    """
    write_atomic(path / "scores.tsv", as_tsv(rows, main))
    write_atomic(path / "subjects.tsv", subjects_tsv(rows, main))
    between = pooled_intervals(rows, app)
    write_atomic(path / "intervals.tsv", intervals_tsv(rows, main, between))
    write_atomic(path / "differences.tsv", differences_tsv(differences(rows, main)))
    if isinstance(app, Pooling):
        write_predictions(path, rows)
        for name, content in app.details([r for r in rows if r.predictions]).items():
            write_atomic(path / name, content)
    # JSON has no NaN: a score that is not defined is null
    table = [
        {
            "name": r.name,
            "kind": r.kind,
            "cell": r.cell,
            "trained_with": r.trained_with,
            "inferred_with": r.inferred_with,
            "deployable": r.deployable,
            "note": r.note,
            "scores": _defined(r.scores),
            "subjects": {subject: _defined(scores) for subject, scores in r.subjects.items()},
            "intervals": {
                name: list(ends)
                for name, ends in between.get(r.name, {}).items()
                if not any(math.isnan(end) for end in ends)
            },
        }
        for r in rows
    ]
    said = {"main_score": main, "protocol": protocol, "notes": list(notes), "rows": table}
    RunFolder(path).write_json("scores.json", said)


def pooled_intervals(
    rows: Sequence[Row], app: object
) -> dict[str, Mapping[str, tuple[float, float]]]:
    """Return row name to score to its interval over subjects; empty with fewer than `ENOUGH`."""
    if not isinstance(app, Pooling):
        return {}
    return {
        row.name: app.intervals(row.predictions)
        for row in rows
        if row.predictions and len(row.subjects) >= ENOUGH
    }


def _defined(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {k: None if v != v else v for k, v in scores.items()}
