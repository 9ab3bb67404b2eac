"""Learning curves on common updates: each setting's mean, and its paired difference to the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.compare.report.folder import Comparison, Key
from memcell.compare.report.measured import Measured
from memcell.statistics.bootstrap import band

POINTS = 60
Line = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Validation loss of one setting, or its difference to the reference; ``[n_points]`` each.

    Args:
        setting: One value for each axis.
        n: Runs, or pairs of runs.
        updates: Where.
        mean: Over seeds, nats.
        low: Of its 95 % band, whole runs resampled.
        high: Of its band.
    """

    setting: Key
    n: int
    updates: Line
    mean: Line
    low: Line
    high: Line


def loss_curves(comparison: Comparison, measured: Measured) -> list[Curve]:
    """Return the mean validation curve of each setting that has one."""
    grid = _grid(measured)
    found = []
    for key in comparison.settings:
        lines = list(_lines(measured, key, grid).values())
        if lines:
            found.append(_curve(key, grid, np.array(lines)))
    return found


def difference_curves(comparison: Comparison, measured: Measured) -> list[Curve]:
    """Return each setting's validation curve less that of the first axis's reference, by seed."""
    grid = _grid(measured)
    found = []
    for key in comparison.settings:
        reference = (comparison.axes[0].values[0], *key[1:])
        if key == reference:
            continue
        a, b = _lines(measured, key, grid), _lines(measured, reference, grid)
        lines = [a[seed] - b[seed] for seed in a if seed in b]
        if lines:
            found.append(_curve(key, grid, np.array(lines)))
    return found


def _curve(key: Key, grid: Line, lines: NDArray[np.float64]) -> Curve:
    inside = ~np.isnan(lines).any(axis=0)
    grid, lines = grid[inside], lines[:, inside]
    low, high = band(lines)
    return Curve(
        setting=key, n=len(lines), updates=grid, mean=lines.mean(axis=0), low=low, high=high
    )


def _grid(measured: Measured) -> Line:
    found = sorted({u for curve in measured.curves.values() for u, _ in curve if u > 0})
    updates: Line = np.array(found, dtype=np.float64)
    if len(updates) > POINTS:
        updates = updates[np.linspace(0, len(updates) - 1, POINTS).round().astype(int)]
    return updates


def _lines(measured: Measured, key: Key, grid: Line) -> dict[int, Line]:
    """Return seed to losses on the grid: between two epochs on their line, after the last as the last.

    So a run that stopped early stays at its last value; before the first epoch there is none.
    """
    found = {}
    for (k, seed), curve in measured.curves.items():
        if k == key and curve:
            at, losses = zip(*curve, strict=True)
            found[seed] = np.interp(grid, at, losses, left=np.nan)
    return found
