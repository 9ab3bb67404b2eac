"""Small drawings that stand beside each other: histograms, curves, points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memcell.reports.svg import COLOURS, DASHES, GREY, Area, Canvas, ticks

WIDTH, HEIGHT = 400, 290


PLACE = (54.0, 26.0, 334.0, 212.0)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A line with its place among the colours; ``marks`` puts a dot at each of its points."""

    name: str
    x: Sequence[float] | NDArray[np.float64]
    y: Sequence[float] | NDArray[np.float64]
    look: int = 0
    marks: bool = False
    points: Sequence[tuple[float, float]] = field(default=())


def curves(
    lines: Sequence[Curve],
    x: tuple[float, float],
    y: tuple[float, float],
    x_label: str,
    y_label: str,
    alt: str,
    *,
    diagonal: bool = False,
    level: float | None = None,
    upright: float | None = None,
) -> str:
    """Return lines in one pair of axes.

    Args:
        lines: The lines; their ``points`` are drawn as squares.
        x: (low, high).
        y: (low, high).
        x_label: With its unit.
        y_label: With its unit.
        alt: What is shown, in words.
        diagonal: Also draw y = x, dashed.
        level: Also draw a line at this y, dashed.
        upright: Also draw one at this x.
    """
    canvas = Canvas(WIDTH, HEIGHT)
    area = Area(canvas, PLACE, x, y)
    area.axes(x_label, y_label)
    if diagonal:
        area.line(x, x, GREY, "4 3", 1.2)
    if level is not None and level == level:
        area.line(x, (level, level), GREY, "4 3", 1.2)
    if upright is not None:
        area.line((upright, upright), y, GREY, "4 3", 1.2)
    for line in lines:
        colour, dash = COLOURS[line.look % len(COLOURS)], DASHES[line.look % len(DASHES)]
        area.line(line.x, line.y, colour, dash)
        if line.marks:
            known = np.isfinite(np.asarray(line.y, dtype=np.float64))
            area.dots(np.asarray(line.x)[known], np.asarray(line.y)[known], colour)
        for a, b in line.points:
            area.dots([a], [b], colour, square=True)
    return canvas.markup(alt)


def histogram(
    values: ArrayLike,
    edges: Sequence[float] | NDArray[np.float64],
    x_label: str,
    y_label: str,
    alt: str,
    upright: Sequence[float] = (),
    logarithmic: bool = False,
    look: int = 0,
) -> str:
    """Return a histogram; values beyond the edges are counted in the outermost bars.

    Args:
        values: ``[n]``.
        edges: Of the bars, equally far apart.
        x_label: With its unit.
        y_label: What is counted.
        alt: What is shown, in words.
        upright: Lines across at these x.
        logarithmic: Heights are log10(1 + count), where one bar would hide the others.
        look: Place among the colours.
    """
    ends = np.asarray(edges, dtype=np.float64)
    counts, _ = np.histogram(np.clip(np.asarray(values), ends[0], ends[-1]), ends)
    heights = np.log10(1.0 + counts) if logarithmic else counts.astype(np.float64)
    canvas = Canvas(WIDTH, HEIGHT)
    top = max(1.0, float(heights.max(initial=0)) * 1.05)
    area = Area(canvas, PLACE, (float(ends[0]), float(ends[-1])), (0, top))
    whole = [v for v in ticks(0, top, 6) if v == int(v)]
    area.axes(x_label, y_label, y_ticks=() if logarithmic else whole)
    if logarithmic:
        for power in range(min(9, int(np.ceil(np.log10(1 + counts.max(initial=1))))) + 1):
            label = str(10**power) if power < 4 else f"10{'⁰¹²³⁴⁵⁶⁷⁸⁹'[power]}"
            y = float(area.at_y(np.log10(1 + 10**power)))
            if y > PLACE[1] - 1 and np.log10(1 + 10**power) <= top:
                canvas.text(PLACE[0] - 6, y + 4, label, "end", GREY)
    for a, b, h in zip(ends[:-1].tolist(), ends[1:].tolist(), heights.tolist(), strict=True):
        if h:
            pad = 0.06 * (b - a)
            area.box((a + pad, b - pad), (0, h), COLOURS[look])
    for at in upright:
        area.rule(x=at)
    return canvas.markup(alt)


def points(
    names: Sequence[str], values: Sequence[Sequence[float]], x_label: str, alt: str,
    zero: bool = False, looks: Sequence[int] = (0, 1),
) -> str:  # fmt: skip
    """Return a row for each name with a mark for each of its values; ``zero`` draws a line at 0."""
    height = 22 * len(names) + 62
    canvas = Canvas(WIDTH, height)
    known = [v for row in values for v in row if v == v] + ([0.0] if zero else [])
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    pad = 0.06 * (high - low) or 0.1
    left = 20.0 + 7.2 * max((len(n) for n in names), default=0)
    left = min(max(left, 54.0), 170.0)
    place = (left, 8.0, WIDTH - left - 14, 22.0 * len(names))
    area = Area(canvas, place, (low - pad, high + pad), (0, len(names)))
    area.axes(x_label, y_ticks=())
    if zero:
        area.rule(x=0.0)
    for i, (name, row) in enumerate(zip(names, values, strict=True)):
        y = len(names) - i - 0.5
        short = name if len(name) < 22 else name[:20] + "…"
        canvas.text(left - 6, float(area.at_y(y)) + 4, short, "end", GREY, 12)
        apart = 0.17 if len(row) > 1 else 0.0
        for value, look, up in zip(row, looks, (apart, -apart), strict=False):
            if value == value:
                # one above the other, so that equal values are both seen
                area.dots([value], [y + up], COLOURS[look], square=look % 2 == 1)
    return canvas.markup(alt)
