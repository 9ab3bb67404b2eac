"""Updates to a target loss, where some runs never get there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

NEVER = math.inf
#: How far below chance a target has to lie, as a share of it.
CLEARLY = 0.1
#: How far from chance to a good run the target lies that the program chooses.
FAR = 0.9
Curve = Sequence[tuple[int, float]]


def updates_to_target(curve: Curve, target: float) -> float:
    """Return the first update at which a loss was at or below the target; `NEVER` where it was not."""
    return next((float(update) for update, loss in curve if loss <= target), NEVER)


def clearly_below(chance: float) -> float:
    """Return the largest loss that is clearly below chance: a tenth of it lower."""
    return chance - CLEARLY * abs(chance)


def target_of(best: Iterable[float], chance: float) -> float:
    """Return a target for who gave none: nine tenths of the way from chance to a good run.

    A good run is the median of all runs of all settings, best loss of each. All settings enter alike: names
    of settings that were swapped would give the same target, which is what a test under the null needs.

    Args:
        best: The best validation loss of each run; NaN is left out.
        chance: The loss of the best constant prediction.

    Returns:
        NaN where the median run is not clearly below chance: then no time is counted.
    """
    known = [loss for loss in best if not math.isnan(loss)]
    if not known or math.isnan(chance):
        return float("nan")
    good = float(np.median(known))
    if good > clearly_below(chance):
        return float("nan")
    return chance - FAR * (chance - good)


def horizon(updates: Sequence[float], followed: Sequence[float]) -> float:
    """Return the update up to which it is known of every run whether it got to the target.

    The restricted mean of log updates is taken up to there: a run that was ended earlier without having got
    there (an early stop) is then no guess. Everybody who got there at all is known for all times.

    Args:
        updates: Of each run to the target; `NEVER` where it did not get there.
        followed: Of each run the updates that it was followed for; infinite where it never can get there.
    """
    known = [f for f in followed if f < NEVER]
    cut = [f for u, f in zip(updates, followed, strict=True) if u == NEVER]
    return min([*cut, max(known)]) if known else float("nan")


def log_updates(updates: float, budget: float) -> float:
    """Return ``ln(min(updates, budget))``, whose mean is the restricted mean of log updates.

    A run that never got there counts as the whole budget. That is no estimate of when it would have: a
    difference between a run that got there and one that did not is *at least* this large.
    At least one update is counted, for the logarithm.

    Args:
        updates: From `updates_to_target`.
        budget: From `horizon`.
    """
    return math.log(max(1.0, min(updates, budget)))


def log_rank(a: Sequence[float], b: Sequence[float], followed: float) -> float:
    """Return the two-sided p of the log-rank test of times to the target; NaN where nobody got there.

    Args:
        a: Updates of each run of one setting; `NEVER` where it did not get there.
        b: Of the other's runs.
        followed: From `horizon`: what happened later is censored.
    """
    from scipy.stats import CensoredData, logrank

    if not a or not b or not any(u <= followed for u in (*a, *b)):
        return float("nan")
    sides = [
        CensoredData.right_censored([min(u, followed) for u in each], [u > followed for u in each])
        for each in (a, b)
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(logrank(sides[0], sides[1]).pvalue)
