"""Around a drawing: the figure with its caption, a legend in words, panels side by side, what folds away."""

from __future__ import annotations

from collections.abc import Sequence

from memcell.escape import markup as escape
from memcell.reports.parts import Html, text


def drawing(svg: str, caption: str, legend: str = "") -> Html:
    """Return an inline drawing with its legend above and its caption below.

    Args:
        svg: From `memcell.reports.svg.Canvas.markup`; one that is ``wide`` scrolls sideways on a phone.
        caption: What is shown.
        legend: From `legend`.
    """
    inside = text(svg)
    if 'class="drawing wide"' in svg[:40]:
        # reached by the keyboard too, for what lies beyond the edge
        inside = Html(
            f'<div class="scroll" tabindex="0" role="group" aria-label="scrolls">{inside}</div>\n'
        )
    return Html(
        f"<figure>\n{text(legend)}{inside}<figcaption>{text(caption)}</figcaption>\n</figure>\n"
    )


def legend(entries: Sequence[tuple[str, str, str]]) -> Html:
    """Return what lines and boxes mean.

    Args:
        entries: (words, colour, look) each; look is ``"box"``, ``"gap"``, or a line's dashes.
    """

    def swatch(colour: str, look: str) -> str:
        if look in ("box", "gap"):
            edge = ' stroke="#55555c" stroke-dasharray="3 2"' if look == "gap" else ""
            return f'<rect x="1" y="2" width="26" height="9" fill="{colour}"{edge}/>'
        dash = f' stroke-dasharray="{look}"' if look else ""
        return f'<line x1="0" y1="6" x2="28" y2="6" stroke="{colour}" stroke-width="2.5"{dash}/>'

    items = "".join(
        f'<li><svg width="28" height="13" aria-hidden="true">{swatch(colour, look)}</svg> '
        f"{escape(words)}</li>"
        for words, colour, look in entries
    )
    return Html(f'<ul class="legend">{items}</ul>\n')


def panels(*figures: str) -> Html:
    """Return figures side by side, one below the other where there is no room."""
    return Html(f'<div class="panels">\n{text(*figures)}</div>\n')


def folded(summary: str, *parts: str) -> Html:
    """Return something that a click opens; on paper it is open where the browser can."""
    return Html(f"<details>\n<summary>{escape(summary)}</summary>\n{text(*parts)}</details>\n")
