"""Which features differ between the classes, over people; and which pairs of features correlate otherwise.

Steps of one person are no independent observations (windows overlap, nights are alike), so each person
counts once. For feature f and person s with steps of both classes, ``d_s = mean of f over positive steps -
mean over negative ones``; the d_s are tested against 0 by a paired t test (Student 1908) and by the
sign-flip permutation test (Fisher 1935), which assumes no distribution but needs people: with n of them its
p is never below 2 / 2^n. Both are corrected over all features (Holm 1979). Effect sizes: ``dz = mean(d) /
sd(d)`` (Cohen 1988), and the AUC by step within a person, averaged: the chance that a positive step lies
above a negative one.

Pairs of features, as S. Schumacher compared pairs of channels between open and closed eyes: r of the pair
over the steps of each class of a person, by Fisher's (1915) ``z = artanh r``; the differences ``z_positive -
z_negative`` are tested over people by t, corrected over all pairs. Under ``--features correlation`` the
features are themselves such z of pairs of channels, and the first table is that comparison.

Only the training split is looked at. One person gives means and no test: they say nothing about people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.escape import table
from memcell.sequences.time_series import TimeSeries
from memcell.statistics.paired import cohens_dz, holm, sign_flips

ALPHA = 0.05
#: Of more features than this no pairs are made: a table of 20,000 rows helps nobody.
MOST_PAIRED = 100
#: In the name of a feature that is the correlation of two channels.
CORRELATED = "~"
#: Steps of a class that a correlation takes at least.
FEWEST = 10
_EDGE = 1 - 1e-6


@dataclass(frozen=True, kw_only=True)
class ClassTest:
    """A quantity held against itself between the classes, over people.

    Args:
        name: Of the feature, or of the pair.
        n: People with both classes.
        negative: Mean over people of their means (or z) over negative steps.
        positive: Likewise over positive steps.
        difference: Mean of ``d_s``.
        dz: Its effect size; nan with one person.
        auc: Mean AUC by step; nan for a pair.
        p_t: Of the paired t test; nan with one person.
        p_t_holm: The same, corrected.
        p_flip: Of the sign-flip test; nan for a pair and with one person.
        p_flip_holm: The same, corrected.
    """

    name: str
    n: int
    negative: float
    positive: float
    difference: float
    dz: float
    auc: float
    p_t: float
    p_t_holm: float
    p_flip: float
    p_flip_holm: float


def feature_tests(train: Sequence[TimeSeries], names: Sequence[str]) -> list[ClassTest]:
    """Test every feature.

    Args:
        train: The training sequences.
        names: Of the features, in order.
    """
    people = _people(train)
    shape = (len(people), len(names))
    pairs = np.array([[x[y == c].mean(axis=0) for c in (0, 1)] for x, y in people])
    low, high = pairs.reshape(-1, 2, len(names)).swapaxes(0, 1)
    auc = np.array([_auc(x, y) for x, y in people]).reshape(shape)
    return _tested(names, low, high, auc, flip=True)


def correlation_tests(train: Sequence[TimeSeries], names: Sequence[str]) -> list[ClassTest]:
    """Test every pair of features; none where there are more than `MOST_PAIRED` or fewer than two.

    Features that are correlations already (``"O1~O2"``) are left out: they stand in the first table.

    Args:
        train: The training sequences.
        names: Of the features, in order.
    """
    paired = np.array([k for k, name in enumerate(names) if CORRELATED not in name], dtype=np.int64)
    if not 2 <= len(paired) <= MOST_PAIRED:
        return []
    first, second = (paired[rows] for rows in np.triu_indices(len(paired), 1))
    made = [
        [_z(x[y == c])[first, second] for c in (0, 1)]
        for x, y in _people(train)
        if min(np.sum(y == 0), np.sum(y == 1)) >= FEWEST
    ]
    low, high = np.array(made).reshape(-1, 2, len(first)).swapaxes(0, 1)
    of = [f"{names[a]} ~ {names[b]}" for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    return _tested(of, low, high, np.full(low.shape, np.nan), flip=False)


def as_table(tests: Sequence[ClassTest]) -> str:
    """Return tests as tab-separated values, the smallest p of t first; ``n/a`` where undefined."""
    heads = list(ClassTest.__dataclass_fields__)
    ordered = sorted(tests, key=_clearest)
    return table([heads, *([_cell(getattr(t, head)) for head in heads] for t in ordered)])


def in_words(tests: Sequence[ClassTest], what: str, file: str) -> str:
    """Return in one line how many differ, and how far that can be trusted.

    Args:
        tests: Of one family.
        what: ``"features"``.
        file: Where they are written.
    """
    n = max((t.n for t in tests), default=0)
    if n < 2:
        return (
            f"{file}: {what} by class of {n} training subject(s) with both classes: too few for "
            "a test, and no result about people"
        )
    differ = sorted((t for t in tests if t.p_t_holm < ALPHA), key=lambda t: t.p_t)
    line = (
        f"{file}: {len(differ)} of {len(tests)} {what} differ between the classes over {n} training "
        "subjects (paired t, Holm)"
    )
    if differ:
        line += f", first {differ[0].name} (dz {differ[0].dz:+.2f})"
    if 2.0 ** (1 - n) > ALPHA:
        line += f"; a sign-flip test cannot decide with {n} subjects"
    return line


def inspected(
    train: Sequence[TimeSeries], names: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Return ``features.tsv`` and ``feature_correlations.tsv``, and a line on each.

    Args:
        train: The training sequences.
        names: Of the features, in order.
    """
    found = {
        "features.tsv": ("features", feature_tests(train, names)),
        "feature_correlations.tsv": ("pairs of features", correlation_tests(train, names)),
    }
    found = {file: made for file, made in found.items() if made[1]}
    lines = [in_words(tests, what, file) for file, (what, tests) in found.items()]
    return {file: as_table(tests) for file, (_, tests) in found.items()}, lines


def _people(train: Sequence[TimeSeries]) -> list[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Return features and targets of the labelled steps of everyone who has both classes."""
    out = []
    for subject in sorted({s.subject for s in train}):
        own = [s for s in train if s.subject == subject]
        y = np.concatenate([s.targets[s.labelled] for s in own]).astype(np.int64)
        if len(np.unique(y)) == 2:
            x = np.concatenate([s.features[s.labelled] for s in own]).astype(np.float64)
            out.append((x, y))
    return out


def _auc(x: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ``[F]`` the area under the curve of each feature: Mann and Whitney's U over n_0 n_1."""
    from scipy.stats import rankdata

    positive = y == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(x, axis=0)[positive].sum(axis=0)
    return np.asarray((ranks - n1 * (n1 + 1) / 2) / (n0 * n1))


def _z(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[F, F]`` Fisher's z of the correlations; 0 where a feature does not vary."""
    centred = x - x.mean(axis=0)
    length = np.sqrt(np.sum(centred**2, axis=0))
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9)
    return np.asarray(np.arctanh(np.clip(unit.T @ unit, -_EDGE, _EDGE)))


def _tested(
    names: Sequence[str],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    auc: NDArray[np.float64],
    flip: bool,
) -> list[ClassTest]:
    """Test the columns of ``high - low`` ``[n, F]`` against 0."""
    n = len(low)
    if n == 0:
        low = high = auc = np.full((1, len(names)), np.nan)
    d = high - low
    p_t = _paired_t(d) if n > 1 else np.full(len(names), np.nan)
    flipped = flip and n > 1
    p_flip = sign_flips(d.T) if flipped else np.full(len(names), np.nan)
    t_holm, flip_holm = holm(p_t), holm(p_flip)
    return [
        ClassTest(
            name=name,
            n=n,
            negative=float(low[:, f].mean()),
            positive=float(high[:, f].mean()),
            difference=float(d[:, f].mean()),
            dz=cohens_dz(d[:, f]) if n > 1 else float("nan"),
            auc=float(auc[:, f].mean()),
            p_t=float(p_t[f]),
            p_t_holm=float(t_holm[f]),
            p_flip=float(p_flip[f]),
            p_flip_holm=float(flip_holm[f]),
        )
        for f, name in enumerate(names)
    ]


def _paired_t(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[F]`` two-sided p of the mean of ``d [n, F]`` being 0; nan where all d are alike."""
    from scipy.stats import t

    n = len(d)
    spread = d.std(axis=0, ddof=1)
    varies = spread > 1e-12 * np.abs(d).max(axis=0)
    error = np.where(varies, spread, np.nan) / np.sqrt(n)
    return np.asarray(2 * t.sf(np.abs(d.mean(axis=0) / error), n - 1))


def _clearest(test: ClassTest) -> tuple[bool, float, float]:
    """Return what a table is ordered by: p of t, and where there is none, how far the classes lie apart."""
    apart = abs(test.difference) if math.isnan(test.auc) else abs(test.auc - 0.5)
    untested = math.isnan(test.p_t)
    return untested, 0.0 if untested else test.p_t, 0.0 if math.isnan(apart) else -apart


def _cell(value: str | int | float) -> str:
    if isinstance(value, float):
        return "n/a" if math.isnan(value) else f"{value:.6g}"
    return str(value)
