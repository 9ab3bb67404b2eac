"""Scores of two classes by step, all counted from one pass over the steps.

scikit-learn's functions of the same names give the same bits; each of them checks and sorts its input anew,
which takes longer than the counting. Only counts and the ranks of the probabilities enter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ranked_and_decided(
    y: NDArray[np.int64], p: NDArray[np.float64], state: NDArray[np.int64]
) -> dict[str, float]:
    """Return the scores that need both classes.

    Args:
        y: ``[n]`` 0 or 1, both of them.
        p: ``[n]`` probability of 1, finite.
        state: ``[n]`` decision, 0 or 1.

    Raises:
        ValueError: A probability is not finite, and has no rank.
    """
    if not np.isfinite(p).all():
        raise ValueError("probabilities got NaN or an infinite number; finite ones expected")
    return {**_decided(y, state), **_ranked(y, p)}


def _decided(y: NDArray[np.int64], state: NDArray[np.int64]) -> dict[str, float]:
    """Return the scores of decisions, from the table of truth and decision."""
    found = np.bincount(2 * y + state, minlength=4).astype(np.float64)
    negative_right, false_alarms, misses, hits = (float(n) for n in found)
    negative, positive = negative_right + false_alarms, misses + hits
    called_negative, called_positive = negative_right + misses, false_alarms + hits
    n = negative + positive
    by_chance = called_negative * positive / n + called_positive * negative / n
    # Matthews correlation as that of indicators of both classes (Gorodkin 2004)
    together = (negative_right + hits) * n - (
        negative * called_negative + positive * called_positive
    )
    of_decisions = n**2 - (called_negative**2 + called_positive**2)
    of_truth = n**2 - (negative**2 + positive**2)
    return {
        "balanced_accuracy": (negative_right / negative + hits / positive) / 2,
        "kappa": 1 - (false_alarms + misses) / by_chance,
        "f1": 2 * hits / (positive + called_positive),
        # all steps decided alike: 0 by its definition
        "mcc": float(together / np.sqrt(of_decisions * of_truth)) if of_decisions else 0.0,
    }


def _ranked(y: NDArray[np.int64], p: NDArray[np.float64]) -> dict[str, float]:
    """Return the scores of probabilities, whatever the threshold."""
    order = np.argsort(-p, kind="stable")
    ranked, truth = p[order], y[order]
    # the last step of each probability: a threshold takes all that are alike, or none
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(p) - 1)
    hits = np.cumsum(truth)[last].astype(np.float64)
    false_alarms = 1.0 + last - hits
    return {
        "auc_roc": _area(hits, false_alarms),
        "auc_pr": _average_precision(hits, false_alarms),
    }


def _area(hits: NDArray[np.float64], false_alarms: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve, by trapezoids between its corners."""
    if len(hits) > 2:
        corners = np.ones(len(hits), dtype=np.bool_)
        corners[1:-1] = (np.diff(hits, 2) != 0) | (np.diff(false_alarms, 2) != 0)
        hits, false_alarms = hits[corners], false_alarms[corners]
    sensitivity = np.append(0.0, hits) / hits[-1]
    false_rate = np.append(0.0, false_alarms) / false_alarms[-1]
    return float(np.sum(np.diff(false_rate) * (sensitivity[1:] + sensitivity[:-1]) / 2.0))


def _average_precision(hits: NDArray[np.float64], false_alarms: NDArray[np.float64]) -> float:
    """Return the mean of the precision over the recall, as a step function."""
    precision = (hits / (hits + false_alarms))[::-1]
    recall = np.append((hits / hits[-1])[::-1], 0.0)
    return float(max(0.0, -np.sum(np.diff(recall) * precision)))
