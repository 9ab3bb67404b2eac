"""Who is trained on, who is validated and who is tested: by subject, or by time with a gap.

Leaving one subject out (``loso``) is a split by subject for each of them: this one is tested on, of the
others some validate, those who come next in an order drawn by the seed, and the rest is trained on. The
first who validates has both classes where anybody has, for nothing can be chosen otherwise: people with steps
of one class validate less often than the others.

By subject, every sequence of a subject lies in one part: a subject on two sides is impossible. By time,
every sequence is cut into train, validation and test in this order, with `gap` seconds dropped between
them; cut this way the same person is on all sides, and the notes say so. Splits by rows do not exist
here: neighbouring rows are nearly equal, and a model that has seen one knows the other.

Where training goes on from a model, the people of that one are trained on again, and tested on never; they
validate only where nobody else can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from memcell.applications.trained_on import spelled
from memcell.errors import DataError, unknown
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.config import EegConfig
from memcell_eeg.splits.known import apart, check_tested, few
from memcell_eeg.targets.labels import NEGATIVE, POSITIVE

PARTS = ("train", "valid", "test")
ENOUGH_SUBJECTS = 3


@dataclass(frozen=True, kw_only=True)
class Split:
    """Sequences by part.

    Args:
        train, valid, test: The sequences; ``valid`` may be empty.
        kind: ``"subject"``, ``"time"``, ``"loso"`` or ``"published"``.
        notes: What must be said with every score on this split.
    """

    train: tuple[TimeSeries, ...]
    valid: tuple[TimeSeries, ...]
    test: tuple[TimeSeries, ...]
    kind: str
    notes: tuple[str, ...]

    def part(self, name: str) -> tuple[TimeSeries, ...]:
        """Return the sequences of ``"train"``, ``"valid"`` or ``"test"``."""
        return {"train": self.train, "valid": self.valid, "test": self.test}[name]

    def changed(self, change: Callable[[tuple[TimeSeries, ...]], tuple[TimeSeries, ...]]) -> Split:
        """Return the split with something done to the sequences of each part."""
        train, valid, test = (change(self.part(p)) for p in PARTS)
        return replace(self, train=train, valid=valid, test=test)


def split(
    sequences: Sequence[TimeSeries],
    config: EegConfig,
    published: Mapping[str, str] | None = None,
    known: frozenset[str] = frozenset(),
) -> Split:
    """Split the sequences as the options ask.

    Args:
        sequences: All of them.
        config: How to split.
        published: Part of each subject in a split that the data set brings (``--split published``).
        known: People of the model that training goes on from (`memcell_eeg.splits.known.people_of`).

    Raises:
        UsageError: People of that model would be tested, or there are no others.
        DataError: There are too few subjects, a recording is too short to be cut, or the training
            part has steps of one class only.
    """
    check_both(sequences)
    subjects = sorted({s.subject for s in sequences})
    kind = config.split
    if kind == "auto" and config.test_subjects:
        kind = "subject"
    if kind == "auto":
        kind = "subject" if len(subjects) >= ENOUGH_SUBJECTS else "time"
    if kind == "published":
        made = _as_published(sequences, published or {})
        if config.tune != "none":  # whoever would validate is trained on
            joined = tuple(s for s in sequences if s in made.train or s in made.valid)
            made = replace(made, train=joined, valid=())
        check_tested((s.subject for s in made.test), (), known)
        tested, seen = apart(made.test, known)
        made = _with_seen(replace(made, test=tested), seen, config)
    elif kind == "none":
        made = _everybody(sequences, known)
    else:
        check_tested(subjects, (*config.test_subjects, config.held_out), known)
        new, seen = apart(sequences, known)
        by = {"subject": _by_subject, "time": _by_time, "loso": _without_one}[kind]
        made = _with_seen(by(new, config, len({s.subject for s in seen})), seen, config)
    _check_classes(made)
    return replace(made, notes=(*made.notes, *_missing(made)))


_HAS = {NEGATIVE: "negative", POSITIVE: "positive"}


def check_both(sequences: Sequence[TimeSeries]) -> None:
    """Refuse recordings that have steps of one class only, however they are split.

    Raises:
        DataError: Says which, and what to look at.
    """
    found = classes_of(sequences)
    if len(found) != 1:
        return
    has, lacks = _HAS[found.pop()], _HAS[({NEGATIVE, POSITIVE} - classes_of(sequences)).pop()]
    n = len(sequences)
    background = ""
    if lacks == "negative":
        background = (
            ". Time that no label covers has no class: if it is the other class, type --data.background WORD "
            "(wake)"
        )
    raise DataError(
        f"all labelled steps of the {n} recording{'s are' if n > 1 else ' are'} {has}, none is {lacks}; both "
        f"classes are needed. Check the names of the labels (memcell data check), --min-duration and --blink"
        f"{background}."
    )


def sets_aside(config: EegConfig) -> bool:
    """Whether somebody is set aside for validation in a split by subject.

    Nobody is where settings are chosen by cross-validation inside the training people.
    """
    return config.valid_fraction > 0 and config.tune == "none"


def _with_seen(made: Split, seen: Sequence[TimeSeries], config: EegConfig) -> Split:
    """Return a split with those whom the model has seen trained on; one validates where nobody else can."""
    if not seen:
        return made
    people = sorted({s.subject for s in seen})
    both = [p for p in people if len(classes_of(s for s in seen if s.subject == p)) == 2]
    valid = made.valid
    if made.kind != "time" and sets_aside(config) and not valid and len(people) > 1:
        valid = tuple(s for s in seen if s.subject == (both or people)[0])
    train = (*made.train, *(s for s in seen if s not in valid))
    note = (
        f"{few(people)} {'are people' if len(people) > 1 else 'is one'} of the model that training goes on "
        "from: trained on again, and never tested on"
    )
    return replace(made, train=train, valid=valid, notes=(*made.notes, note))


def _everybody(sequences: Sequence[TimeSeries], known: frozenset[str]) -> Split:
    people = len({s.subject for s in sequences})
    saw = "were not trained on them here" if apart(sequences, known)[1] else "did not see them"
    note = (
        f"trained on everybody ({people} subject{'s' if people != 1 else ''}): all scores are of "
        f"cross-validation, each person by networks that {saw}, under thresholds of the others; "
        "settings and length were chosen on the same predictions, and features may be scaled by everybody, "
        "which makes the scores somewhat too good"
    )
    return Split(train=tuple(sequences), valid=(), test=(), kind="none", notes=(note,))


def _named(sequences: Sequence[TimeSeries], config: EegConfig, seen: int) -> Split:
    """Return the split that tests on those who are named."""
    subjects = sorted({s.subject for s in sequences})
    tested = set(config.test_subjects)
    for name in config.test_subjects:
        if name not in subjects:
            raise DataError(unknown("subject", name, subjects))
    order = np.random.default_rng(config.split_seed).permutation(len(subjects))
    others = [subjects[i] for i in order if subjects[i] not in tested]
    share = round(config.valid_fraction * (len(subjects) + seen))
    n_valid = min(max(1, share) if sets_aside(config) else 0, len(others) - (not seen))
    if not others and not seen:
        raise DataError("--test-subjects names everybody: leave somebody to train on")
    room = {"train": len(others) - n_valid, "valid": n_valid}
    parts = _shared_out([s for s in sequences if s.subject not in tested], others, room)
    note = (
        f"split by subject: {room['train'] + seen} train, {n_valid} validation, tested on "
        f"{', '.join(sorted(tested))} as named"
    )
    return Split(
        train=parts["train"],
        valid=parts["valid"],
        test=tuple(s for s in sequences if s.subject in tested),
        kind="subject",
        notes=(note,),
    )


def _by_subject(sequences: Sequence[TimeSeries], config: EegConfig, seen: int) -> Split:
    if config.test_subjects:
        return _named(sequences, config, seen)
    subjects = sorted({s.subject for s in sequences})
    n, people = len(subjects), len(subjects) + seen
    validate = sets_aside(config)
    if people < 2 or (people < ENOUGH_SUBJECTS and validate):
        least = ENOUGH_SUBJECTS if validate else 2
        fewer = " (2 with --tune quick)" if validate and people > 1 else ""
        raise DataError(
            f"a split by subject needs {least} subjects{fewer}, got {people}; {instead(people)}"
        )
    trained = not seen  # how many of these have to be
    n_test = min(max(1, round(config.test_fraction * people)), n - trained - (validate and n > 1))
    n_valid = min(max(1, round(config.valid_fraction * people)), n - n_test - trained)
    n_valid *= validate
    room = {"train": n - n_test - n_valid, "test": n_test, "valid": n_valid}

    order = np.random.default_rng(config.split_seed).permutation(n)
    parts = _shared_out(sequences, [subjects[i] for i in order], room)
    counted = {p: len({s.subject for s in parts[p]}) for p in PARTS}
    note = (
        f"split by subject: {counted['train'] + seen} train, {counted['valid']} validation, "
        f"{counted['test']} test (seed {config.split_seed})"
    )
    return Split(**parts, kind="subject", notes=(note,))


def _as_published(sequences: Sequence[TimeSeries], part_of: Mapping[str, str]) -> Split:
    without = sorted({s.subject for s in sequences if part_of.get(s.subject) not in PARTS})
    if without:
        raise DataError(
            f"the data set brings no published split for {', '.join(without[:5])}"
            f"{f' and {len(without) - 5} more' if len(without) > 5 else ''}; type --split subject."
        )
    parts = {p: tuple(s for s in sequences if part_of[s.subject] == p) for p in PARTS}
    counted = {p: len({s.subject for s in parts[p]}) for p in PARTS}
    if not parts["train"] or not parts["test"]:
        raise DataError(
            f"of the published split there are {counted['train']} subjects to train on and "
            f"{counted['test']} to test on; both are needed. Get the other files, or type --split subject."
        )
    note = (
        f"published split by subject: {counted['train']} train, {counted['valid']} validation, "
        f"{counted['test']} test"
    )
    return Split(**parts, kind="published", notes=(note,))


def _without_one(sequences: Sequence[TimeSeries], config: EegConfig, seen: int) -> Split:
    subjects = sorted({s.subject for s in sequences})
    left_out = config.held_out
    if not left_out:
        raise DataError(
            "--split loso is a run for each subject, which only 'memcell train' does; for one of them "
            f"type --held-out SUBJECT: {', '.join(subjects)}."
        )
    check_loso(subjects, config, seen)
    if left_out not in subjects:
        raise DataError(unknown("subject", left_out, subjects))
    validate = sets_aside(config)
    # All subjects in a circle, shuffled by the seed; those who come next validate, the first of them
    # with both classes. So those who have both validate about equally often.
    circle = np.random.default_rng(config.split_seed).permutation(len(subjects))
    ordered = [subjects[i] for i in circle]
    after = ordered.index(left_out) + 1
    others = [*ordered[after:], *ordered[: after - 1]]
    share = round(config.valid_fraction * (len(others) + seen))
    n_valid = min(max(1, share), len(others) - (not seen))
    room = {"valid": n_valid * validate, "train": len(others) - n_valid * validate}
    parts = _shared_out([s for s in sequences if s.subject != left_out], others, room)
    validating = sorted({s.subject for s in parts["valid"]})
    note = (
        f"one subject left out: {left_out} tested on, {room['train'] + seen} trained on, "
        f"{', '.join(validating) or 'nobody'} validating (seed {config.split_seed})"
    )
    tested = tuple(s for s in sequences if s.subject == left_out)
    return Split(
        train=parts["train"], valid=parts["valid"], test=tested, kind="loso", notes=(note,)
    )


def check_loso(subjects: Sequence[str], config: EegConfig, seen: int = 0) -> None:
    """Refuse too few subjects to leave one out.

    Args:
        subjects: Those who are left out in turn.
        config: Whether somebody has to validate beside.
        seen: How many are trained on in every fold, for the model that training goes on from knows them.

    Raises:
        DataError: Says how many it takes.
    """
    least = ENOUGH_SUBJECTS if sets_aside(config) else 2
    people = len(subjects) + seen
    if people < least:
        fewer = " (2 with --tune quick)" if least > 2 and people > 1 else ""
        raise DataError(
            f"leaving one subject out takes {least} subjects{fewer}, got {people} "
            f"({', '.join(subjects)}); {instead(people)}"
        )


def instead(people: int) -> str:
    """Return what to type where there are too few people for a split by subject."""
    others = (
        " If the recordings are of different people, say so with --data.subject-pattern or --data.subjects."
        if people == 1
        else ""
    )
    return (
        "type --split time, or --split none, which trains on all and scores by cross-validation over time."
        + others
    )


def check_classes_of_folds(
    sequences: Sequence[TimeSeries], known: frozenset[str] = frozenset()
) -> None:
    """Refuse leaving out each person in turn where one alone has a class, before any fold is trained.

    Args:
        sequences: All of them.
        known: People who are left out in no fold.

    Raises:
        DataError: Names the person, and says what to type.
    """
    check_both(sequences)
    for c, word in _HAS.items():
        having = sorted({s.subject for s in sequences if (s.targets == c).any()})
        if len(having) == 1 and spelled(having[0]) not in known:
            raise DataError(
                f"only '{having[0]}' has {word} steps, so that the fold without them has none to train on; "
                "label this class in another person's recordings, or type --split time or --split none, "
                "which say nothing of other people."
            )


def _shared_out(
    sequences: Sequence[TimeSeries], shuffled: Sequence[str], room: Mapping[str, int]
) -> dict[str, tuple[TimeSeries, ...]]:
    """Return the sequences by part, so many subjects in each.

    Every part gets a subject with both classes while there are any, then what comes.
    """
    left = dict(room)
    both = [s for s in shuffled if len(classes_of(q for q in sequences if q.subject == s)) == 2]
    part_of: dict[str, str] = {}
    for part, subject in zip((p for p in room if room[p]), both, strict=False):
        part_of[subject] = part
        left[part] -= 1
    rest = [part for part in left for _ in range(left[part])]
    part_of |= dict(zip((s for s in shuffled if s not in part_of), rest, strict=True))
    return {p: tuple(s for s in sequences if part_of[s.subject] == p) for p in PARTS}


def _by_time(sequences: Sequence[TimeSeries], config: EegConfig, seen: int) -> Split:
    parts: dict[str, list[TimeSeries]] = {p: [] for p in PARTS}
    for sequence in sequences:
        gap = int(np.ceil(config.split_gap / sequence.step_seconds))
        shares = {
            "train": 1 - config.valid_fraction - config.test_fraction,
            "valid": config.valid_fraction,
            "test": config.test_fraction,
        }
        used = {p: share for p, share in shares.items() if share > 0}
        usable = sequence.n_steps - gap * (len(used) - 1)
        lengths = [int(usable * share) for share in used.values()]
        if min(lengths) < 1:
            raise DataError(
                f"recording '{sequence.name}' has {sequence.n_steps} steps, too few to be split by "
                f"time with gaps of {config.split_gap:g} s; leave it out, or type a smaller "
                "--split-gap."
            )
        start = 0
        for part, length in zip(used, lengths, strict=True):
            parts[part].append(cut(sequence, start, start + length, f"@{part}"))
            start += length + gap
    note = (
        f"split by time with {config.split_gap:g} s dropped between the parts: the same people are "
        "trained on and tested on"
    )
    return Split(**{p: tuple(v) for p, v in parts.items()}, kind="time", notes=(note,))


def cut(sequence: TimeSeries, start: int, stop: int, suffix: str) -> TimeSeries:
    """Return steps ``[start, stop)`` as a sequence of its own, its gaps and times kept."""
    return replace(
        sequence,
        name=sequence.name + suffix,
        features=sequence.features[start:stop],
        targets=sequence.targets[start:stop],
        breaks=tuple(b - start for b in sequence.breaks if start < b < stop),
        start_time=float(sequence.times[start]),
        step_times=sequence.times[start:stop],
    )


def classes_of(sequences: Iterable[TimeSeries]) -> set[int]:
    """Return the classes of the labelled steps of sequences."""
    found: set[int] = set()
    for s in sequences:
        found |= {int(c) for c in np.unique(s.targets[s.labelled])}
    return found


def _check_classes(made: Split) -> None:
    found = classes_of(made.train)
    if found == {NEGATIVE, POSITIVE}:
        return
    steps = sum(s.n_steps for s in made.train)
    what = "only " + _HAS[found.pop()] + " steps" if found else "no labelled step"
    if made.kind == "loso":
        left_out, validating = (
            ", ".join(sorted({s.subject for s in sequences}))
            for sequences in (made.test, made.valid)
        )
        aside = f", with {validating} validating," if validating else ""
        raise DataError(
            f"the fold without {left_out}{aside} has {what} to train on; both classes are needed. Type "
            "--tune quick, which sets nobody aside, or another --split-seed; or label more of this class."
        )
    raise DataError(
        f"the training split ({len(made.train)} sequences, {steps} steps) has {what}; both classes "
        "are needed. Check the labels (their names, --min-duration, --blink), or type another "
        "--split-seed or --split."
    )


def _missing(made: Split) -> tuple[str, ...]:
    """Return a note for each part that lacks a class."""
    notes = []
    for part in ("valid", "test"):
        sequences = made.part(part)
        lost = {NEGATIVE, POSITIVE} - classes_of(sequences)
        if sequences and lost:
            words = " and no ".join(_HAS[c] for c in sorted(lost))
            name = {"valid": "validation", "test": "test"}[part]
            notes.append(
                f"the {name} split has no {words} step: scores that need both classes are "
                "undefined (nan) there"
            )
    return tuple(notes)
