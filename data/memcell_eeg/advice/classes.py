"""Few steps of a class: among all people, in those who are tested on, and in those who validate.

A score is no better known than the class that it has fewer steps of. A person or a part with fewer than `FEW`
steps of one class has scores that a few steps move by tenths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from memcell.applications.checking import DataFinding, Severity
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.splits.split import Split
from memcell_eeg.targets.labels import NEGATIVE, POSITIVE

#: Steps of a class under which a person's own scores are mostly noise.
FEW = 20
#: Events (runs of steps of a class) under which scores of all people together rest on single events.
FEW_EVENTS = 3
#: Share of a class under which accuracy and specificity say nothing of it.
RARE = 0.02
_WORDS = {NEGATIVE: "negative", POSITIVE: "positive"}
_CHECK = "classes"
#: Names that a sentence lists.
MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """Steps of both classes in some sequences.

    Args:
        steps: Class to its steps.
        runs: Class to its runs of steps that follow each other, time without a label passed over.
        seconds: Class to its time.
    """

    steps: Mapping[int, int]
    runs: Mapping[int, int]
    seconds: Mapping[int, float]

    @property
    def total(self) -> int:
        """Labelled steps."""
        return sum(self.steps.values())

    @property
    def rarer(self) -> int:
        """The class with fewer steps; the positive one where both have as many."""
        return NEGATIVE if self.steps[NEGATIVE] < self.steps[POSITIVE] else POSITIVE

    @property
    def fewest(self) -> int:
        """Steps of that class."""
        return self.steps[self.rarer]


def counted(sequences: Iterable[TimeSeries]) -> ClassCount:
    """Return the steps of both classes in some sequences."""
    steps, runs, seconds = (dict.fromkeys(_WORDS, 0) for _ in range(3))
    time: dict[int, float] = dict.fromkeys(seconds, 0.0)
    for s in sequences:
        y = np.asarray(s.targets[s.labelled])
        for c in _WORDS:
            own = y == c
            steps[c] += int(own.sum())
            time[c] += float(own.sum()) * s.step_seconds
            runs[c] += int(own[:1].sum() + (own[1:] & ~own[:-1]).sum())
    return ClassCount(steps=steps, runs=runs, seconds=time)


def by_person(sequences: Iterable[TimeSeries]) -> dict[str, ClassCount]:
    """Return the count of each person, in order of their names."""
    of: dict[str, list[TimeSeries]] = {}
    for s in sequences:
        of.setdefault(s.subject, []).append(s)
    return {person: counted(of[person]) for person in sorted(of)}


def all_people(sequences: Sequence[TimeSeries]) -> list[DataFinding]:
    """Return what is to be said of the classes among all people of a run."""
    people, every = by_person(sequences), counted(sequences)
    if not every.fewest:
        return []  # a split refuses it
    rarer = every.rarer
    word = _WORDS[rarer]
    found = [*_little(every, word), *_few_people(people)]
    share = every.fewest / every.total
    if share < RARE:
        found.append(
            DataFinding(
                check=_CHECK,
                severity="note",
                sentence=f"{100 * share:.2g} % of the labelled steps are {word} ({every.fewest} steps in "
                f"{every.runs[rarer]} events)",
                advice="accuracy says nothing here; read kappa, precision and recall, and the false alarms "
                "per hour",
            )
        )
    found += _whose(people, rarer)
    return found or [
        DataFinding(
            check=_CHECK,
            severity="nothing",
            sentence=f"both classes have steps enough ({every.steps[POSITIVE]} positive, "
            f"{every.steps[NEGATIVE]} negative, of {len(people)} people)",
        )
    ]


def far_too_few(sequences: Iterable[TimeSeries]) -> bool:
    """Whether all people together have fewer than `FEW` steps of a class, which is said once."""
    return counted(sequences).fewest < FEW


def _little(every: ClassCount, word: str) -> list[DataFinding]:
    rarer = every.rarer
    steps, runs = every.steps[rarer], every.runs[rarer]
    if steps >= FEW and runs >= FEW_EVENTS:
        return []
    serious = steps < FEW
    return [
        DataFinding(
            check=_CHECK,
            severity="serious" if serious else "warning",
            sentence=f"all people together have {_steps(steps, word)} ({every.seconds[rarer]:g} s in "
            f"{runs} event{'' if runs == 1 else 's'}), so that scores will be mostly noise",
            advice="label more recordings, or check the names of the labels with 'memcell data check'",
        )
    ]


def _few_people(people: Mapping[str, ClassCount]) -> list[DataFinding]:
    n = len(people)
    if n > 2:
        return []
    if n == 1:
        sentence = (
            "there is one person: scores say how the network does on this person's own later time"
        )
    else:
        sentence = "there are two people: a score on one person says little of the next"
    return [
        DataFinding(
            check="people",
            severity="warning",
            sentence=sentence,
            advice="nothing is known of other people before three or more are there",
        )
    ]


def _whose(people: Mapping[str, ClassCount], rarer: int) -> list[DataFinding]:
    """Say where a class is one person's, or each person's own."""
    if len(people) < 2:
        return []
    both = [p for p, c in people.items() if c.fewest]
    if not both:
        return [
            DataFinding(
                check=_CHECK,
                severity="serious",
                sentence="each person has steps of one class only, so that what is learned may be who "
                "somebody is, or which device they were recorded with",
                advice="record both classes of the same people",
            )
        ]
    found = []
    for c, word in _WORDS.items():
        having = [p for p, count in people.items() if count.steps[c]]
        if len(having) == 1:
            found.append(
                DataFinding(
                    check=_CHECK,
                    severity="serious",
                    sentence=f"only one person has {word} steps, so that what is learned may be who this is",
                    advice="record this class of more people",
                    where=having[0],
                )
            )
        if len(having) == 2 and len(people) > 3:
            found.append(
                DataFinding(
                    check=_CHECK,
                    severity="warning",
                    sentence=f"only 2 of {len(people)} people have {word} steps, so that what is learned "
                    "is how these two are",
                    advice="record this class of more people",
                    where=", ".join(having),
                )
            )
    share = people_share(people, rarer)
    if not found and share[1] > 0.8 and len(people) > 3:
        found.append(
            DataFinding(
                check=_CHECK,
                severity="warning",
                sentence=f"{100 * share[1]:.0f} % of the {_WORDS[rarer]} steps are one person's",
                advice="what is learned is mostly this person's; read subjects.tsv beside the pooled scores",
                where=share[0],
            )
        )
    return found


def people_share(people: Mapping[str, ClassCount], c: int) -> tuple[str, float]:
    """Return who has most steps of a class, and their share of it."""
    most = max(people, key=lambda p: people[p].steps[c])
    return most, people[most].steps[c] / max(1, sum(n.steps[c] for n in people.values()))


_IN_TURN = "type --split loso, which tests on everybody in turn and pools"
_ELSEWHERE = {
    "time": "type --split none, which tests on all of the time in turn",
    "published": "read the scores pooled over all people",
}


def few_tested(
    people: Mapping[str, ClassCount], folded: bool, kind: str = "subject"
) -> list[DataFinding]:
    """Return what is to be said of those who are tested on.

    Args:
        people: Their counts.
        folded: Each is tested on in a fold of their own, and scores are pooled.
        kind: Of the split.
    """
    few = {p: c for p, c in people.items() if c.fewest < FEW}
    if not few:
        return []
    names = listed([f"{p} {c.fewest or 'no'} {_WORDS[c.rarer]}" for p, c in few.items()])
    pooled = min(sum(c.steps[k] for c in people.values()) for k in _WORDS)
    n = len(people)
    severity: Severity = "warning" if 2 * len(few) >= n or pooled < 2 * FEW else "note"
    if pooled < FEW:
        severity = "serious"
    if not pooled:
        sentence = (
            f"nobody who is tested on has steps of both classes ({names}): scores are undefined"
        )
    elif n == 1:
        sentence = (
            f"the one who is tested on has fewer than {FEW} steps of a class ({names}): the score is mostly "
            "noise"
        )
    else:
        sentence = (
            f"{len(few)} of {n} people tested on have fewer than {FEW} steps of a class ({names}): their own "
            "scores are mostly noise"
        )
    elsewhere = _ELSEWHERE.get(kind, _IN_TURN)
    if not pooled and kind not in _ELSEWHERE:
        elsewhere = "type another --split-seed, or name them with --test-subjects"
    return [
        DataFinding(
            check="classes, test",
            severity=severity,
            sentence=sentence,
            advice="read the scores pooled over all people" if folded else elsewhere,
            where=listed(list(few)),
        )
    ]


def of_split(parts: Split, validated: bool) -> list[DataFinding]:
    """Return what is to be said of the parts of one split.

    Args:
        parts: The split.
        validated: Its validation part decides when training ends and from which probability on a step is
            positive; otherwise cross-validation inside the training people does.
    """
    train = counted(parts.train)
    found = []
    if parts.kind != "none":
        found += few_tested(by_person(parts.test), folded=False, kind=parts.kind)
    rarer = train.rarer
    if 0 < train.fewest < FEW:
        found.append(
            DataFinding(
                check="classes, training",
                severity="serious",
                sentence=f"the training people have {_steps(train.fewest, _WORDS[rarer])}: too few to learn "
                "from",
                advice="label more recordings"
                if parts.kind in ("none", "time")
                else "label more recordings, or type another --split-seed",
            )
        )
    if validated:
        found += _validation(parts)
    return found


def of_validators(folds: Mapping[str, Sequence[TimeSeries]]) -> list[DataFinding]:
    """Return what is to be said of those who validate in each fold.

    Args:
        folds: Who is left out, to the sequences that validate then.
    """
    few: dict[str, str] = {}
    for left_out, valid in folds.items():
        count = counted(valid)
        if valid and count.fewest < FEW:
            who = ", ".join(sorted({s.subject for s in valid}))
            few[left_out] = (
                f"without {left_out}: {who} {count.fewest or 'no'} {_WORDS[count.rarer]}"
            )
    if not few:
        return []
    return [
        DataFinding(
            check="classes, validation",
            severity="warning",
            sentence=f"in {len(few)} of {len(folds)} folds those who validate have fewer than {FEW} steps of "
            f"a class ({listed(list(few.values()))}), and they decide when training ends and from which "
            "probability on a step is positive",
            advice="type --tune quick, which decides by cross-validation over all training people",
            where=listed(list(few)),
        )
    ]


def _validation(parts: Split) -> list[DataFinding]:
    if not parts.valid:
        return [
            DataFinding(
                check="classes, validation",
                severity="note",
                sentence="nobody validates: training runs its full length, and nothing is chosen on others",
                advice="type --tune quick, which chooses length and threshold inside the training people",
            )
        ]
    count = counted(parts.valid)
    if count.fewest >= FEW:
        return []
    n = len({s.subject for s in parts.valid})
    by_time = parts.kind == "time"
    who = "the person who validates has" if n == 1 else f"the {n} people who validate have"
    return [
        DataFinding(
            check="classes, validation",
            severity="warning",
            sentence=f"{who} {_steps(count.fewest, _WORDS[count.rarer])}, and they decide when training ends "
            "and from which probability on a step is positive",
            advice="type --split none, which decides by cross-validation"
            if by_time
            else "type --tune quick, which decides by cross-validation over all training people",
            where=listed(sorted({s.subject for s in parts.valid})),
        )
    ]


def _steps(n: int, word: str) -> str:
    return f"{n or 'no'} {word} step{'' if n == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join([*names[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
