"""Updates to a target loss, where some runs never get there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

NEVER = math.inf
Curve = Sequence[tuple[int, float]]


def updates_to_target(curve: Curve, target: float) -> float:
    """Return the first update at which a loss was at or below the target; `NEVER` where it was not."""
    return next((float(update) for update, loss in curve if loss <= target), NEVER)


def target_of(best: Mapping[str, Iterable[float]]) -> float:
    """Return the largest over settings of the median best validation loss; NaN where none is known.

    So at least half of the runs of every setting get there, and no setting is measured by a loss that
    only another can reach.

    Args:
        best: Setting to the best validation loss of each of its runs; NaN is left out.
    """
    medians = []
    for losses in best.values():
        known = [loss for loss in losses if not math.isnan(loss)]
        if known:
            medians.append(float(np.median(known)))
    return max(medians, default=float("nan"))


def log_updates(updates: float, budget: float) -> float:
    """Return ``ln(min(updates, budget))``: a run that never got there counts as the whole budget.

    That is no estimate of when it would have: a difference between a run that got there and one that
    did not is *at least* this large, unless that one ended before the budget was used up.
    At least one update is counted, for the logarithm.

    Args:
        updates: From `updates_to_target`.
        budget: The most updates that any run of the comparison made.
    """
    return math.log(max(1.0, min(updates, budget)))
