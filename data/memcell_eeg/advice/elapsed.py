"""What time alone tells of a target: labels at a fixed distance from an edge, and the clock as a predictor.

Both are functions of any per-step target of `TimeSeries`: a class (0 or 1) or a number such as the seconds to
the next event.

**Changes.** The moments when a recording's target changes: for a class where it becomes another one; for a
target that counts down to something the moments when it gets there, also where that lies at the recording's
end. Where the first changes of nearly all recordings lie at one time after the start, or the last ones at one
time before the end, somebody cut the recordings by their labels or the labels come from a timetable.

**The clock.** People are left out in turn; the others' mean target in each stretch of time since the start is
held against the target of the one who is left out: as an AUC within each person for a class, as a share of
explained spread for a number. It is compared with what the same gives when each recording's target is turned
round in time by a random amount, so that long events do not count as agreement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import UNLABELLED, TimeSeries

Array = NDArray[np.float64]

#: Recordings and people with a change from which on a distance is looked at; share that must agree.
FEWEST, FEWEST_PEOPLE, AGREEING = 4, 3, 0.8
#: Seconds that such distances may differ (at least a step and a half), and how much that may be of a
#: recording: in one that is hardly longer everything lies near.
NEAR, NEAR_SHARE = 2.0, 0.05
#: Blocks that a recording is looked at by, stretches of time, and turns of the comparison.
BLOCKS, STRETCHES, TURNS = 400, 30, 199


@dataclass(frozen=True, kw_only=True)
class FixedDistance:
    """Changes of the target that lie at one distance from an edge.

    Args:
        edge: ``"start"`` or ``"end"``.
        seconds: The distance.
        recordings: How many agree.
        of: Recordings that have a change.
    """

    edge: str
    seconds: float
    recordings: int
    of: int


@dataclass(frozen=True, kw_only=True)
class ClockScore:
    """How well the time since a recording's start predicts the target of people left out.

    Args:
        score: Mean over people: AUC (.5 is chance) of a class; explained share of the spread (0 is chance) of
            a number.
        p: Share of turned targets that are predicted as well.
        people: Who could be looked at.
        is_class: The target is a class.
    """

    score: float
    p: float
    people: int
    is_class: bool

    @property
    def follows_clock(self) -> bool:
        """Whether the target follows the clock by more than chance."""
        return self.people >= FEWEST_PEOPLE and self.p <= 0.01


def changes(sequence: TimeSeries) -> Array:
    """Return when a recording's target changes, seconds from the recording's start, ascending.

    Args:
        sequence: Its steps without a label are passed over.
    """
    known = sequence.labelled & np.isfinite(np.asarray(sequence.targets, dtype=np.float64))
    y = np.asarray(sequence.targets[known], dtype=np.float64)
    t = sequence.times[known]
    if len(y) == 0:
        return np.empty(0)
    if _is_class(sequence):
        return np.asarray(t[1:][y[1:] != y[:-1]])
    step = sequence.step_seconds
    if len(y) < 3 or np.mean(np.abs(np.diff(y) + np.diff(t)) < 0.1 * step) < 0.5:
        return np.empty(0)  # it counts nothing down
    ends = t + y
    new = np.abs(np.diff(ends, prepend=-np.inf)) > 0.5 * step
    return np.asarray(ends[new])


def fixed_distances(sequences: Sequence[TimeSeries]) -> list[FixedDistance]:
    """Return the edges from which the targets of nearly all recordings change at one distance.

    Args:
        sequences: A whole recording each.
    """
    found = [(s, changes(s)) for s in sequences]
    found = [(s, c) for s, c in found if len(c)]
    people = {s.subject for s, _ in found}
    if len(found) < FEWEST or len(people) < FEWEST_PEOPLE:
        return []
    near = max(NEAR, *(1.5 * s.step_seconds for s, _ in found))
    lengths = [s.times[-1] + s.step_seconds for s, _ in found]
    if near > NEAR_SHARE * np.median(lengths):
        return []
    after = np.array([c[0] for _, c in found])
    before = np.array([s.times[-1] + s.step_seconds - c[-1] for s, c in found])
    out = []
    for edge, distances in (("start", after), ("end", before)):
        centre = float(np.median(distances))
        agree = int((np.abs(distances - centre) <= near).sum())
        if agree >= AGREEING * len(found):
            out.append(
                FixedDistance(edge=edge, seconds=max(0.0, centre), recordings=agree, of=len(found))
            )
    return out


def clock_score(sequences: Sequence[TimeSeries], seed: int = 0) -> ClockScore | None:
    """Return how well the time since the start predicts the target across people.

    Args:
        sequences: A whole recording each.
        seed: Of the turns.

    Returns:
        None where fewer than `FEWEST_PEOPLE` people have a target that varies.
    """
    blocks = [b for s in sequences if (b := _Blocks.of(s)) is not None]
    if not blocks:
        return None
    is_class = all(_is_class(s) for s in sequences)
    persons = sorted({b.subject for b in blocks})
    number = {p: i for i, p in enumerate(persons)}
    edges = np.unique(np.quantile(np.concatenate([b.times for b in blocks]), _QUANTILES))
    random = np.random.default_rng(seed)
    # [turns, people, stretches]: sums of targets, and their weights; the first turn is none
    shape = (TURNS + 1, len(persons), len(edges) + 1)
    sums, weights, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for b in blocks:
        at = np.searchsorted(edges, b.times, side="right")
        n = len(at)
        shifts = np.concatenate([[0], random.integers(0, n, TURNS)])
        turned = (np.arange(n)[None, :] + shifts[:, None]) % n
        for out, values in ((sums, b.sums), (weights, b.weights), (squares, b.squares)):
            flat = at[None, :] + shape[2] * np.arange(len(shifts))[:, None]
            added = np.bincount(
                flat.ravel(), weights=values[turned].ravel(), minlength=shape[2] * len(shifts)
            )
            out[:, number[b.subject]] += added.reshape(len(shifts), shape[2])
    scores = _aucs(sums, weights) if is_class else _explained(sums, weights, squares)
    known = np.isfinite(scores[0])
    if known.sum() < FEWEST_PEOPLE:
        return None
    means = np.nanmean(scores[:, known], axis=1)
    as_good = int((means[1:] >= means[0] - 1e-12).sum())
    return ClockScore(
        score=float(means[0]),
        p=(1 + as_good) / (1 + TURNS),
        people=int(known.sum()),
        is_class=is_class,
    )


_QUANTILES = np.linspace(0, 1, STRETCHES + 1)[1:-1]


@dataclass(frozen=True, kw_only=True)
class _Blocks:
    """A recording in at most `BLOCKS` blocks: sums of its targets, of their squares, and counts."""

    subject: str
    times: Array
    sums: Array
    weights: Array
    squares: Array

    @classmethod
    def of(cls, s: TimeSeries) -> _Blocks | None:
        known = s.labelled & np.isfinite(np.asarray(s.targets, dtype=np.float64))
        if not known.any():
            return None
        size = -(-s.n_steps // BLOCKS)
        firsts = np.arange(0, s.n_steps, size)
        y = np.where(known, np.asarray(s.targets, dtype=np.float64), 0.0)
        return cls(
            subject=s.subject,
            times=s.times[firsts],
            sums=np.add.reduceat(y, firsts),
            weights=np.add.reduceat(known.astype(np.float64), firsts),
            squares=np.add.reduceat(y**2, firsts),
        )


def _is_class(sequence: TimeSeries) -> bool:
    values = np.asarray(sequence.targets)
    return bool(np.isin(values, (UNLABELLED, 0, 1)).all())


def _expected(sums: Array, weights: Array) -> Array:
    """Return ``[turns, people, stretches]``: the mean target of the others, smoothed over neighbours."""
    others = sums.sum(axis=1, keepdims=True) - sums
    counts = weights.sum(axis=1, keepdims=True) - weights
    total = others.sum(axis=2, keepdims=True) / np.maximum(counts.sum(axis=2, keepdims=True), 1e-9)
    smooth, seen = _smoothed(others), _smoothed(counts)
    weight = 0.01 * seen.max(axis=2, keepdims=True) + 1e-9  # where nobody else was: the mean
    return np.asarray((smooth + weight * total) / (seen + weight))


def _smoothed(values: Array) -> Array:
    padded = np.pad(values, ((0, 0), (0, 0), (1, 1)))
    return np.asarray(0.25 * padded[..., :-2] + 0.5 * values + 0.25 * padded[..., 2:])


def _aucs(sums: Array, weights: Array) -> Array:
    """Return ``[turns, people]``: the AUC within each person; NaN for one who has one class."""
    order = np.argsort(_expected(sums, weights), axis=2, kind="stable")
    positive = np.take_along_axis(sums, order, axis=2)
    negative = np.take_along_axis(weights - sums, order, axis=2)
    below = np.cumsum(negative, axis=2) - negative
    pairs = positive.sum(axis=2) * negative.sum(axis=2)
    won = (positive * (below + 0.5 * negative)).sum(axis=2)
    return np.asarray(np.divide(won, pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0))


def _explained(sums: Array, weights: Array, squares: Array) -> Array:
    """Return ``[turns, people]``: how much of the spread about the others' mean the clock explains."""
    guess = _expected(sums, weights)
    others = sums.sum(axis=1, keepdims=True) - sums
    counts = weights.sum(axis=1, keepdims=True) - weights
    mean = others.sum(axis=2, keepdims=True) / np.maximum(counts.sum(axis=2, keepdims=True), 1e-9)
    left = (squares - 2 * guess * sums + guess**2 * weights).sum(axis=2)
    about = (squares - 2 * mean * sums + mean**2 * weights).sum(axis=2)
    return np.asarray(1 - np.divide(left, about, out=np.full(about.shape, np.nan), where=about > 0))
