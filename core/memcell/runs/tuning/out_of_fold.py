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
from memcell.applications.task import inner_task
from memcell.errors import UsageError
from memcell.progress import progress
from memcell.runs.folds.pool import pooled_row


def row_out_of_fold(
    app: App, task: Task, rows: Sequence[Row], predictions: Sequence[Sequence[Probabilities]]
) -> Row:
    """Return a row with the scores of out-of-fold predictions.

    Args:
        app: Pools scores.
        task: Its inner folds are scored.
        rows: Of the model whose predictions they are: one, or one for each fold with its decision there.
        predictions: Probabilities of each fold's left-out sequences.

    Raises:
        UsageError: The app cannot score parts under decisions of their own.
    """
    if not isinstance(app, Pooling):
        raise UsageError("the app cannot pool scores of folds: leave somebody out to test on")
    parts = []
    for k, (fold, found) in enumerate(zip(task.inner, predictions, strict=True)):
        before = rows[k].predictions[0].decision if rows[0].predictions else {}
        decision = _decided_by_others(app, task, predictions, k)
        # of two classes the second; of a single value that
        if len(np.unique(np.concatenate([p[:, min(1, p.shape[1] - 1)] for p in found]))) == 1:
            decision = {**decision, **before}  # a constant has no threshold to choose
        elif before:
            own = {name: decision[name] for name in ("threshold",) if name in decision}
            decision = {**before, **own}
        parts.append(
            ModelPredictions(sequences=fold.valid, probabilities=tuple(found), decision=decision)
        )
    return pooled_row(app, rows, parts)


def _decided_by_others(
    app: App, task: Task, predictions: Sequence[Sequence[Probabilities]], left_out: int
) -> Mapping[str, float]:
    others = [k for k in range(len(task.inner)) if k != left_out]
    valid = tuple(s for k in others for s in task.inner[k].valid)
    with_held_out = dataclasses.replace(task, valid=valid)
    return decision_of(app, with_held_out, [p for k in others for p in predictions[k]])


def baselines_out_of_fold(app: App, task: Task) -> list[Row]:
    """Return the rows of baselines that are fitted in each inner fold and scored on whom it leaves out."""
    each: list[dict[str, Row]] = []
    with progress("baselines of each fold", len(task.inner)) as bar:
        for fold in task.inner:
            of_fold = dataclasses.replace(inner_task(task, fold), test=fold.valid)
            each.append({row.name: row for row in app.baselines(of_fold)})
            bar.advance()
    rows = []
    for name in each[0]:
        mine = [rows_of[name] for rows_of in each if name in rows_of]
        if len(mine) == len(each):
            found = [row.predictions[0].probabilities for row in mine]
            rows.append(row_out_of_fold(app, task, mine, found))
    return rows
