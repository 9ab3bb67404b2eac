"""How well two people agree: Cohen's kappa over steps of time, and F1 and kappa over events.

A step has the class that covers most of it. What one of them calls unscored is left out for both. Time
without a label has the class ``none`` (or the one that is typed), except in a hypnogram, where it was not
scored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.applications.labels import AgreementRow
from memcell_data.labels.words import CANONICAL, folded, is_stage, is_unscored, same
from memcell_data.recording import Interval

NONE = "none"
#: Steps that are tried, the longest first, s.
STEPS = (30.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1)
_NEAR = 0.01
_SAME = 1e-6
_UNKNOWN = -1


@dataclass(frozen=True, kw_only=True)
class Rated:
    """What two people said of one recording.

    Args:
        name: The recording's.
        a: Labels of the first.
        b: Labels of the second.
        seconds: How long the recording is.
    """

    name: str
    a: tuple[Interval, ...]
    b: tuple[Interval, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """Counts of one recording, which are summed for all together.

    Args:
        steps: ``[K, K]`` steps by class of the first and of the second.
        events: ``[K, 3]`` events of the first, of the second, and matched.
        stretches: ``[K, 4]`` stretches that both mark, the first, the second, and nobody.
    """

    steps: NDArray[np.int64]
    events: NDArray[np.int64]
    stretches: NDArray[np.int64]

    def __add__(self, other: _Counts) -> _Counts:
        return _Counts(
            steps=self.steps + other.steps,
            events=self.events + other.events,
            stretches=self.stretches + other.stretches,
        )


def common_step(rated: Sequence[Rated]) -> float:
    """Return the longest step on whose grid all labels lie, and the shortest where they lie on none."""
    edges = np.array(
        [t for r in rated for i in (*r.a, *r.b) for t in (i.onset, i.onset + i.duration)
         if t < r.seconds - _NEAR]
    )  # fmt: skip
    for step in STEPS:
        if len(edges) == 0 or np.abs(edges - step * np.rint(edges / step)).max() <= _NEAR:
            return step
    return STEPS[-1]


def class_of(label: str) -> str:
    """Return the class of a label, one for all spellings; empty where it says that nobody scored."""
    if is_unscored(label):
        return ""
    key = same(label)
    if is_stage(label):
        return "wake" if key == "wake" else key.upper()
    return CANONICAL.get(folded(label), label)


def agreement(rated: Sequence[Rated], step: float, background: str) -> list[AgreementRow]:
    """Return how well they agree: each recording, then all together; all classes first, then each.

    Args:
        rated: At least one.
        step: Seconds.
        background: The class of time that nobody labelled; empty for ``none``.
    """
    rest = class_of(background) if background else NONE
    names = {c for r in rated for i in (*r.a, *r.b) if (c := class_of(i.label))} | {rest}
    classes = sorted(names - {NONE}) + sorted(names & {NONE})
    counts = [_counted(r, classes, rest, step) for r in rated]
    rows = []
    for r, found in zip(rated, counts, strict=True):
        rows += _rows(r.name, found, classes, rest, step)
    if len(rated) > 1:
        total = counts[0]
        for found in counts[1:]:
            total = total + found
        rows += _rows("", total, classes, rest, step)
    return rows


def overlapping(labels: Sequence[Interval]) -> int:
    """Return how many labels begin before an earlier one of another class has ended."""
    count, latest = 0, None
    for i in sorted(labels, key=lambda each: each.onset):
        if latest is not None and i.onset < latest.onset + latest.duration - _SAME:
            count += class_of(i.label) != class_of(latest.label)
        if latest is None or i.onset + i.duration > latest.onset + latest.duration:
            latest = i
    return count


def _counted(r: Rated, classes: Sequence[str], rest: str, step: float) -> _Counts:
    n = max(1, math.ceil(r.seconds / step - _SAME))
    of_a, of_b = (_steps(labels, classes, rest, step, n) for labels in (r.a, r.b))
    both = (of_a != _UNKNOWN) & (of_b != _UNKNOWN)
    k = len(classes)
    table = np.zeros((k, k), dtype=np.int64)
    np.add.at(table, (of_a[both], of_b[both]), 1)
    events = np.zeros((k, 3), dtype=np.int64)
    stretches = np.zeros((k, 4), dtype=np.int64)
    for at, name in enumerate(classes):
        if name in (rest, NONE):
            continue
        spans_a, spans_b = (_spans(labels, name) for labels in (r.a, r.b))
        events[at] = len(spans_a), len(spans_b), _matched(spans_a, spans_b)
        stretches[at] = _stretches(spans_a, spans_b, r.seconds)
    return _Counts(steps=table, events=events, stretches=stretches)


def _steps(
    labels: Sequence[Interval], classes: Sequence[str], rest: str, step: float, n: int
) -> NDArray[np.int64]:
    """Return ``[n]`` the class of each step; -1 where nobody scored."""
    covered = np.zeros((n, len(classes) + 2))  # then unscored, and what no label covers
    for i in labels:
        name = class_of(i.label)
        column = classes.index(name) if name else len(classes)
        first = max(0, int(i.onset / step + _SAME))
        last = min(n, math.ceil((i.onset + i.duration) / step - _SAME))
        if first < last:
            edges = np.arange(first, last + 1) * step
            edges[0], edges[-1] = max(edges[0], i.onset), min(edges[-1], i.onset + i.duration)
            covered[first:last, column] += np.diff(edges)
    total = covered.sum(axis=1)
    covered[:, -1] = np.maximum(0.0, step - total)
    best = np.argmax(np.round(covered, 6), axis=1)
    words = {class_of(i.label) for i in labels}
    staged = "wake" in words and len(words & {"N1", "N2", "N3", "REM"}) > 0
    nothing = _UNKNOWN if staged else classes.index(rest)
    lookup = np.array([*range(len(classes)), _UNKNOWN, nothing], dtype=np.int64)
    return np.asarray(lookup[best], dtype=np.int64)


def _spans(labels: Sequence[Interval], name: str) -> list[tuple[float, float]]:
    """Return where a class is, touching labels joined; a mark without a duration is a point."""
    found: list[list[float]] = []
    for i in sorted(labels, key=lambda each: each.onset):
        if class_of(i.label) != name:
            continue
        if found and i.onset <= found[-1][1] + _SAME and i.duration:
            found[-1][1] = max(found[-1][1], i.onset + i.duration)
        else:
            found.append([i.onset, i.onset + i.duration])
    return [(a, b) for a, b in found]


def _matched(a: Sequence[tuple[float, float]], b: Sequence[tuple[float, float]]) -> int:
    """Return how many pairs overlap, each event in at most one; both lists ascend."""
    pairs = i = j = 0
    while i < len(a) and j < len(b):
        if a[i][1] <= b[j][0] + _SAME and a[i] != b[j]:
            i += 1
        elif b[j][1] <= a[i][0] + _SAME and a[i] != b[j]:
            j += 1
        else:
            pairs, i, j = pairs + 1, i + 1, j + 1
    return pairs


def _stretches(
    a: Sequence[tuple[float, float]], b: Sequence[tuple[float, float]], seconds: float
) -> tuple[int, int, int, int]:
    """Return how many stretches of either both mark, one does, and how many pauses lie between them."""
    joined: list[list[float]] = []  # from, to, whether each of them marks it
    for begin, end, who in sorted([(x, y, 0) for x, y in a] + [(x, y, 1) for x, y in b]):
        if joined and begin < joined[-1][1] - _SAME:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([begin, end, 0, 0])
        joined[-1][2 + who] = 1
    both = sum(bool(s[2] and s[3]) for s in joined)
    only_a, only_b = (sum(bool(s[2 + w] and not s[3 - w]) for s in joined) for w in (0, 1))
    ends = [0.0, *(s[1] for s in joined)]
    begins = [*(s[0] for s in joined), seconds]
    pauses = sum(b - e > _SAME for e, b in zip(ends, begins, strict=True))
    return both, only_a, only_b, pauses


def _rows(
    recording: str, found: _Counts, classes: Sequence[str], rest: str, step: float
) -> list[AgreementRow]:
    table = found.steps
    n = int(table.sum())
    hours = n * step / 3600
    of_a, of_b, matched = (int(v) for v in found.events.sum(axis=0))
    rows = [
        AgreementRow(
            recording=recording,
            label="",
            hours=hours,
            agreement=float(np.trace(table) / n) if n else math.nan,
            kappa=kappa(table),
            event_f1=math.nan,
            event_kappa=math.nan,
            events=(of_a, of_b, matched),
        )
    ]
    for at, name in enumerate(classes):
        one = _one_against_rest(table, at)
        of_a, of_b, matched = (int(v) for v in found.events[at])
        both, only_a, only_b, nobody = (int(v) for v in found.stretches[at])
        if name == rest and not one[0].sum() and not one[:, 0].sum():
            continue
        total = of_a + of_b
        rows.append(
            AgreementRow(
                recording=recording,
                label=name,
                hours=hours,
                agreement=float(np.trace(one) / n) if n else math.nan,
                kappa=kappa(one),
                event_f1=2 * matched / total if total else math.nan,
                event_kappa=kappa(np.array([[both, only_a], [only_b, nobody]]))
                if total
                else math.nan,
                events=(of_a, of_b, matched),
            )
        )
    return rows


def _one_against_rest(table: NDArray[np.int64], at: int) -> NDArray[np.int64]:
    both = table[at, at]
    only_a, only_b = table[at].sum() - both, table[:, at].sum() - both
    return np.array([[both, only_a], [only_b, table.sum() - both - only_a - only_b]])


def kappa(table: NDArray[np.int64]) -> float:
    """Return Cohen's kappa of a table of counts; nan where both always say the same one class."""
    n = table.sum()
    if not n:
        return math.nan
    observed = np.trace(table) / n
    expected = float(table.sum(axis=1) @ table.sum(axis=0)) / float(n) ** 2
    return float((observed - expected) / (1 - expected)) if expected < 1 else math.nan
