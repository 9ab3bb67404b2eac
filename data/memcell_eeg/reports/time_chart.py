"""Charts along a recording's time: probabilities as lines, events and labels as rows of bars.

Rows have names, so nothing depends on colour. A recording with more steps than the page has points is
thinned: the line is then the mean of each piece, in a band from its lowest to its highest value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from memcell.reports.numbers import axis_unit
from memcell.reports.palette import GAP, INK, SOFT, TRUTH, dash, series
from memcell.reports.parts import Html
from memcell.reports.svg import Area, Canvas

WIDTH, RIGHT = 780, 14


#: Room for names at the left, and letters of a name that are shown.
LEFT, LETTERS = 78, 18


#: Pieces along the width; more steps than twice this are thinned.
PIECES = 600


ROW = 15


Curve = NDArray[np.float64]


Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Line:
    """Probabilities of one model: name, ``[n]`` values, and its place among the colours."""

    name: str
    values: Curve
    look: int = 0


@dataclass(frozen=True, kw_only=True)
class Bars:
    """A row of bars below the probabilities: name and (from, to) in seconds."""

    name: str
    spans: Spans
    colour: str


@dataclass(frozen=True, kw_only=True)
class SignalEnvelope:
    """A channel above them: name, times ``[n]`` s, and lowest and highest value ``[n]`` of each interval."""

    name: str
    times: Curve
    low: Curve
    high: Curve


@dataclass(frozen=True, kw_only=True)
class TimeChart:
    """The content of a chart between two times.

    Args:
        span: (from, to), s.
        times: ``[n]`` start of each step, s.
        step: Its length, s.
        lines: Probabilities at these steps.
        thresholds: Drawn across; one, or one for each line.
        bars: Rows below.
        gaps: (from, to) where nothing was recorded.
        signals: Channels above.
        scale: What the signals' rows are apart by, in their unit.
        unit: Of the signals.
    """

    span: tuple[float, float]
    times: Curve
    step: float
    lines: Sequence[Line] = ()
    thresholds: Sequence[float] = ()
    bars: Sequence[Bars] = ()
    gaps: Spans = ()
    signals: Sequence[SignalEnvelope] = field(default=())
    scale: float = 1.0
    unit: str = "µV"

    @property
    def left(self) -> float:
        """Left edge of the axes: names of features are longer than those of channels."""
        longest = max((len(s.name) for s in self.signals), default=0)
        return max(LEFT, 14 + 6.6 * min(longest, LETTERS))


def draw(chart: TimeChart, alt: str, probability_height: int = 90) -> Html:
    """Return the chart as inline SVG."""
    signal_height = 52 * len(chart.signals) + (18 if chart.signals else 0)
    height = signal_height + (probability_height + 14 if chart.lines else 8)
    height += ROW * len(chart.bars) + 44
    canvas = Canvas(WIDTH, height)
    left = chart.left
    width = WIDTH - left - RIGHT
    if chart.signals:
        _signals(canvas, chart, (left, 14, width, signal_height - 18))
    top = signal_height + 8
    if chart.lines:
        area = Area(canvas, (left, top, width, probability_height), chart.span, (0, 1))
        _gaps(area, chart, (0, 1))
        area.axes(y_ticks=(0, 0.5, 1), x_ticks=())
        for line in chart.lines:
            _line(area, chart, line)
        for i, threshold in enumerate(chart.thresholds):
            area.rule(y=threshold, dash="4 3" if i == 0 else "1 3")
        canvas.text(
            left - 64, top + probability_height / 2, "probability", "middle", size=12, upright=True
        )
        top += probability_height + 6
    _bars(canvas, chart, top, width)
    return canvas.markup(alt, wide=True)


def _bars(canvas: Canvas, chart: TimeChart, top: float, width: float) -> None:
    rows = max(1, len(chart.bars))
    left = chart.left
    area = Area(canvas, (left, top, width, ROW * rows), chart.span, (0, rows))
    for i, bars in enumerate(chart.bars):
        base = rows - 1 - i
        canvas.text(left - 6, top + ROW * i + 12, bars.name, "end", SOFT, 12)
        for start, end in bars.spans:
            if end > chart.span[0] and start < chart.span[1]:
                inside = (max(start, chart.span[0]), min(end, chart.span[1]))
                words = f"{bars.name}: {start:.1f} to {end:.1f} s"
                area.box(inside, (base + 0.12, base + 0.88), bars.colour, title=words)
    _gaps(area, chart, (0, rows))
    per, unit = axis_unit(chart.span[1] - chart.span[0])
    rows_area = Area(canvas, (left, top, width, ROW * rows), _over(chart.span, per), (0, rows))
    rows_area.axes(x_label=f"time from the start of the recording ({unit})", y_ticks=())


def _over(span: tuple[float, float], per: float) -> tuple[float, float]:
    return span[0] / per, span[1] / per


def _line(area: Area, chart: TimeChart, line: Line) -> None:
    colour, dashes = series(line.look), dash(line.look)
    breaks = np.flatnonzero(np.diff(chart.times) > 1.5 * chart.step) + 1
    pairs = zip(np.split(chart.times, breaks), np.split(line.values, breaks), strict=True)
    every = max(1, len(chart.times) // PIECES)
    for times, values in pairs:
        if not len(times):
            continue
        if every < 3:
            area.steps(np.append(times, times[-1] + chart.step), values, colour, dashes)
            continue
        edges = np.arange(0, len(times), every)
        low = np.minimum.reduceat(values, edges)
        high = np.maximum.reduceat(values, edges)
        mean = np.add.reduceat(values, edges) / np.diff(np.append(edges, len(values)))
        at = times[edges] + chart.step * every / 2
        area.band(at, low, high, colour, 0.3)
        area.line(at, mean, colour, dashes, 1.2)


def _signals(canvas: Canvas, chart: TimeChart, place: tuple[float, float, float, float]) -> None:
    n = len(chart.signals)
    area = Area(canvas, place, chart.span, (-(n - 1) - 0.6, 0.6))
    _gaps(area, chart, area.y)
    for bars in chart.bars:
        if bars.colour == TRUTH:
            for start, end in bars.spans:
                if end > chart.span[0] and start < chart.span[1]:
                    inside = (max(start, chart.span[0]), min(end, chart.span[1]))
                    area.box(inside, area.y, TRUTH, 0.25)
    for i, signal in enumerate(chart.signals):
        canvas.text(area.left - 6, float(area.at_y(-i)) + 4, _short(signal.name), "end", INK, 12)
        low, high = signal.low / chart.scale - i, signal.high / chart.scale - i
        if np.array_equal(low, high, equal_nan=True):
            area.line(signal.times, low, INK, width=0.8)
            continue
        for part in _known(low):
            area.band(signal.times[part], low[part], high[part], INK, 1)
    unit = f" {chart.unit}" if chart.unit else ", as the network gets them"
    many = (
        f"rows are {chart.scale:.3g} apart{unit}"
        if not chart.unit
        else f"rows are {chart.scale:.3g}{unit} apart"
    )
    apart = many if n > 1 else f"height {1.2 * chart.scale:.3g}{unit}"
    canvas.text(area.left, 11, apart, "start", SOFT, 12)


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"


def _known(values: Curve) -> list[slice]:
    """Return the unbroken parts of a curve."""
    known = np.isfinite(values)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    return [
        slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1
    ]


def _gaps(area: Area, chart: TimeChart, y: tuple[float, float]) -> None:
    for start, end in chart.gaps:
        if end > chart.span[0] and start < chart.span[1]:
            inside = (max(start, chart.span[0]), min(end, chart.span[1]))
            area.box(inside, y, GAP, 1, edge=True, title="gap: not recorded")
