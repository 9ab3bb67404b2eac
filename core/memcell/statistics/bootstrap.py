"""Bootstrap intervals and interquartile means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Resamples of an interval, the seed that they are drawn with, and what the interval covers.
RESAMPLES = 10_000
SEED = 20260102
COVERAGE = 0.95

Interval = tuple[float, float]
#: A function over the last axis: ``[..., n] -> [...]``.
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
NONE: Interval = (float("nan"), float("nan"))


def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the last axis."""
    return np.asarray(values.mean(axis=-1))


def iqm(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the interquartile mean over the last axis: a quarter of the values is cut at each end.

    Whole values are cut, ``floor(n / 4)`` at each end, as `scipy.stats.trim_mean` does (Agarwal et al. 2021).
    """
    cut = values.shape[-1] // 4
    ordered = np.sort(values, axis=-1)
    return np.asarray(ordered[..., cut : values.shape[-1] - cut].mean(axis=-1))


def interval(values: ArrayLike, statistic: Statistic = mean) -> Interval:
    """Return a 95 % BCa interval (Efron 1987) of a statistic of independent values.

    The percentile interval where the acceleration is not defined; NaN with fewer than 2 values. With
    few values it is too narrow (at 5 seeds it misses the truth 15 times in 100): it describes, and
    `memcell.statistics.signflip` decides.

    Args:
        values: ``[n]`` finite numbers: one for each seed, or for each subject.
        statistic: Over the last axis.
    """
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    if n < 2:
        return NONE
    observed = float(statistic(x))
    if np.all(x == x[0]):
        return observed, observed
    rows = np.random.default_rng(SEED).integers(0, n, size=(RESAMPLES, n))
    drawn = statistic(x[rows])
    left_out = statistic(np.array([np.delete(x, i) for i in range(n)]))
    return _bca(observed, drawn, left_out)


def stratified_interval(strata: Sequence[ArrayLike], statistic: Statistic = iqm) -> Interval:
    """Return a 95 % percentile interval of a statistic of all values, resampled within each stratum.

    As Agarwal et al. 2021 ("Deep reinforcement learning at the edge of the statistical precipice"):
    the strata (test subjects) stay, and the runs within each of them are drawn anew.

    Args:
        strata: For each subject the values of its runs; at least 2 values in one of them.
        statistic: Over the last axis.
    """
    groups = [np.asarray(s, dtype=np.float64) for s in strata if np.size(s)]
    if not any(len(g) > 1 for g in groups):
        return NONE
    random = np.random.default_rng(SEED)
    drawn = [g[random.integers(0, len(g), size=(RESAMPLES // 5, len(g)))] for g in groups]
    return percentile_interval(statistic(np.concatenate(drawn, axis=1)))


def ratio_interval(above: ArrayLike, below: ArrayLike) -> tuple[float, float, float]:
    """Return the ratio of two means over the same runs, with a 95 % percentile interval.

    The runs are drawn anew, both of their values together. The ratio is NaN unless the mean below is
    positive, and the interval is NaN unless it stays positive in every resample: a share of nothing
    has no size.

    Args:
        above: ``[n]`` finite numbers.
        below: ``[n]`` of the same runs.
    """
    a, b = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    if len(a) == 0 or not b.mean() > 0:
        return (float("nan"), *NONE)
    ratio = float(a.mean() / b.mean())
    if len(a) < 2:
        return (ratio, *NONE)
    rows = np.random.default_rng(SEED).integers(0, len(a), size=(RESAMPLES, len(a)))
    drawn_above, drawn_below = a[rows].mean(axis=1), b[rows].mean(axis=1)
    if not (drawn_below > 0).all():
        return (ratio, *NONE)
    return (ratio, *percentile_interval(drawn_above / drawn_below))


def percentile_interval(drawn: NDArray[np.float64]) -> Interval:
    """Return the middle 95 % of resampled statistics."""
    low, high = np.quantile(drawn, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


def _bca(observed: float, drawn: NDArray[np.float64], left_out: NDArray[np.float64]) -> Interval:
    from scipy.special import ndtr, ndtri

    bends = left_out.mean() - left_out
    scale = 6 * float((bends**2).sum()) ** 1.5
    # Half of the ties: a statistic on few values falls on itself often.
    below = float(np.mean((drawn < observed) + 0.5 * (drawn == observed)))
    if scale == 0 or not 0 < below < 1:
        return percentile_interval(drawn)
    acceleration, bias = float((bends**3).sum()) / scale, float(ndtri(below))
    z = bias + ndtri([(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    shares = ndtr(bias + z / (1 - acceleration * z))
    low, high = np.quantile(drawn, shares)
    return float(low), float(high)


def band(curves: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a 95 % percentile band of the mean of curves, whole curves resampled together.

    Args:
        curves: ``[n_seeds, n_points]``; NaN throughout with fewer than 2 seeds.
    """
    n, points = curves.shape
    if n < 2:
        return np.full(points, np.nan), np.full(points, np.nan)
    rows = np.random.default_rng(SEED).integers(0, n, size=(RESAMPLES // 5, n))
    counts = np.stack([(rows == i).sum(axis=1) for i in range(n)], axis=1)
    low, high = np.quantile(counts @ curves / n, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=0)
    return low, high
