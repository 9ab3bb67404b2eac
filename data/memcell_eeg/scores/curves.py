"""Precision-recall curves, and reliability of probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from memcell_eeg.scores.scores import DecidedSteps

#: Most points of a curve.
POINTS = 200
BINS = 10


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Steps whose probability lies in ``[low, high)``; the last bin has its upper end too.

    Args:
        low, high: Ends of the bin.
        count: Steps.
        predicted: Mean predicted probability; NaN without a step.
        observed: Share of positive steps; nan without any step.
    """

    low: float
    high: float
    count: int
    predicted: float
    observed: float


def reliability(steps: DecidedSteps, bins: int = BINS) -> list[Reliability]:
    """Return the reliability table over bins of equal width (Naeini et al. 2015).

    Training's shift of the prior is undone; empty where that is not known.
    """
    if not np.isfinite(steps.chance).all():
        return []
    inside = np.minimum((steps.chance * bins).astype(np.int64), bins - 1)
    out = []
    for k in range(bins):
        mine = inside == k
        n = int(mine.sum())
        out.append(
            Reliability(
                low=k / bins,
                high=(k + 1) / bins,
                count=n,
                predicted=float(steps.chance[mine].mean()) if n else float("nan"),
                observed=float(steps.y[mine].mean()) if n else float("nan"),
            )
        )
    return out


def precision_recall(steps: DecidedSteps, points: int = POINTS) -> list[tuple[float, float, float]]:
    """Return (threshold, recall, precision) with recall ascending; empty without a positive step.

    Every threshold where there are at most ``points``, else those nearest to evenly spaced recalls.
    """
    positives = int((steps.y == 1).sum())
    if positives == 0:
        return []
    order = np.argsort(-steps.p, kind="stable")
    p, y = steps.p[order], steps.y[order]
    last = np.flatnonzero(np.append(p[1:] != p[:-1], True))
    hits = np.cumsum(y)[last]
    recall, precision, threshold = hits / positives, hits / (last + 1), p[last]
    if len(last) > points:
        at = np.searchsorted(recall, np.linspace(recall[0], recall[-1], points))
        kept = np.unique(np.minimum(at, len(last) - 1))
        recall, precision, threshold = recall[kept], precision[kept], threshold[kept]
    return list(zip(threshold.tolist(), recall.tolist(), precision.tolist(), strict=True))
