"""Small estimates that probes share. What cannot be estimated is None."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

#: Values that a ratio of means needs.
FEWEST = 5


def known(values: Iterable[float | None]) -> list[float]:
    """Return the values that are finite numbers."""
    return [float(v) for v in values if v is not None and math.isfinite(v)]


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of what is known."""
    found = known(values)
    return sum(found) / len(found) if found else None


def error(values: Iterable[float | None]) -> float | None:
    """Return the standard error of the mean, the values taken as independent."""
    found = known(values)
    return float(np.std(found, ddof=1) / math.sqrt(len(found))) if len(found) > 1 else None


def minus(a: float | None, b: float | None) -> float | None:
    """Return a - b."""
    return None if a is None or b is None else a - b


def ratio_of_means(
    above: Sequence[float | None], below: Sequence[float | None]
) -> tuple[float | None, str]:
    """Return mean(above) / mean(below), and why not where it is not given.

    Guard: at least `FEWEST` values of each, and the mean below more than two of its standard errors above
    zero; otherwise the ratio is one of noise.
    """
    top, bottom, spread = mean(above), mean(below), error(below)
    few = min(len(known(above)), len(known(below))) < FEWEST
    if few or top is None or bottom is None or spread is None:
        return None, f"fewer than {FEWEST} measurements"
    if bottom <= 2 * spread:
        return None, f"the mean below is {bottom:.3g} with a standard error of {spread:.2g}"
    return top / bottom, ""


def rank_correlation(
    a: Sequence[float | None], b: Sequence[float | None]
) -> tuple[float | None, int]:
    """Return Spearman's correlation over the pairs where both are known, and their number."""
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if known((x,)) and known((y,))]
    if len(pairs) < 3:
        return None, len(pairs)
    columns = np.array([_ranks([p[i] for p in pairs]) for i in (0, 1)])
    if (columns.std(axis=1) == 0).any():
        return None, len(pairs)
    return float(np.corrcoef(columns)[0, 1]), len(pairs)


def _ranks(values: Sequence[float | None]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return ranks from 0, ties at their mean."""
    found = np.array(values, dtype=np.float64)
    _, inverse, counts = np.unique(found, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    middle: np.ndarray[tuple[int], np.dtype[np.float64]] = (last - (counts + 1) / 2)[inverse]
    return middle


def decay(lags: Sequence[float], values: Sequence[float | None]) -> tuple[float | None, str]:
    """Return the half-life of values that decay as ``exp(-lag / tau)``, and why not where there is none.

    A least-squares line through the logarithms, up to the first value that is not positive.
    """
    points: list[tuple[float, float]] = []
    for lag, value in zip(lags, values, strict=True):
        if value is None or not value > 0:
            break
        points.append((float(lag), math.log(value)))
    if len(points) < 3:
        return None, f"only {len(points)} positive values before the first that is not"
    slope = float(np.polyfit([p[0] for p in points], [p[1] for p in points], 1)[0])
    if slope >= 0:
        return None, f"no decay within {points[-1][0]:g}"
    return -math.log(2) / slope, ""


def shown(value: float | None, form: str = ".3g") -> str:
    """Return a number for a line of text, ``-`` where it is not known."""
    return "-" if value is None else format(value, form)
