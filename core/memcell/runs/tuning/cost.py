"""What a choice by cross-validation searches and what it costs, said before it begins.

How many updates are made depends on what is found: a setting is left once it is past its best, after 64
updates where none is better than fewer. So there are two numbers: if all settings end there, and if all go on
to their end. Seconds of CPU are measured on networks that are thrown away.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from memcell.applications.cross_validation import FEWEST_UPDATES, Candidate
from memcell.errors import MemcellError
from memcell.reports.numbers import counted, duration
from memcell.runs.setup import Job
from memcell.runs.tuning.candidate import InnerTrainings
from memcell.runs.tuning.choice import FEWEST_BEFORE_ITS_END, schedule_of_looks
from memcell.runs.tuning.features import MOST, compared

#: Updates before the clock starts, and those that are timed.
_WARM, _TIMED = 2, 4


@dataclass(frozen=True, kw_only=True)
class SearchCost:
    """What is searched, and what it costs.

    Args:
        words: What is searched.
        shortest: Seconds where every setting ends as soon as it may; None where nothing could be measured.
        longest: Seconds where every setting goes on to its end, likewise.
        updates: The fewest and the most of a setting in one fold.
    """

    words: str
    shortest: float | None
    longest: float | None
    updates: tuple[int, int]

    def line(self, times: int = 1) -> str:
        """Return it for a person.

        Args:
            times: So many such searches follow each other.
        """
        few, many = self.updates
        span = f"{few}" if few == many else f"{few} to {many}"
        line = f"{self.words}, {span} updates each"
        if self.shortest is not None and self.longest is not None:
            short, long = (duration(s * times) for s in (self.shortest, self.longest))
            at_most = "" if short == long else f", {long} at most"
            line += f"; about {short} of one CPU{' in all' if times > 1 else ''}{at_most}"
        return line


def search_cost(
    job: Job,
    settings: Sequence[Candidate],
    sets: Sequence[Candidate],
    job_of: Callable[[Candidate], Job],
) -> SearchCost:
    """Return what a choice will cost.

    Args:
        job: What is chosen for; nothing is written into its folder.
        settings: All that networks are tried with.
        sets: The kinds of features, the usual one first; empty where they are not chosen.
        job_of: The job under a candidate's options.
    """
    n_folds, others = len(job.task.inner), max(0, min(MOST, len(sets) - 1))
    on_others = [each for each in settings if each.of_features] * others
    words = f"{counted(len(settings), 'setting')} x {counted(n_folds, 'fold')}"
    if others:
        words = (
            f"{len(sets)} kinds of features by a regression, networks with {words}, and "
            f"{counted(len(on_others) // others, 'setting')} on each of {others} other kinds at most"
        )
    first = job_of(settings[0])
    with TemporaryDirectory(prefix="memcell-") as folder:
        timed = _Timed.of(first, Path(folder))
    every = [timed.most(each) for each in (*settings, *on_others)]
    fewest = [min(FEWEST_BEFORE_ITS_END, most) for most in every]
    shortest = longest = None
    if timed.update is not None:
        of_features = 0.0
        if others:
            began = time.process_time()
            with suppress(MemcellError):  # it will be said when they are compared
                compared(job_of(sets[1]))
            of_features = (time.process_time() - began) * (len(sets) - 1)
        shortest, longest = (
            of_features + n_folds * sum(map(timed.seconds, each)) for each in (fewest, every)
        )
    return SearchCost(
        words=words,
        shortest=shortest,
        longest=longest,
        updates=(min(fewest), max(every)),
    )


@dataclass(frozen=True, kw_only=True)
class _Timed:
    """A fold's training, timed.

    Args:
        schedule: Updates of a whole training.
        an_epoch: Updates of an epoch.
        update: Seconds of one; None where it could not be trained.
        look: Seconds of predicting those left out once.
    """

    schedule: int
    an_epoch: int
    update: float | None
    look: float

    @classmethod
    def of(cls, job: Job, folder: Path) -> _Timed:
        fold = job.task.inner[0]
        alone = dataclasses.replace(job, task=dataclasses.replace(job.task, inner=(fold,)))
        trainings = InnerTrainings(alone, folder)
        schedule, an_epoch = trainings.schedule, trainings.updates_of(1)
        update, look = None, 0.0
        try:
            trainings.predictions(min(_WARM, schedule))
            began = time.process_time()
            trainings.train_to(min(_WARM + _TIMED, schedule))
            trained = time.process_time()
            trainings.predictions(min(_WARM + _TIMED, schedule))
            look = time.process_time() - trained
            update = (trained - began) / _TIMED
        except MemcellError:
            pass  # it will be said when it is trained
        return cls(schedule=schedule, an_epoch=an_epoch, update=update, look=look)

    def most(self, candidate: Candidate) -> int:
        """Return the most updates of a setting in one fold."""
        if not candidate.most_epochs:
            return self.schedule
        return min(self.schedule, max(FEWEST_UPDATES, self.an_epoch * candidate.most_epochs))

    def seconds(self, updates: int) -> float:
        """Return how long so many updates take, with looks on the way."""
        assert self.update is not None
        return self.update * updates + self.look * len(schedule_of_looks(updates))
