"""Which features networks are tried on: a regression compares all that an app has, the best few are kept.

The regression is the one that a network with a linear path starts as, with a penalty chosen in the same
folds, so that what it says of people left out is what such a network would say before its first update. It is
judged as networks are: by the pooled, balanced, recalibrated loss of the people left out (`choice`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from memcell.applications.cross_validation import Candidate, CrossValidating
from memcell.errors import ConfigError, DataError, UsageError
from memcell.escape import table
from memcell.progress import SILENT, Progress
from memcell.runs.setup import Job
from memcell.runs.tuning.choice import shares_of
from memcell.training.regression_start import INVERSE_PENALTIES, choose_inverse_penalty

#: Features that networks are tried on beside the usual ones, at most.
MOST = 2
#: The table of all that were compared, in the run folder.
TABLE = "tuning_features.tsv"


@dataclass(frozen=True, kw_only=True)
class ComparedFeatures:
    """One way to describe steps, by what a regression on it says of people left out.

    Args:
        candidate: Its name and options.
        n_features: Features of a step.
        inverse_penalty: C of the regression.
        penalties: C to the loss that it was chosen by.
        loss: Balanced and recalibrated, as networks are judged.
        measures: What the app shows beside it.
    """

    candidate: Candidate
    n_features: int
    inverse_penalty: float
    penalties: Mapping[float, float]
    loss: float
    measures: Mapping[str, float]


def compared(
    job: Job, penalties: Sequence[float] = INVERSE_PENALTIES, progress: Progress = SILENT
) -> ComparedFeatures:
    """Return what the regression says on a job's features.

    Args:
        job: Under one way to describe steps.
        penalties: C to choose from.
        progress: Told of each fold.
    """
    task = job.task
    found = choose_inverse_penalty(task, penalties, progress)
    left_out = tuple(s for fold in task.inner for s in fold.valid)
    _, shares = shares_of(left_out, found.predictions, task.target)
    measures: Mapping[str, float] = {}
    if isinstance(job.app, CrossValidating):
        measures = job.app.measures(left_out, found.predictions)
    return ComparedFeatures(
        candidate=Candidate(name="usual", options={}),
        n_features=task.train[0].n_features,
        inverse_penalty=found.inverse_penalty,
        penalties=found.losses,
        loss=float(shares.sum()),
        measures=measures,
    )


def compare_all(
    sets: Sequence[Candidate],
    job_of: Callable[[Candidate], Job],
    penalties: Sequence[float],
    progress: Progress,
    say: Callable[[str], None],
) -> list[ComparedFeatures]:
    """Return all ways to describe steps with what the regression says on each.

    Args:
        sets: The ways, the usual one first.
        job_of: The job under one of them.
        penalties: C to choose from.
        progress: Told of each fold of each.
        say: Told of ways that these recordings cannot be described in, which are left out.
    """
    found = []
    for k, each in enumerate(sets):
        try:
            made = compared(job_of(each), penalties, progress)
        except (DataError, ConfigError, UsageError) as error:
            if k == 0:
                raise
            say(f"note: features {each.name} are not tried: {error}")
            continue
        found.append(dataclasses.replace(made, candidate=each))
    return found


def kept(found: Sequence[ComparedFeatures]) -> list[ComparedFeatures]:
    """Return the usual features and at most `MOST` others of a smaller loss, the smallest first."""
    usual, *others = found
    better = sorted((each for each in others if each.loss < usual.loss), key=lambda e: e.loss)
    return [usual, *better[:MOST]]


def as_table(found: Sequence[ComparedFeatures]) -> str:
    """Return ``tuning_features.tsv``: a line for each way to describe steps."""
    names = list(found[0].measures)
    tried = {each.candidate.name for each in kept(found)}
    lines = [["features", "n_features", "loss", *names, "inverse_penalty", "networks", "options"]]
    lines += [
        [
            each.candidate.name,
            str(each.n_features),
            f"{each.loss:.5f}",
            *(f"{each.measures[name]:.4f}" for name in names),
            f"{each.inverse_penalty:g}",
            "tried" if each.candidate.name in tried else "",
            json.dumps(each.candidate.options, sort_keys=True),
        ]
        for each in found
    ]
    return table(lines)
