"""Drawings as inline SVG: sharp on a screen and on paper, letters stay letters, no library.

A `Canvas` is one drawing; an `Area` is a pair of axes on it, in the data's own units. Colours are classes of
`memcell.reports.palette`, so that a page's light and dark styles apply to drawings too. The data's words
stand in the drawing's description, for readers who cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memcell.escape import markup as escape
from memcell.reports.palette import INK, LINE, SOFT
from memcell.reports.parts import Html

FONT = 13
#: Width of a letter, of its height: on average, in a sans-serif face.
LETTER = 0.54


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
        words: str,
        anchor: str = "start",
        colour: str = INK,
        size: int = FONT,
        upright: bool = False,
    ) -> None:
        """Write at a point.

        Args:
            x: Units.
            y: Units.
            words: Escaped.
            anchor: ``start``, ``middle`` or ``end``.
            colour: Class.
            size: Of the letters.
            upright: Turned, to be read from below.
        """
        place = (
            f'transform="translate({x:.1f} {y:.1f}) rotate(-90)"'
            if upright
            else f'x="{x:.1f}" y="{y:.1f}"'
        )
        self.add(
            f'<text {place} text-anchor="{anchor}" class="{colour}" font-size="{size}">{escape(words)}</text>'
        )

    def legend(self, entries: Sequence[tuple[str, str, str]], x: float, y: float) -> float:
        """Write what lines mean, in rows from a point on; return the height that they take.

        Args:
            entries: (words, class, dashes) each.
            x: Units.
            y: Top of the first row.
        """
        at, row = x, y
        for words, colour, dash in entries:
            width = 30 + LETTER * FONT * len(words) + 18
            if at > x and at + width > self.width:
                at, row = x, row + 19
            dashed = f' stroke-dasharray="{dash}"' if dash else ""
            self.add(
                f'<line x1="{at:.1f}" y1="{row + 8:.1f}" x2="{at + 24:.1f}" y2="{row + 8:.1f}" '
                f'class="{colour}" stroke="currentColor" stroke-width="2.5"{dashed}/>'
            )
            self.text(at + 30, row + 12.5, words)
            at += width
        return row + 19 - y if entries else 0.0

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
        logarithmic: x is; its values are positive.
    """

    def __init__(
        self,
        canvas: Canvas,
        place: tuple[float, float, float, float],
        x: tuple[float, float],
        y: tuple[float, float],
        logarithmic: bool = False,
    ) -> None:
        self.canvas, self.logarithmic = canvas, logarithmic
        self.left, self.top, self.width, self.height = place
        self.x = (x[0], x[1] if x[1] > x[0] else x[0] + 1.0)
        self.y = (y[0], y[1] if y[1] > y[0] else y[0] + 1.0)

    def at_x(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return canvas units of the data's x, kept inside."""
        v, (low, high) = np.asarray(values, dtype=np.float64), self.x
        if self.logarithmic:
            v, low, high = np.log(np.maximum(v, low)), math.log(low), math.log(high)
        return np.asarray(self.left + self.width * ((v - low) / (high - low)).clip(0, 1))

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
        """Draw the frame, a grid and the ticks; ``write`` writes the values of x."""
        most = max(2, int(self.width // 62))
        if x_ticks is None:
            x_ticks = log_ticks(*self.x, most) if self.logarithmic else ticks(*self.x, most)
        ys = ticks(*self.y, most=max(2, int(self.height // 34))) if y_ticks is None else y_ticks
        bottom, right = self.top + self.height, self.left + self.width
        for v in ys:
            y = float(self.at_y(v))
            self._rule(self.left, y, right, y, LINE)
            self.canvas.text(self.left - 6, y + 4.5, f"{v:g}".replace("-", "−"), "end", SOFT)
        for v in x_ticks:
            x = float(self.at_x(v))
            self._rule(x, bottom, x, bottom + 4, SOFT)
            self.canvas.text(x, bottom + 17, write(v).replace("-", "−"), "middle", SOFT)
        self._rule(self.left, bottom, right, bottom, SOFT)
        self._rule(self.left, self.top, self.left, bottom, SOFT)
        if x_label:
            # a long label of narrow axes reaches to the left of them rather than off the drawing
            half = LETTER * FONT * len(x_label) / 2
            middle = min(self.left + self.width / 2, max(half, self.canvas.width - half))
            self.canvas.text(middle, bottom + 35, x_label, "middle")
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
                f'<path d="{"".join(commands)}" class="{colour}" fill="none" stroke="currentColor" '
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
        self.canvas.add(
            f'<polygon points="{points}" class="{colour}" fill="currentColor" fill-opacity="{opacity:g}"/>'
        )

    def box(
        self, x: tuple[float, float], y: tuple[float, float], colour: str,
        opacity: float = 1, edge: bool = False, title: str = "",
    ) -> None:  # fmt: skip
        """Fill a rectangle; it is at least as wide as can be seen, and has a dashed edge where asked."""
        (a, b), (low, high) = self.at_x(x).tolist(), self.at_y(y).tolist()
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.canvas.add(
            f'<rect x="{a:.1f}" y="{high:.1f}" width="{max(b - a, 0.8):.1f}" height="{low - high:.1f}" '
            f'class="{colour}{" edge" if edge else ""}" fill="currentColor" '
            f'fill-opacity="{opacity:g}">{inner}</rect>'
        )

    def dots(
        self,
        x: ArrayLike,
        y: ArrayLike,
        colour: str,
        shape: str = "circle",
        opacity: float = 1,
        size: float = 4,
    ) -> None:
        """Draw a mark at each point: a ``circle``, ``square``, ``diamond`` or ``cross``."""
        faint = f' opacity="{opacity:g}"' if opacity < 1 else ""
        paths = {
            "square": "M-{0} -{0}H{0}V{0}H-{0}Z",
            "diamond": "M0 -{0}L{0} 0L0 {0}L-{0} 0Z",
            "cross": "M-{0} -{0}L{0} {0}M-{0} {0}L{0} -{0}",
        }
        for a, b in zip(self.at_x(x).ravel().tolist(), self.at_y(y).ravel().tolist(), strict=True):
            if shape == "circle":
                self.canvas.add(
                    f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{size:g}" class="{colour}" '
                    f'fill="currentColor"{faint}/>'
                )
                continue
            reach = {"square": 0.875, "diamond": 1.5, "cross": 0.9}[shape] * size
            look = 'stroke="currentColor" stroke-width="1.8"' if shape == "cross" else ""
            self.canvas.add(
                f'<path transform="translate({a:.1f} {b:.1f})" d="{paths[shape].format(f"{reach:g}")}" '
                f'class="{colour}" fill="currentColor" {look}{faint}/>'
            )

    def cloud(self, x: ArrayLike, y: ArrayLike, colour: str, opacity: float, size: float) -> None:
        """Draw many round points as one element."""
        xs, ys = self.at_x(x).ravel().tolist(), self.at_y(y).ravel().tolist()
        points = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(xs, ys, strict=True))
        self.canvas.add(
            f'<path d="{points}" class="{colour}" fill="none" stroke="currentColor" '
            f'stroke-width="{2 * size:g}" stroke-linecap="round" opacity="{opacity:g}"/>'
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
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{colour}" '
            f'stroke="currentColor"{dashed}/>'
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


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return about ``most`` values with two digits, as far apart as factors, from low to high.

    >>> log_ticks(1, 100, 3)
    [1.0, 10.0, 100.0]
    """
    return sorted({float(f"{v:.2g}") for v in np.geomspace(low, high, max(2, min(most, 5)))})
