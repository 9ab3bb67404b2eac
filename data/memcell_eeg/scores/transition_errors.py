"""Error rates of steps by their distance to the nearest change of the label.

Experts differ most where a state begins and ends, and a filter or a memory answers late: an error near a
change is of another kind than one in the middle of a state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import ModelPredictions
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.targets.transitions import changes

#: Edges of the bins in steps: negative before a change, from 0 on after it.
EDGES = (-np.inf, -60, -30, -15, -8, -4, -2, -1, 0, 1, 2, 4, 8, 15, 30, 60, np.inf)
TO_POSITIVE, TO_NEGATIVE, NO_CHANGE = "to_positive", "to_negative", "none"


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The steps in a range of distances from their nearest change.

    Args:
        change: ``"to_positive"``, ``"to_negative"``; ``"none"`` for segments without a change.
        start, stop: Seconds, ``[start, stop)``; negative before the change.
        count: Labelled steps.
        errors: Wrong ones among them.
    """

    change: str
    start: float
    stop: float
    count: int
    errors: int


def nearest(sequence: TimeSeries) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the distance of each step to the nearest change in steps, and the class that it leads to.

    The first step after a change has 0, the last one before it -1; of two as near it is the earlier
    change. Without a change in its segment a step has nan and class -1.
    """
    distance, leads = np.full(sequence.n_steps, np.nan), np.full(sequence.n_steps, -1)
    segment = np.cumsum(sequence.starts)
    at = np.arange(sequence.n_steps)
    for last, first in zip(*changes(sequence), strict=True):
        inside = np.flatnonzero(segment == segment[first])
        t = at[inside]
        signed = np.where(t >= first, t - first, t - last - 1).astype(np.float64)
        nearer = ~(_far(distance[inside]) <= _far(signed))
        distance[inside[nearer]] = signed[nearer]
        leads[inside[nearer]] = int(sequence.targets[first])
    return distance, leads


def transition_errors(predictions: Sequence[ModelPredictions]) -> list[Bin]:
    """Return the non-empty bins, by change and distance."""
    found = []
    step = 1.0
    for part in predictions:
        for s, q in zip(part.sequences, part.probabilities, strict=True):
            step = s.step_seconds
            known = s.labelled
            state = np.asarray(q[:, 1], dtype=np.float64) >= part.decision["threshold"]
            distance, leads = nearest(s)
            wrong = state[known] != (s.targets[known] == 1)
            found.append((distance[known], leads[known], wrong))
    if not found:
        return []
    distance, leads, wrong = (np.concatenate(column) for column in zip(*found, strict=True))
    bins = []
    for name, leads_to in ((TO_POSITIVE, 1), (TO_NEGATIVE, 0)):
        mine = leads == leads_to
        for low, high in pairwise(EDGES):
            inside = mine & (distance >= low) & (distance < high)
            if inside.any():
                bins.append(_bin(name, low * step, high * step, wrong[inside]))
    if (leads == -1).any():
        bins.append(_bin(NO_CHANGE, -np.inf, np.inf, wrong[leads == -1]))
    return bins


def _far(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance between a step's middle and the change, in steps."""
    return np.abs(distance + 0.5)


def _bin(change: str, start: float, stop: float, wrong: NDArray[np.bool_]) -> Bin:
    return Bin(
        change=change,
        start=float(start),
        stop=float(stop),
        count=len(wrong),
        errors=int(wrong.sum()),
    )
