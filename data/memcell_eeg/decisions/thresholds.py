"""A threshold on probabilities: the best on a validation split by cost or kappa, or the likelier class's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A step is positive when its probability is at least ``value``.

    Args:
        value: From 0 to 1.
        note: Why it is .5 where it could not be chosen; empty otherwise.
    """

    value: float
    note: str = ""


def choose_threshold(
    targets: NDArray[np.int64], probabilities: NDArray[np.float64], cost_ratio: float = 1.0
) -> Threshold:
    """Return the best threshold.

    Args:
        targets: ``[n]`` 0 or 1.
        probabilities: ``[n]`` of class 1.
        cost_ratio: r of the equation above.

    Where several are best the one nearest to .5 is taken; it lies midway between two probabilities,
    so that rounding moves no step across it.
    """
    positives = int(np.sum(targets == 1))
    negatives = len(targets) - positives
    if positives == 0 or negatives == 0:
        lacks = "no labelled step" if len(targets) == 0 else "one class only"
        return Threshold(value=HALF, note=f"threshold .5: the validation split has {lacks}")
    levels, level_of = np.unique(probabilities, return_inverse=True)
    hits = np.bincount(level_of, weights=targets == 1, minlength=len(levels))
    alarms = np.bincount(level_of, weights=targets == 0, minlength=len(levels))
    # Candidate k calls levels[k:] positive: 0 everything, the last nothing.
    sensitivity = 1 - np.concatenate([[0], np.cumsum(hits)]) / positives
    specificity = np.concatenate([[0], np.cumsum(alarms)]) / negatives
    gain = cost_ratio * sensitivity + specificity
    above = max((levels[-1] + 1) / 2, np.nextafter(levels[-1], 2))
    values = np.concatenate([levels[:1], (levels[:-1] + levels[1:]) / 2, [above]])
    best = np.flatnonzero(gain >= gain.max() - 1e-12)
    return Threshold(value=float(values[best[np.argmin(np.abs(values[best] - HALF))]]))


#: A threshold is the middle of those whose kappa is this close to the largest.
PLATEAU = 0.01


def choose_by_kappa(targets: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Threshold:
    """Return a threshold of the largest kappa (Cohen 1960).

    Kappa jumps from step to step where few are positive, so the largest alone is luck. Taken is the mean, in
    log odds, of the thresholds around it whose kappa is no more than `PLATEAU` below; none of them lies
    between two that are worse.

    Args:
        targets: ``[n]`` 0 or 1.
        probabilities: ``[n]`` of class 1.
    """
    n, positives = len(targets), int(np.sum(targets == 1))
    if positives in (0, n):
        return choose_threshold(targets, probabilities)
    levels, kappa = _kappas(targets, probabilities)
    above = max((levels[-1] + 1) / 2, np.nextafter(levels[-1], 2))
    values = np.concatenate([levels[:1], (levels[:-1] + levels[1:]) / 2, [above]])
    best = np.flatnonzero(kappa >= kappa.max() - 1e-12)
    at = best[np.argmin(np.abs(values[best] - HALF))]
    worse = np.flatnonzero(kappa < kappa.max() - PLATEAU)
    first = worse[worse < at].max(initial=-1) + 1
    last = worse[worse > at].min(initial=len(values))
    odds = float(np.mean(_log_odds(values[first:last])))
    middle = 1 / (1 + np.exp(-odds))
    return Threshold(value=float(np.clip(middle, values[first], values[last - 1])))


#: People from whom on the spread over people says something.
ENOUGH_PEOPLE = 3


def choose_across_people(
    targets: NDArray[np.int64], probabilities: NDArray[np.float64], people: NDArray[np.int64]
) -> Threshold:
    """Return the threshold of `choose_by_kappa`, or .5 where it lies within one standard error of that.

    A threshold is for the next person, and the best one for a few people may be one odd person's. The
    standard error is the jackknife's over people, of the threshold's log odds v (Tukey 1958)::

        SE^2 = (n - 1) / n  sum_k (v_k - mean v)^2

    with v_k the threshold that is chosen without person k.

    Args:
        targets: ``[n]`` 0 or 1.
        probabilities: ``[n]`` of class 1.
        people: ``[n]``: whose step it is. With fewer than `ENOUGH_PEOPLE` no standard error is trusted.
    """
    chosen = choose_by_kappa(targets, probabilities)
    everybody = np.unique(people)
    if len(everybody) < ENOUGH_PEOPLE or chosen.note:
        return chosen
    without = [
        choose_by_kappa(targets[people != k], probabilities[people != k]).value for k in everybody
    ]
    odds = _log_odds(np.array(without))
    error = np.sqrt((len(odds) - 1) * odds.var())
    if abs(float(_log_odds(np.array(chosen.value)))) <= error:
        return Threshold(value=HALF, note="threshold .5: the chosen one differs by person")
    return chosen


def _log_odds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(values, _NEAREST, 1 - _NEAREST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


#: Nearer to 0 or 1 no threshold counts as, in log odds.
_NEAREST = 1e-7


def _kappas(
    targets: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distinct probabilities, and kappa where those from the k-th on are called positive."""
    n, positives = len(targets), int(np.sum(targets == 1))
    levels, level_of = np.unique(probabilities, return_inverse=True)
    hits = np.bincount(level_of, weights=targets == 1, minlength=len(levels))
    every = np.bincount(level_of, minlength=len(levels)).astype(np.float64)
    # Candidate k calls levels[k:] positive: 0 everything, the last nothing.
    hit = positives - np.concatenate([[0], np.cumsum(hits)])
    called = n - np.concatenate([[0], np.cumsum(every)])
    right = (2 * hit - called - positives + n) / n
    chance = (called * positives + (n - called) * (n - positives)) / n**2
    return levels, (right - chance) / (1 - chance)


def kappa_at(
    targets: NDArray[np.int64], probabilities: NDArray[np.float64], threshold: float
) -> float:
    """Return kappa where both classes occur and steps are positive from a probability on."""
    n = len(targets)
    called, true = probabilities >= threshold, targets == 1
    right = float(np.mean(called == true))
    chance = (called.sum() * true.sum() + (~called).sum() * (~true).sum()) / n**2
    return float((right - chance) / (1 - chance))


def likelier(weight_odds: float) -> float:
    """Return the threshold of the likelier class, training's shift of the prior undone."""
    return weight_odds / (1 + weight_odds)
