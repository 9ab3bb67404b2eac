"""Labels that fit a recording better at another time: a hypnogram of another start, or of another recording.

A linear discriminant of the features, fitted on the other people, gives each recording a score over time.
Labels are moved against it, and what the best place gains over where they lie is held against what it gains
in the other recordings: one that gains much more, or all that gain at one and the same place, are shifted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import TimeSeries

Array = NDArray[np.float64]

#: Features that are looked at, at most; weight of the identity in their covariance.
COLUMNS, RIDGE = 64, 0.1
#: Share of a recording that labels are moved by at most, and least seconds and steps of a shift that is said.
FARTHEST, NEAREST, STEPS = 0.3, 20.0, 3
#: Least correlation at the better place, and what it has to gain at least over where the labels lie.
FOLLOWS, GAINED = 0.4, 0.05
#: Recordings that are needed; the quantile of the others' gains (some may be shifted too), and times that.
FEWEST, OTHERS, TIMES = 4, 0.75, 2.0


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Labels of a recording that fit better at another time.

    Args:
        name: The recording's.
        seconds: By which they would have to be moved (later where positive).
        here: Correlation of labels and score as they lie.
        there: When moved.
    """

    name: str
    seconds: float
    here: float
    there: float


def shifts(sequences: Sequence[TimeSeries]) -> list[Shift]:
    """Return the recordings whose labels fit much better at another time, where the others' fit as they are.

    Args:
        sequences: A whole recording each, of one pipeline.
    """
    people = sorted({s.subject for s in sequences})
    usable = [s for s in sequences if s.n_steps >= 30 and s.labelled.any()]
    if len(people) < 3 or not usable:
        return []
    scores = _scores(usable, people)
    looked = [
        (s, found)
        for s, score in zip(usable, scores, strict=True)
        if (found := _best(s, score)) is not None
    ]
    if len(looked) < FEWEST:
        return []
    gains = np.array([there - here for _, (_, here, there) in looked])
    lags = np.array([lag for _, (lag, _, _) in looked])
    common = float(np.median(lags))
    together = np.mean(np.abs(lags - common) <= 2) >= OTHERS and np.median(gains) >= GAINED
    out = []
    for i, (s, (lag, here, there)) in enumerate(looked):
        usual = float(np.quantile(np.delete(gains, i), OTHERS))
        moved = abs(lag) >= STEPS and abs(lag) * s.step_seconds >= NEAREST
        if moved and there >= FOLLOWS and (together or gains[i] >= GAINED + TIMES * usual):
            seconds = lag * s.step_seconds
            out.append(Shift(name=s.name, seconds=seconds, here=here, there=there))
    return out


def _scores(sequences: Sequence[TimeSeries], people: Sequence[str]) -> list[Array]:
    """Return the score of each recording over time, by a discriminant of the other people."""
    columns = np.unique(
        np.linspace(0, sequences[0].n_features - 1, COLUMNS).round().astype(np.int64)
    )
    f = len(columns)
    # of each person and class: count, sum and sum of products
    n = np.zeros((len(people), 2))
    sums = np.zeros((len(people), 2, f))
    products = np.zeros((len(people), f, f))
    values = []
    for s in sequences:
        x = np.asarray(s.features[:, columns], dtype=np.float64)
        values.append(x)
        k = people.index(s.subject)
        for c in (0, 1):
            own = x[np.asarray(s.targets == c)]
            n[k, c] += len(own)
            sums[k, c] += own.sum(axis=0)
            products[k] += own.T @ own
    out = []
    for s, x in zip(sequences, values, strict=True):
        k = people.index(s.subject)
        count, total = n.sum(axis=0) - n[k], sums.sum(axis=0) - sums[k]
        if not count.all():
            out.append(np.zeros(len(x)))
            continue
        means = total / count[:, None]
        within = products.sum(axis=0) - products[k]
        within -= (count[:, None] * means).T @ means
        within /= count.sum()
        scale = np.sqrt(np.maximum(np.diag(within), 1e-12))
        normal = within / scale[:, None] / scale[None, :] + RIDGE * np.eye(f)
        weights = np.linalg.solve(normal, (means[1] - means[0]) / scale) / scale
        out.append((x - means.mean(axis=0)) @ weights)
    return out


def _best(s: TimeSeries, score: Array) -> tuple[int, float, float] | None:
    """Return the best lag, and the correlations of labels and score as they lie and there."""
    known = s.labelled.astype(np.float64)
    y = np.where(s.labelled, np.asarray(s.targets == 1, dtype=np.float64), 0.0)
    rank = np.argsort(np.argsort(score)) / max(1, len(score) - 1)  # artefacts count little
    n = len(y)
    if len(np.unique(y[s.labelled])) < 2:
        return None
    length = 1 << int(np.ceil(np.log2(2 * n)))
    most = max(1, int(FARTHEST * n))
    lags = np.arange(-most, most + 1)

    def products(a: Array, b: Array) -> Array:
        """Return sum over t of a[t] b[t + lag]."""
        made = np.fft.irfft(np.conj(np.fft.rfft(a, length)) * np.fft.rfft(b, length), length)
        return np.asarray(made[lags % length])

    ones = np.ones(n)
    count = np.maximum(products(known, ones), 1.0)
    sum_y, sum_z = products(y, ones), products(known, rank)
    covariance = products(y, rank) - sum_y * sum_z / count
    of_y = np.maximum(sum_y - sum_y**2 / count, 0.0)
    of_z = np.maximum(products(known, rank**2) - sum_z**2 / count, 1e-9)
    # a class of which hardly anything is left in sight shows nothing
    enough = of_y >= 0.5 * of_y[most]
    r = np.where(enough, covariance / np.sqrt(np.maximum(of_y * of_z, 1e-12)), -1.0)
    at = int(np.argmax(r))
    return int(lags[at]), float(r[most]), float(r[at])
