"""The task: seconds to the next onset for the targets of sequences that were prepared as wake and sleep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from memcell.applications.app import InnerFold, Task
from memcell.errors import DataError
from memcell.sequences.targets import Values
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.splits.split import ENOUGH_SUBJECTS
from memcell_sleep.onset.config import OnsetConfig
from memcell_sleep.onset.targets import OnsetRules, onset_times, with_seconds

#: The score that comes first, and those for a screen.
MAIN = "weighted_error"
#: Recordings with an onset from which on their times are held against each other.
FEWEST = 3
#: How near times lie that are the same but for the grid of labels, s; and in how many of the recordings.
NEAR, MOST = 10.0, 0.8


def seconds_task(task: Task, config: OnsetConfig) -> Task:
    """Return a task of wake and sleep as one of seconds.

    Raises:
        DataError: No training step has an onset ahead.
    """
    rules = config.rules
    train, valid, test = (
        tuple(with_seconds(s, rules) for s in part) for part in (task.train, task.valid, task.test)
    )
    onsets = sum(len(onset_times(s, rules)) for s in (*task.train, *task.valid))
    if task.train:
        _check_some(train, rules)
    target = target_of(train or test, config)
    inner, lines = _inner(task.inner, rules, target)
    tested = sum(len(onset_times(s, rules)) for s in task.test)
    return replace(
        task,
        train=train,
        valid=valid,
        test=test,
        n_classes=0,
        target=target,
        class_weights=target.balanced(train) if train else None,
        train_weights=None,
        drop_unweighted=False,
        inner=inner,
        notes=(
            *task.notes,
            str(rules),
            f"score: mean absolute error of {in_words(config)}, weighted "
            f"{' to '.join(f'{w:g}' for w in config.importance)}; training goes by the "
            f"{target.loss} error, weighted likewise",
            f"onsets: {onsets} in training{f', {tested} in test' if task.test else ''}",
            *(
                []
                if tested or not task.test
                else ["no test person falls asleep: nothing is scored"]
            ),
            *lines,
        ),
    )


def target_of(sequences: Sequence[TimeSeries], config: OnsetConfig) -> Values:
    """Return what a step's target is, at the scale of training sequences."""
    target = Values(
        ("seconds",),
        loss=config.error,
        bins=config.bins,
        bin_importance=config.importance,
        limits=(0.0, config.ahead),
    )
    return target.fitted(sequences) if any(s.labelled.any() for s in sequences) else target


def in_words(config: OnsetConfig) -> str:
    """Return the groups of true times in words."""
    edges = config.bins
    parts = [f"[{a:g}, {b:g})" for a, b in pairwise(edges[:-1])]
    return f"true times in {', '.join(parts)}, [{edges[-2]:g}, {edges[-1]:g}] s"


def check_people(sequences: Sequence[TimeSeries], config: OnsetConfig) -> None:
    """Refuse a split by time that nobody typed: a part of a recording seldom has an onset.

    Raises:
        DataError: There are too few people to be split; says what to type.
    """
    people = len({s.subject for s in sequences})
    if config.split != "auto" or config.test_subjects or people >= ENOUGH_SUBJECTS:
        return
    two = "--split loso tests each of the two by the other; " if people == 2 else ""
    raise DataError(
        f"{people} {'person' if people == 1 else 'people'} with wake and sleep: a split by subject takes "
        f"{ENOUGH_SUBJECTS}. {two}--split time cuts each recording in parts, which takes an onset in each"
    )


def leaks(sequences: Sequence[TimeSeries], rules: OnsetRules) -> tuple[str, list[str]]:
    """Return why the time since a recording's start tells the onset (empty where it does not), and notes.

    Args:
        sequences: All recordings, of wake and sleep.
        rules: What is an onset.
    """
    found = [(s, onset_times(s, rules)) for s in sequences]
    found = [(s, times) for s, times in found if len(times)]
    if len(found) < FEWEST:
        return "", []
    first = np.array([times[0] - s.times[0] for s, times in found])
    last = np.array([s.times[-1] + s.step_seconds - times[-1] for s, times in found])
    refused, lines = "", []
    if (share := _alike(first)) >= MOST:
        refused = (
            f"in {share:.0%} of {len(found)} recordings the first onset comes {np.median(first):g} s after "
            "the start: the clock tells the label, as where recordings were cut by it. Take whole "
            "recordings, or cut them at random; --leaks accept goes on all the same"
        )
    if (share := _alike(last)) >= MOST:
        lines.append(
            f"in {share:.0%} of {len(found)} recordings the last onset lies {np.median(last):g} s before the "
            "end: they seem to be cut by the label. Nothing here looks ahead, but who knew when a recording "
            "ends would know the onset"
        )
    return refused, lines


def _alike(seconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Return the share of times that lie near their median."""
    return float((np.abs(seconds - np.median(seconds)) <= NEAR).mean())


def _check_some(train: Sequence[TimeSeries], rules: OnsetRules) -> None:
    if any(s.labelled.any() for s in train):
        return
    raise DataError(
        f"no training recording has an onset ({rules}): check the labels, or type a shorter --sleep-lasting "
        "or --wake-lasting"
    )


def _inner(
    folds: Sequence[InnerFold], rules: OnsetRules, target: Values
) -> tuple[tuple[InnerFold, ...], list[str]]:
    """Return the folds inside the training people with seconds for targets."""
    made = []
    for fold in folds:
        train = tuple(with_seconds(s, rules) for s in fold.train)
        valid = tuple(with_seconds(s, rules) for s in fold.valid)
        if not any(s.labelled.any() for s in train):
            return (), [
                "no cross-validation inside the training people: without those of one fold nobody falls "
                "asleep; trained for the epochs asked for"
            ]
        weights = target.balanced(train)
        made.append(
            replace(fold, train=train, valid=valid, class_weights=weights, train_weights=None)
        )
    without = [f.name for f in made if not any(s.labelled.any() for s in f.valid)]
    if made and len(without) == len(made):
        return (), ["no cross-validation inside the training people: nobody left out falls asleep"]
    lines = [f"nobody left out in fold {', '.join(without)} falls asleep"] if without else []
    return tuple(made), lines
