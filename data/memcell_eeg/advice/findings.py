"""All checks of a run's data together, and what they found in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from memcell.applications.checking import DataFinding, Severity
from memcell.reports.numbers import counted
from memcell.sequences.time_series import TimeSeries
from memcell_data.checks.alignment import LabelCover, aligned
from memcell_data.checks.between import between
from memcell_data.recording import Recording
from memcell_eeg.advice import classes
from memcell_eeg.advice.elapsed import (
    NEAR,
    ClockScore,
    FixedDistance,
    clock_score,
    fixed_distances,
)
from memcell_eeg.advice.scaling import hidden
from memcell_eeg.advice.shifted import shifts
from memcell_eeg.advice.signals import summaries
from memcell_eeg.cache import FeatureCache
from memcell_eeg.left_out import FILE as LEFT_OUT
from memcell_eeg.left_out import LABEL, LeftOut
from memcell_eeg.splits.split import Split
from memcell_eeg.targets.intervals import union

#: AUC, and share of explained spread, from which on time is said to tell the target; and tells nearly all.
TELLS = {True: 0.7, False: 0.3}
TELLS_ALL = {True: 0.95, False: 0.9}
#: Seconds from which on a recording has a night in it, whose hours tell sleep from wake.
NIGHT = 6 * 3600.0
#: Share of a recording that is labelled, under which hardly anything is.
SPARSE = 0.05
#: Seconds of a person's labelled time under which nothing can be carried or averaged.
SHORT = 60.0
#: Seconds and share of a recording that no label covers, from which on it is said that they count as a class.
UNCOVERED, UNCOVERED_SHARE = 30.0, 0.02
#: People from which on leaving out each takes long.
MANY_FOLDS = 30
#: Features whose values depend on an amplifier's gain.
OF_GAIN = ("bandpower", "stft", "raw")


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What is to be said of the data of a run before it is trained on.

    Args:
        sequences: A whole recording each, not scaled by a split.
        recordings: What they were made of.
        channels: Of the run; empty where features came precomputed.
        features: Words of the feature extractors.
        normalization: The run's.
        memory: Time constant of the causal one, s.
        cache: Where summaries of signals are kept.
        left_out: What could not be used.
    """

    sequences: Sequence[TimeSeries]
    recordings: Sequence[Recording]
    channels: Sequence[str]
    features: Sequence[str]
    normalization: str
    memory: float
    cache: FeatureCache
    left_out: LeftOut

    @cached_property
    def of_data(self) -> tuple[DataFinding, ...]:
        """Findings about the data that hold however they are split."""
        return (
            *unused(self.left_out, len(self.recordings)),
            *own_predictions(self.recordings),
            *classes.all_people(self.sequences),
            *short(self.sequences),
            *hidden(self.sequences, self.normalization, self.memory),
            *time_alone(self.sequences),
            *sparse(self.sequences),
            *aligned(covers(self.recordings)),
            *uncovered(self.recordings),
            *moved(self.sequences),
            *self._signals(),
        )

    def of_split(self, parts: Split, validated: bool) -> list[DataFinding]:
        """Return all findings of a run with one split; see `memcell_eeg.advice.classes.of_split`."""
        if classes.far_too_few(self.sequences):
            return list(self.of_data)  # of each part the same would be said
        return [*self.of_data, *classes.of_split(parts, validated)]

    def of_folds(self, validating: Mapping[str, Sequence[TimeSeries]]) -> list[DataFinding]:
        """Return all findings of a run in which each person is left out in turn.

        Args:
            validating: Who is left out, to the sequences that validate then; empty where nobody does.
        """
        people = classes.by_person(self.sequences)
        if classes.far_too_few(self.sequences):
            return [*self.of_data, *many(len(people))]
        return [
            *self.of_data,
            *classes.few_tested(people, folded=True),
            *classes.of_validators(validating),
            *many(len(people)),
        ]

    def _signals(self) -> list[DataFinding]:
        if not self.channels:
            return []
        found = summaries(self.recordings, self.channels, self.cache)
        matters = any(word.partition(":")[0] in OF_GAIN for word in self.features)
        return between(found, matters)


def own_predictions(recordings: Sequence[Recording]) -> list[DataFinding]:
    """Say whose labels a detector made and nobody has corrected."""
    labels = [r.labels() for r in recordings]
    files = [each.predicted for each in labels if each is not None and each.predicted]
    if not files:
        return []
    named = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    return [
        DataFinding(
            check="labels",
            severity="serious",
            sentence=f"memcell itself predicted the labels of {len(files)} of {len(recordings)} recordings, "
            f"and nobody has corrected them ({named}): a network learns the errors of the one before it",
            advice="'memcell review' lets a person correct them",
        )
    ]


def many(folds: int) -> list[DataFinding]:
    """Say how many trainings it is to leave out each of many people."""
    if folds < MANY_FOLDS:
        return []
    return [
        DataFinding(
            check="cost",
            severity="note",
            sentence=f"leaving out each of {folds} people is as many runs",
            advice="--jobs N trains folds side by side; --split subject is one run",
        )
    ]


def unused(left_out: LeftOut, used: int) -> list[DataFinding]:
    """Say what could not be used, the first reason with it.

    Args:
        left_out: What could not be.
        used: Recordings that can be.
    """
    whole = [i for i in left_out.items if i.what != LABEL]
    if not left_out.items:
        return []
    if whole:
        sentence = f"{len(whole)} of {len(whole) + used} recordings cannot be used and are left out"
    else:
        n = len(left_out.items)
        sentence = f"{n} label{'s' if n > 1 else ''} cannot be used and {'are' if n > 1 else 'is'} left out"
    first = (whole or left_out.items)[0]
    return [
        DataFinding(
            check="left out",
            severity="warning" if whole else "note",
            sentence=f"{sentence} ({first.reason.rstrip('.')})",
            advice=f"{LEFT_OUT} in the run folder names each with its reason",
            where=classes.listed(
                list(dict.fromkeys(i.recording or "n/a" for i in whole or left_out.items))
            ),
        )
    ]


def short(sequences: Sequence[TimeSeries]) -> list[DataFinding]:
    """Find people with very little labelled time."""
    of: dict[str, float] = {}
    for s in sequences:
        of[s.subject] = of.get(s.subject, 0.0) + float(s.labelled.sum()) * s.step_seconds
    little = [p for p, seconds in of.items() if seconds < SHORT]
    if not little:
        return []
    every = len(little) == len(of)
    least, most = min(of[p] for p in little), max(of[p] for p in little)
    between_ = f"{least:.0f} s" if round(least) == round(most) else f"{least:.0f} to {most:.0f} s"
    return [
        DataFinding(
            check="length",
            severity="warning" if every else "note",
            sentence=f"{'all' if every else f'{len(little)} of {len(of)}'} people have less than a minute of "
            f"labelled time ({between_})",
            advice="there is hardly a past to remember; --context none, and a model without memory, may "
            "do as well",
            where="" if every else classes.listed(little),
        )
    ]


def time_alone(sequences: Sequence[TimeSeries]) -> list[DataFinding]:
    """Find targets that time alone gives: at a fixed distance from an edge, or by the clock.

    Args:
        sequences: A whole recording each, of any per-step target.
    """
    clock = clock_score(sequences)
    if fixed := fixed_distances(sequences):
        places = " and ".join(map(_place, fixed))
        also = f" (time alone: {_scored(clock)})" if clock is not None else ""
        return [
            DataFinding(
                check="time",
                severity="serious",
                sentence=f"in {fixed[0].recordings} of {fixed[0].of} recordings the label changes {places}: "
                f"they are cut by the label, or it follows a timetable, and elapsed time gives it away{also}",
                advice="use whole recordings, or cut them at random times",
            )
        ]
    if clock is None:
        return []
    what = _scored(clock)
    if not clock.follows_clock or clock.score < TELLS[clock.is_class]:
        return [
            DataFinding(
                check="time",
                severity="nothing",
                sentence="the time since the start is not shown to tell the label of people left out "
                f"({what}, p {clock.p:.2g})",
            )
        ]
    night = float(np.median([s.times[-1] - s.times[0] for s in sequences])) >= NIGHT
    severity: Severity = "warning"
    if night or clock.score < 0.5 * (TELLS[clock.is_class] + TELLS_ALL[clock.is_class]):
        severity = "note"
    elif clock.score >= TELLS_ALL[clock.is_class]:
        severity = "serious"
    why = ", as may be in whole nights" if night else ""
    return [
        DataFinding(
            check="time",
            severity=severity,
            sentence=f"the time since the start alone tells the label of people left out ({what}){why}",
            advice="a network is worth what it adds to the row 'clock only'; recordings of other lengths and "
            "starts would show it",
        )
    ]


def _place(found: FixedDistance) -> str:
    first = "first" if found.edge == "start" else "last"
    after = "after the start" if found.edge == "start" else "before the end"
    at = f"{found.seconds:g} s {after}" if found.seconds > NEAR else f"at the {found.edge}"
    return f"for the {first} time {at}"


def _scored(clock: ClockScore) -> str:
    if clock.is_class:
        return f"AUC {clock.score:.2f} in the mean of {clock.people} people, chance .5"
    return (
        f"{100 * clock.score:.0f} % of the spread explained, in the mean of {clock.people} people"
    )


def sparse(sequences: Sequence[TimeSeries]) -> list[DataFinding]:
    """Find recordings of which hardly anything is labelled."""
    little = [s for s in sequences if s.labelled.mean() < SPARSE]
    if not little:
        return []
    first = little[0]
    seconds = float(first.labelled.sum()) * first.step_seconds
    return [
        DataFinding(
            check="labels",
            severity="warning" if 2 * len(little) >= len(sequences) else "note",
            sentence=f"hardly anything is labelled in {len(little)} of {len(sequences)} recordings "
            f"({first.name}: {seconds:g} s of {first.n_steps * first.step_seconds:g} s)",
            advice="time without a label is not trained on; if it is the other class, type --data.background "
            "WORD (wake)",
            where=classes.listed([s.name for s in little]),
        )
    ]


def covers(recordings: Sequence[Recording]) -> list[LabelCover]:
    """Return where the labels of recordings lie, as far as they have any."""
    out = []
    for r in recordings:
        labels = r.labels()
        if labels is not None:
            found = LabelCover.of(r.name, r.duration, labels.intervals, labels.outside)
            out += [found] if found is not None else []
    return out


def uncovered(recordings: Sequence[Recording]) -> list[DataFinding]:
    """Find time without a label that counts as a class though the labels name that class themselves.

    Where somebody marks events alone, all other time is the background. Where the labels name it too, or
    cover most of a recording (a hypnogram), what is left was not scored: movement, or before lights out.
    """
    found: dict[str, float] = {}
    word = ""
    for r in recordings:
        labels = r.labels()
        if labels is None or labels.background not in labels.negative:
            continue
        of = {i.label for i in labels.intervals}
        covered = union((i.onset, i.onset + i.duration) for i in labels.intervals)
        left = r.duration - float((covered[:, 1] - covered[:, 0]).sum())
        if labels.background not in of and left > 0.5 * r.duration:
            continue
        if left >= max(UNCOVERED, UNCOVERED_SHARE * r.duration):
            found[r.name], word = left, str(labels.background)
    if not found:
        return []
    most = max(found, key=lambda name: found[name])
    return [
        DataFinding(
            check="labels",
            severity="warning",
            sentence=f"the labels of {counted(len(found), 'recording')} score all of it or name '{word}' "
            f"themselves, and time that none covers counts as '{word}' too ({found[most]:.0f} s in {most})",
            advice="if nobody scored it, type --data.background ''",
            where=classes.listed(list(found)),
        )
    ]


def moved(sequences: Sequence[TimeSeries]) -> list[DataFinding]:
    """Find recordings whose labels fit the signal much better at another time."""
    found = shifts(sequences)
    if not found:
        return []
    first, more = found[0], len(found) - 1
    others = f" (and those of {more} more)" if more else ""
    return [
        DataFinding(
            check="labels",
            severity="warning",
            sentence=f"the labels of {first.name}{others} fit the signal better when moved by "
            f"{first.seconds:+g} s (correlation with a discriminant of the other people {first.there:.2f}, "
            f"as they lie {first.here:.2f}): shifted against the recording?",
            advice="look at what their times count from",
            where=classes.listed([s.name for s in found]),
        )
    ]
