"""Sets of intervals in seconds, as ``[n, 2]`` arrays of (from, to): union and coverage."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Spans = NDArray[np.float64]

#: Times closer together than this are one (onsets come from text and from divisions).
SAME = 1e-6


def union(pairs: Iterable[tuple[float, float]], gap: float = 0.0) -> Spans:
    """Return the union ``[n, 2]``, ascending and disjoint; spans at most ``gap`` apart become one.

    >>> union([(4, 5), (0, 1), (1, 2)]).tolist()
    [[0.0, 2.0], [4.0, 5.0]]
    """
    joined: list[list[float]] = []
    for start, stop in sorted((float(a), float(b)) for a, b in pairs if b > a):
        if joined and start - joined[-1][1] <= gap + SAME:
            joined[-1][1] = max(joined[-1][1], stop)
        else:
            joined.append([start, stop])
    return np.array(joined, dtype=np.float64).reshape(-1, 2)


def coverage(spans: Spans, starts: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """Return ``[n]`` seconds of each step ``[start, start + length)`` that the spans cover.

    Args:
        spans: Ascending and disjoint, as `union` gives them.
        starts: ``[n]`` seconds.
        length: Seconds of a step.
    """
    if len(spans) == 0:
        return np.zeros(len(starts))
    # Covered time up to t is piecewise linear with corners at the spans' ends.
    corners = spans.ravel()
    covered = np.repeat(np.cumsum(spans[:, 1] - spans[:, 0]), 2)
    covered[::2] -= spans[:, 1] - spans[:, 0]
    until = np.interp(starts + length, corners, covered, left=0.0)
    return np.asarray(until - np.interp(starts, corners, covered, left=0.0))
