"""From probabilities to decisions: a threshold chosen on the validation split, for a cost.

Among all thresholds the one is taken with the largest ``(r sensitivity + specificity) / (r + 1)``, r the
cost ratio: what a missed positive step costs relative to a false one, each as a share of its class. For
r = 1 this is the balanced accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence as ListOf
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.sequence import Sequence

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


def labelled(
    sequences: ListOf[Sequence], probabilities: ListOf[NDArray[np.float32]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return targets and probabilities of the positive class at the labelled steps, pooled.

    Args:
        sequences: The sequences.
        probabilities: ``[n_steps, 2]`` for each of them.
    """
    if not sequences:
        return np.empty(0, dtype=np.int64), np.empty(0)
    y = np.concatenate([s.targets[s.labelled] for s in sequences]).astype(np.int64)
    pairs = zip(sequences, probabilities, strict=True)
    p = np.concatenate([np.asarray(q[:, 1], dtype=np.float64)[s.labelled] for s, q in pairs])
    return y, p


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
