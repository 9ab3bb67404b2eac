"""What the staleness probes saw: how far carried memory was off, what it cost, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from memcell.compare.report.figures.style import (
    COLOURS,
    GREY,
    MARKERS,
    finish,
    legend,
    new_figure,
    png,
)
from memcell.compare.report.folder import Key
from memcell.compare.report.staleness import SMALLEST, Seen, pick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: (title, what lies across, what lies up, x axis, y axis).
PANELS = (
    ("How far carried memory is off", "lag", "S",
     "lag: updates since it was made", "distance, share of its size"),
    ("What staleness costs of what memory gives", "update", "ratio",
     "updates", "cost / gain of loss"),
    ("Does the gradient still point the same way?", "update", "cosine",
     "updates", "cosine of the two gradients"),
    ("Cost where the labels change", "transitions", "dL_stale",
     "changes of label in the window", "loss that staleness costs (nats)"),
    ("Cost where neighbouring windows differ", "distance", "dL_stale",
     "distance to the window before", "loss that staleness costs (nats)"),
)  # fmt: skip
BINS = 12
MOST_SETTINGS = 7


def draw_staleness(seen: Sequence[Seen]) -> bytes | None:
    """Draw a panel for each relation that the probes measured; None where they measured none."""
    points = {panel: p for panel in PANELS if (p := _points(seen, panel[1], panel[2]))}
    if not points:
        return None
    figure, axes = new_figure(len(points), 3.4)
    settings = list(dict.fromkeys(s.setting for s in seen))[:MOST_SETTINGS]
    for ax, (panel, found) in zip(axes, points.items(), strict=True):
        for i, key in enumerate(settings):
            if panel[2] == "ratio":
                _ratios(ax, [s for s in seen if s.setting == key], i, ", ".join(key))
                continue
            xy = np.array(found.get(key, [])).reshape(-1, 2)
            if len(xy):
                _line(ax, xy, i, ", ".join(key))
        if panel[2] in ("ratio", "dL_stale"):
            ax.axhline(0, color=GREY, lw=1.2)
        finish(ax, panel[0], panel[3], panel[4])
        legend(ax, 3)
    return png(figure)


def _points(seen: Sequence[Seen], x: str, y: str) -> dict[Key, list[tuple[float, float]]]:
    found: dict[Key, list[tuple[float, float]]] = {}
    for s in seen:
        a, b = pick(s, x), pick(s, y)
        if a == a and b == b:
            found.setdefault(s.setting, []).append((a, b))
    return found


def _line(
    ax: Axes, xy: np.ndarray[tuple[int, int], np.dtype[np.float64]], i: int, name: str
) -> None:
    """Draw the points faintly, and medians of bins with as many points each."""
    colour = COLOURS[i % len(COLOURS)]
    faint = xy[np.linspace(0, len(xy) - 1, min(len(xy), 1500)).astype(int)]
    ax.plot(faint[:, 0], faint[:, 1], ".", ms=3, color=colour, alpha=0.2)
    ordered = xy[np.argsort(xy[:, 0], kind="stable")]
    bins = np.array_split(ordered, _bins(len(ordered)))
    middles = np.array([np.median(b, axis=0) for b in bins])
    ax.plot(
        middles[:, 0],
        middles[:, 1],
        marker=MARKERS[i % len(MARKERS)],
        color=colour,
        lw=2,
        label=name,
    )


def _ratios(ax: Axes, seen: Sequence[Seen], i: int, name: str) -> None:
    """Draw mean cost over mean gain in each bin: single ratios are wild where the gain is near 0."""
    rows = [[pick(s, w) for w in ("update", "dL_stale", "dL_zero")] for s in seen]
    known = np.array([r for r in rows if np.isfinite(r).all()]).reshape(-1, 3)
    if not len(known):
        return
    ordered = known[np.argsort(known[:, 0], kind="stable")]
    means = np.array([b.mean(axis=0) for b in np.array_split(ordered, _bins(len(ordered)))])
    means = means[means[:, 2] > SMALLEST]
    ax.plot(means[:, 0], means[:, 1] / means[:, 2], marker=MARKERS[i % len(MARKERS)],
            color=COLOURS[i % len(COLOURS)], lw=2, label=name)  # fmt: skip


def _bins(points: int) -> int:
    return min(BINS, max(1, points // 4))
