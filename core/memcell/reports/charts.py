"""Small charts that stand beside each other: lines with bands, histograms, and rows of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memcell.reports.palette import INK, SOFT, dash, series
from memcell.reports.parts import Html
from memcell.reports.svg import FONT, LETTER, Area, Canvas, log_ticks, ticks

WIDTH, HEIGHT = 400, 290
PLACE = (54.0, 26.0, 334.0, 212.0)
#: Letters of a row's name that are shown.
LETTERS = 34

Values = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A line.

    Args:
        name: In the legend.
        x: ``[n]``.
        y: ``[n]``; NaN breaks the line.
        look: Place among the colours and dashes.
        marks: A dot at each point.
        low: Of a band around it, ``[n]``.
        high: Of its band.
        points: Drawn as squares.
        faint: (x, y) of points behind the line, ``[m]`` each.
    """

    name: str
    x: Values
    y: Values
    look: int = 0
    marks: bool = False
    low: Values | None = None
    high: Values | None = None
    points: Sequence[tuple[float, float]] = field(default=())
    faint: tuple[Values, Values] | None = None


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
    legend: bool = False,
    title: str = "",
) -> Html:
    """Return lines in one pair of axes.

    Args:
        lines: The lines.
        x: (low, high).
        y: (low, high).
        x_label: With its unit.
        y_label: With its unit.
        alt: What is shown, in words.
        diagonal: Also draw y = x, dashed.
        level: Also draw a line at this y, dashed.
        upright: Also draw one at this x.
        legend: Names stand below the axes.
        title: Above the axes.
    """
    entries = [(c.name, series(c.look), dash(c.look)) for c in lines] if legend else []
    above = 20.0 if title else 0.0
    # drawn twice: the first tells how high the legend is
    below = Canvas(WIDTH, 0).legend(entries, 8, 0)
    canvas = Canvas(WIDTH, HEIGHT + above + below)
    if title:
        canvas.text(8, 15, title)
    area = Area(canvas, (PLACE[0], PLACE[1] + above, *PLACE[2:]), x, y)
    area.axes(x_label, y_label)
    if diagonal:
        area.line(x, x, SOFT, "4 3", 1.2)
    if level is not None and level == level:
        area.line(x, (level, level), SOFT, "4 3", 1.2)
    if upright is not None:
        area.line((upright, upright), y, SOFT, "4 3", 1.2)
    for line in lines:
        colour = series(line.look)
        if line.faint is not None:
            area.cloud(*line.faint, colour, opacity=0.3, size=1.6)
        if line.low is not None and line.high is not None and np.isfinite(line.low).all():
            area.band(line.x, line.low, line.high, colour, 0.18)
        area.line(line.x, line.y, colour, dash(line.look))
        if line.marks:
            known = np.isfinite(np.asarray(line.y, dtype=np.float64))
            area.dots(np.asarray(line.x)[known], np.asarray(line.y)[known], colour)
        for a, b in line.points:
            area.dots([a], [b], colour, "square")
    canvas.legend(entries, 8, HEIGHT + above)
    return canvas.markup(alt)


def histogram(
    values: ArrayLike,
    edges: Values,
    x_label: str,
    y_label: str,
    alt: str,
    upright: Sequence[float] = (),
    logarithmic: bool = False,
    look: int = 0,
) -> Html:
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
                canvas.text(PLACE[0] - 6, y + 4, label, "end", SOFT)
    for a, b, h in zip(ends[:-1].tolist(), ends[1:].tolist(), heights.tolist(), strict=True):
        if h:
            pad = 0.06 * (b - a)
            area.box((a + pad, b - pad), (0, h), series(look))
    for at in upright:
        area.rule(x=at)
    return canvas.markup(alt)


@dataclass(frozen=True, kw_only=True)
class PointRow:
    """A named row of points.

    Args:
        name: At its left.
        values: (value, look) of each point; NaN is not drawn. Points of one look stand at one height.
        faint: Points behind them; their looks are heights between -1 and 1 within the row.
        look: Place among the colours of the faint points.
        middle: A diamond.
        low: Of a bar through the diamond.
        high: Of its bar.
    """

    name: str
    values: Sequence[tuple[float, int]] = ()
    faint: Sequence[tuple[float, float]] = ()
    look: int = 0
    middle: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


def rows(
    found: Sequence[PointRow],
    x_label: str,
    alt: str,
    *,
    zero: bool = False,
    title: str = "",
    budget: float | None = None,
    wide: bool = False,
) -> Html:
    """Return a row for each name.

    Args:
        found: The rows, from top to bottom.
        x_label: With its unit.
        alt: What is shown, in words.
        zero: Also draw a line at 0.
        title: Above.
        budget: The axis is logarithmic and ends here; what is infinite stands behind it, at "never".
        wide: Twice as wide.
    """
    width = 2 * WIDTH if wide else WIDTH
    above = 26.0 if title else 8.0
    canvas = Canvas(width, 22 * len(found) + 54 + above)
    if title:
        canvas.text(8, 15, title)
    known = [v for r in found for v in (*(v for v, _ in (*r.values, *r.faint)), r.middle, r.low, r.high)
             if np.isfinite(v)] + ([0.0] if zero else [])  # fmt: skip
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    longest = max((min(len(r.name), LETTERS) for r in found), default=0)
    left = min(max(16.0 + LETTER * FONT * longest, 54.0), 0.45 * width)
    place = (left, above, width - left - 14, 22.0 * len(found))
    if budget is None:
        pad = 0.06 * (high - low) or 0.1
        area = Area(canvas, place, (low - pad, high + pad), (0, len(found)))
        area.axes(x_label, y_ticks=())
    else:
        least = min([*known, budget])
        area = Area(canvas, place, (0.8 * least, 1.9 * budget), (0, len(found)), logarithmic=True)
        ticks = [v for v in log_ticks(least, budget, 4) if v <= 1.05 * budget]
        area.axes(x_label, x_ticks=ticks, y_ticks=(), write="{:.0f}".format)
        area.rule(x=1.25 * budget, dash="1 3")
        never = float(area.at_x(1.55 * budget))
        canvas.text(never, above + place[3] + 17, "never", "middle", SOFT)
    if zero:
        area.rule(x=0.0)
    for i, row in enumerate(found):
        _row(area, row, len(found) - i - 0.5, 1.55 * budget if budget else float("nan"))
    return canvas.markup(alt, wide=wide)


def _row(area: Area, row: PointRow, y: float, never: float) -> None:
    name = row.name if len(row.name) <= LETTERS else row.name[: LETTERS - 1] + "…"
    area.canvas.text(area.left - 6, float(area.at_y(y)) + 4, name, "end", SOFT, 12)
    for value, at in row.faint:
        if np.isfinite(value):
            area.dots([value], [y + 0.3 * at], series(row.look), opacity=0.55, size=3)
        elif value > 0:
            area.dots([never], [y + 0.3 * at], series(row.look), "cross", 0.8, 3.5)
    looks = list(dict.fromkeys(look for _, look in row.values))
    for value, look in row.values:
        if np.isfinite(value):
            # one above the other, so that equal values are both seen
            up = 0.17 - 0.34 * looks.index(look) if len(looks) > 1 else 0.0
            area.dots([value], [y + up], series(look), "square" if look % 2 else "circle")
    if np.isfinite(row.low) and np.isfinite(row.high):
        area.line([row.low, row.high], [y, y], INK, width=2.5)
    if not np.isnan(row.middle):
        area.dots([row.middle if np.isfinite(row.middle) else never], [y], INK, "diamond")
