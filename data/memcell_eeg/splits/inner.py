"""Folds inside the training people: who is left out while settings, length and threshold are chosen.

By person, at most `FOLDS` groups of them, drawn by the seed and dealt so that those with both classes are
spread. Where too few people have both classes to train on some and judge by others, each recording is cut
into blocks of time instead, with `split_gap` dropped around the block that is left out; the same person is
then on both sides, which is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from memcell.sequences.time_series import TimeSeries
from memcell_eeg.config import EegConfig
from memcell_eeg.splits.known import apart, few
from memcell_eeg.splits.split import classes_of, cut
from memcell_eeg.targets.labels import NEGATIVE, POSITIVE

FOLDS = 5
BOTH = {NEGATIVE, POSITIVE}


@dataclass(frozen=True, kw_only=True)
class InnerSplit:
    """One fold: its name, who is trained on, who is left out."""

    name: str
    train: tuple[TimeSeries, ...]
    valid: tuple[TimeSeries, ...]


def inner_splits(
    train: Sequence[TimeSeries], config: EegConfig, known: frozenset[str] = frozenset()
) -> tuple[list[InnerSplit], list[str]]:
    """Return folds of the training sequences and what must be said of them.

    Those whom a model before has seen are left out in no fold, as long as others can be.

    Args:
        train: The training sequences of a split by subject.
        config: Seed, and the gap where recordings are cut.
        known: People of the model that training goes on from.

    Returns:
        No fold where the training sequences have too few steps of a class to be divided.
    """
    people = sorted({s.subject for s in train})
    new, seen = apart(train, known)
    others = sorted({s.subject for s in new})
    if seen and classes_of(new) == BOTH:
        for k in range(min(FOLDS, len(others)), 1, -1):
            made = _by_people(train, others, k, config.split_seed)
            if all(classes_of(fold.train) == BOTH for fold in made):
                known_here = few(sorted({s.subject for s in seen}))
                return made, [
                    f"{_note(made, len(people), config)}; {known_here}, whom the model before has seen, "
                    "are trained on in every fold and left out in none"
                ]
    most = min(FOLDS, len(people))
    for k in range(most, 1, -1):
        made = _by_people(train, people, k, config.split_seed)
        if all(classes_of(fold.train) == BOTH for fold in made):
            return made, [_note(made, len(people), config)]
    for k in range(FOLDS, 1, -1):
        blocks = _by_time(train, k, config.split_gap)
        trained = all(classes_of(fold.train) == BOTH and fold.valid for fold in blocks)
        validated = classes_of(s for fold in blocks for s in fold.valid) == BOTH
        if blocks and trained and validated:
            why = (
                "there is one training person"
                if len(people) == 1
                else "too few training people have both classes"
            )
            return blocks, [
                f"{why}: {_chosen(config)} are chosen by cross-validation over {k} blocks of "
                f"each recording's time, {config.split_gap:g} s dropped around each; the same person is on "
                "both sides of that"
            ]
    return [], [
        "no cross-validation: the training steps of a class lie too close together to be divided; the "
        "settings are those typed or the defaults, for the epochs asked for, and nothing was chosen on "
        "people left out"
    ]


def _chosen(config: EegConfig) -> str:
    features = "features, " if config.tune == "full" else ""
    return (
        f"{features}settings, length and threshold"
        if config.decides
        else f"{features}settings and length"
    )


def _note(made: Sequence[InnerSplit], people: int, config: EegConfig) -> str:
    line = (
        f"{_chosen(config)} are chosen by cross-validation inside the {people} training people "
        f"({len(made)} folds, seed {config.split_seed}); nobody is set aside for validation"
    )
    one = [fold.name for fold in made if classes_of(fold.valid) != BOTH]
    if one:
        line += f"; those left out in fold {', '.join(one)} have steps of one class only"
    return line


def _by_people(
    train: Sequence[TimeSeries], people: Sequence[str], k: int, seed: int
) -> list[InnerSplit]:
    drawn = [people[i] for i in np.random.default_rng(seed).permutation(len(people))]
    of = {p: classes_of(s for s in train if s.subject == p) for p in people}
    # those with both classes first, then those with positive steps only: each kind is spread
    dealt = sorted(drawn, key=lambda p: (of[p] != BOTH, POSITIVE not in of[p]))
    fold_of = {person: i % k for i, person in enumerate(dealt)}
    made = []
    for i in range(k):
        left_out = sorted(p for p in people if fold_of[p] == i)
        name = left_out[0] if len(left_out) == 1 else f"{i + 1}"
        made.append(
            InnerSplit(
                name=name,
                train=tuple(s for s in train if fold_of.get(s.subject) != i),
                valid=tuple(s for s in train if fold_of.get(s.subject) == i),
            )
        )
    return made


def _by_time(train: Sequence[TimeSeries], k: int, gap_seconds: float) -> list[InnerSplit]:
    made = []
    for i in range(k):
        fitted: list[TimeSeries] = []
        held: list[TimeSeries] = []
        for s in train:
            gap = int(np.ceil(gap_seconds / s.step_seconds))
            first, last = s.n_steps * i // k, s.n_steps * (i + 1) // k
            before, after = max(0, first - gap), min(s.n_steps, last + gap)
            held += _piece(s, first, last, f"@{i + 1}")
            fitted += _piece(s, 0, before, f"@before-{i + 1}")
            fitted += _piece(s, after, s.n_steps, f"@after-{i + 1}")
        made.append(InnerSplit(name=f"{i + 1}", train=tuple(fitted), valid=tuple(held)))
    return made


def _piece(s: TimeSeries, start: int, stop: int, suffix: str) -> Iterable[TimeSeries]:
    if stop > start and bool(s.labelled[start:stop].any()):
        yield cut(s, start, stop, suffix)
