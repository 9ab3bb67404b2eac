"""Scores of training people by networks and baselines that never saw them, where nobody is left to test.

A run that trains on everybody has these alone. Each fold's people are decided about by what the app fits on
the predictions of the *other* folds, so that no one's labels choose the threshold that they are scored under.
Settings and length were chosen on the same predictions, which makes these scores somewhat too good.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from memcell.applications.app import (
    App,
    ModelPredictions,
    Pooling,
    Probabilities,
    Row,
    Task,
    decision_of,
)
from memcell.errors import UsageError
from memcell.runs.folds.pool import scores_by_subject
from memcell.runs.tuning.candidate import inner_task


def row_out_of_fold(
    app: App, task: Task, row: Row, predictions: Sequence[Sequence[Probabilities]]
) -> Row:
    """Return a row with the scores of out-of-fold predictions.

    Args:
        app: Pools scores.
        task: Its inner folds are scored.
        row: Says whose predictions they are; it may have decisions of each fold.
        predictions: Probabilities of each fold's left-out sequences.

    Raises:
        UsageError: The app cannot score parts under decisions of their own.
    """
    if not isinstance(app, Pooling):
        raise UsageError("the app cannot pool scores of folds: leave somebody out to test on")
    parts = []
    for k, (fold, found) in enumerate(zip(task.inner, predictions, strict=True)):
        before = row.predictions[k].decision if row.predictions else {}
        decision = _decided_by_others(app, task, predictions, k)
        if len(np.unique(np.concatenate([p[:, 1] for p in found]))) == 1:
            decision = {**decision, **before}  # a constant has no threshold to choose
        elif before:
            decision = {**before, "threshold": decision["threshold"]}
        parts.append(
            ModelPredictions(sequences=fold.valid, probabilities=tuple(found), decision=decision)
        )
    return dataclasses.replace(
        row,
        scores=app.pooled(parts),
        subjects=scores_by_subject(app, parts),
        predictions=tuple(parts),
    )


def _decided_by_others(
    app: App, task: Task, predictions: Sequence[Sequence[Probabilities]], left_out: int
) -> Mapping[str, float]:
    others = [k for k in range(len(task.inner)) if k != left_out]
    valid = tuple(s for k in others for s in task.inner[k].valid)
    judged = dataclasses.replace(task, valid=valid)
    return decision_of(app, judged, [p for k in others for p in predictions[k]])


def baselines_out_of_fold(app: App, task: Task) -> list[Row]:
    """Return the rows of baselines that are fitted in each inner fold and scored on whom it leaves out."""
    each = [
        list(app.baselines(dataclasses.replace(inner_task(task, fold), test=fold.valid)))
        for fold in task.inner
    ]
    names = [row.name for row in each[0] if all(row.name in {r.name for r in e} for e in each)]
    rows = []
    for name in names:
        mine = [next(row for row in rows_of if row.name == name) for rows_of in each]
        parts = tuple(row.predictions[0] for row in mine)
        notes = {row.note for row in mine}
        whole = dataclasses.replace(
            mine[0],
            note=notes.pop() if len(notes) == 1 else "fitted anew in each fold",
            predictions=parts,
        )
        rows.append(row_out_of_fold(app, task, whole, [part.probabilities for part in parts]))
    return rows
