"""Drawings as inline SVG: sharp on a screen and on paper, letters stay letters, no library.

A `Canvas` is one drawing; `Area` is a pair of axes on it in the data's own units. What the data say stands in
the drawing's description, for whom cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memcell.escape import markup as escape
from memcell.reports.parts import Html

INK, GREY, LINE = "#1d1d1f", "#55555c", "#d5d5dd"
#: Okabe & Ito 2008, the colours that the colour-blind tell apart; lines differ in their dashes too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#56b4e9", "#e69f00", "#000000")
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "1 4", "5 2")
FONT = 13


class Canvas:
    """One drawing.

    Args:
        width: Units; letters are `FONT` of them high.
        height: Units.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []

    def add(self, markup: str) -> None:
        """Add an element."""
        self._parts.append(markup)

    def text(
        self,
        x: float,
        y: float,
        what: str,
        anchor: str = "start",
        colour: str = INK,
        size: int = FONT,
    ) -> None:
        """Write at a point; ``anchor`` is start, middle or end."""
        self.add(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">'
            f"{escape(what)}</text>"
        )

    def markup(self, alt: str, wide: bool = False) -> Html:
        """Return the drawing; ``alt`` says what it shows, and ``wide`` lets it scroll on a phone."""
        kind = "drawing wide" if wide else "drawing"
        return Html(
            f'<svg class="{kind}" role="img" aria-label="{escape(alt)}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}">' + "".join(self._parts) + "</svg>\n"
        )


class Area:
    """A pair of axes on a canvas.

    Args:
        canvas: Where it is drawn.
        place: (left, top, width, height) in the canvas' units, without the axes' letters.
        x: (low, high) in the data's units.
        y: (low, high).
    """

    def __init__(
        self,
        canvas: Canvas,
        place: tuple[float, float, float, float],
        x: tuple[float, float],
        y: tuple[float, float],
    ) -> None:
        self.canvas = canvas
        self.left, self.top, self.width, self.height = place
        self.x = (x[0], x[1] if x[1] > x[0] else x[0] + 1.0)
        self.y = (y[0], y[1] if y[1] > y[0] else y[0] + 1.0)

    def at_x(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return canvas units of the data's x, kept inside."""
        v = (np.asarray(values, dtype=np.float64) - self.x[0]) / (self.x[1] - self.x[0])
        return np.asarray(self.left + self.width * v.clip(0, 1))

    def at_y(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return canvas units of the data's y, kept inside."""
        v = (np.asarray(values, dtype=np.float64) - self.y[0]) / (self.y[1] - self.y[0])
        return np.asarray(self.top + self.height * (1 - v.clip(0, 1)))

    def axes(
        self,
        x_label: str = "",
        y_label: str = "",
        x_ticks: Sequence[float] | None = None,
        y_ticks: Sequence[float] | None = None,
        write: Callable[[float], str] = "{:g}".format,
    ) -> None:
        """Draw the frame, a grid, and what the axes show; ``write`` writes the values of x."""
        xs = ticks(*self.x, most=max(2, int(self.width // 62))) if x_ticks is None else x_ticks
        ys = ticks(*self.y, most=max(2, int(self.height // 34))) if y_ticks is None else y_ticks
        bottom, right = self.top + self.height, self.left + self.width
        for v in ys:
            y = float(self.at_y(v))
            self._rule(self.left, y, right, y, LINE)
            self.canvas.text(self.left - 6, y + 4.5, f"{v:g}".replace("-", "−"), "end", GREY)
        for v in xs:
            x = float(self.at_x(v))
            self._rule(x, bottom, x, bottom + 4, GREY)
            self.canvas.text(x, bottom + 17, write(v).replace("-", "−"), "middle", GREY)
        self._rule(self.left, bottom, right, bottom, GREY)
        self._rule(self.left, self.top, self.left, bottom, GREY)
        if x_label:
            self.canvas.text(self.left + self.width / 2, bottom + 35, x_label, "middle")
        if y_label:
            self.canvas.text(max(2, self.left - 44), self.top - 8, y_label)

    def line(
        self, x: ArrayLike, y: ArrayLike, colour: str, dash: str = "", width: float = 2
    ) -> None:
        """Draw a line; it is broken where y is not a number."""
        xs, ys = self.at_x(x).ravel(), np.asarray(y, dtype=np.float64).ravel()
        known = np.isfinite(ys)
        at = self.at_y(np.where(known, ys, 0))
        commands, pen = [], "M"
        for a, b, k in zip(xs.tolist(), at.tolist(), known.tolist(), strict=True):
            if k:
                commands.append(f"{pen}{a:.1f} {b:.1f}")
            pen = "L" if k else "M"
        if commands:
            dashed = f' stroke-dasharray="{dash}"' if dash else ""
            self.canvas.add(
                f'<path d="{"".join(commands)}" fill="none" stroke="{colour}" '
                f'stroke-width="{width:g}" stroke-linejoin="round"{dashed}/>'
            )

    def steps(
        self, x: ArrayLike, y: ArrayLike, colour: str, dash: str = "", width: float = 1.6
    ) -> None:
        """Draw values that hold from one x to the next; ``x`` has one more than ``y``."""
        self.line(
            np.repeat(np.asarray(x), 2)[1:-1], np.repeat(np.asarray(y), 2), colour, dash, width
        )

    def band(
        self, x: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str, opacity: float
    ) -> None:
        """Fill between two lines."""
        xs = self.at_x(x).ravel()
        px = np.concatenate([xs, xs[::-1]]).tolist()
        py = np.concatenate([self.at_y(high).ravel(), self.at_y(low).ravel()[::-1]]).tolist()
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
        self.canvas.add(f'<polygon points="{points}" fill="{colour}" fill-opacity="{opacity:g}"/>')

    def box(
        self, x: tuple[float, float], y: tuple[float, float], colour: str,
        opacity: float = 1, edge: str = "", title: str = "",
    ) -> None:  # fmt: skip
        """Fill a rectangle; it is at least as wide as can be seen."""
        (a, b), (low, high) = self.at_x(x).tolist(), self.at_y(y).tolist()
        stroke = f' stroke="{edge}" stroke-dasharray="3 2"' if edge else ""
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.canvas.add(
            f'<rect x="{a:.1f}" y="{high:.1f}" width="{max(b - a, 0.8):.1f}" height="{low - high:.1f}" '
            f'fill="{colour}" fill-opacity="{opacity:g}"{stroke}>{inner}</rect>'
        )

    def dots(self, x: ArrayLike, y: ArrayLike, colour: str, square: bool = False) -> None:
        """Draw a mark at each point."""
        for a, b in zip(self.at_x(x).ravel().tolist(), self.at_y(y).ravel().tolist(), strict=True):
            self.canvas.add(
                f'<rect x="{a - 3.5:.1f}" y="{b - 3.5:.1f}" width="7" height="7" fill="{colour}"/>'
                if square
                else f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}"/>'
            )

    def rule(self, x: float | None = None, y: float | None = None, dash: str = "4 3") -> None:
        """Draw a line across, at an x or at a y."""
        if x is not None:
            at = float(self.at_x(x))
            self._rule(at, self.top, at, self.top + self.height, INK, dash)
        if y is not None:
            at = float(self.at_y(y))
            self._rule(self.left, at, self.left + self.width, at, INK, dash)

    def _rule(
        self, x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = ""
    ) -> None:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.canvas.add(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashed}/>'
        )


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most ``most`` round values (1, 2 or 5 times a power of ten apart) from low to high.

    >>> ticks(0, 1, 6)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    power = 10 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * power
        first = math.ceil(low / step - 1e-9)
        count = math.floor(high / step + 1e-9) - first + 1
        if count <= most:
            break
    return [float(f"{(first + i) * step:.10g}") for i in range(count)]
