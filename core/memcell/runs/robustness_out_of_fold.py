"""Other conditions where nobody is left to test on: the networks of the inner folds, on whom each never saw.

They are not kept after the choice, so they are trained again, each to the bits that it had.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence

from memcell.applications.app import Row
from memcell.applications.conditions import Disturbing
from memcell.applications.task import inner_task
from memcell.files.atomic import make_folder
from memcell.progress import progress
from memcell.runs.robustness import FOLDER, ConditionScore, measure, not_measured, write_table
from memcell.runs.setup import Job
from memcell.runs.tuning.candidate import InnerTrainings
from memcell.runs.tuning.record import FOLDER as TUNING


def measure_out_of_fold(
    job: Job, rows: Sequence[Row], required: bool = False
) -> list[ConditionScore]:
    """Score the settings of a network that is trained on everybody under other conditions.

    Args:
        job: Of a run without a test split, with what was chosen for it.
        rows: Of its table, its own network first, with a part for each inner fold.
        required: Whatever the app says of doing it of its own accord.
    """
    if not isinstance(job.app, Disturbing) or job.tuned is None:
        return []
    folds, length = job.task.inner, job.tuned.length
    if not required and (why := job.app.why_undisturbed(job.task)):
        return not_measured(job.path, why)
    again = job.path / TUNING / FOLDER
    below = [job.path / FOLDER / f"fold-{k}" for k in range(len(folds))]
    with progress("networks of the folds again", length.stop * len(folds)) as bar:
        networks = InnerTrainings(job, again, length.schedule, bar).predictors(length.stop)
    own = next(row for row in rows if row.kind == "network")
    for k, (fold, predict, path) in enumerate(zip(folds, networks, below, strict=True)):
        make_folder(path)
        task = dataclasses.replace(inner_task(job.task, fold), test=fold.valid)
        mine = [
            dataclasses.replace(row, predictions=row.predictions[k : k + 1])
            for row in rows
            if len(row.predictions) == len(folds)
        ]
        measure(
            *(
                job.app,
                task,
                dataclasses.replace(own, predictions=own.predictions[k : k + 1]),
                mine,
            ),
            *(predict, path),
            required=True,
            stop=lambda: job.interrupts.requested,
        )
    shutil.rmtree(again, ignore_errors=True)
    return write_table(job.app, below, job.path)
