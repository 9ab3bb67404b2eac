"""The colours of every report and figure, on a light and on a dark page.

Blue and vermilion are those of Okabe and Ito (2008); the others were chosen beside them so that every pair
stays apart under simulated protanopia, deuteranopia and tritanopia, and every colour has a contrast of at
least 3 to 1 with the page (WCAG 2.2, 1.4.11). Text has at least 4.5 to 1. Lines differ in their dashes and
marks too, so nothing depends on colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of one kind of page.

    Args:
        back: The page.
        ink: Text, axes that matter.
        soft: Captions, labels of axes.
        line: Rules and grids; decoration, without a contrast to keep.
        panel: Behind code.
        link: Links and the focus.
        warning: The bar beside a warning.
        warning_back: Behind it.
        truth: True events.
        unlabelled: Steps without a label.
        gap: What was not recorded; it has a dashed edge in ``soft`` as well.
        series: Models, settings, classes, in order; the first is the reference.
    """

    back: str
    ink: str
    soft: str
    line: str
    panel: str
    link: str
    warning: str
    warning_back: str
    truth: str
    unlabelled: str
    gap: str
    series: tuple[str, ...]

    def css(self) -> str:
        """Return the colours as declarations of CSS custom properties."""
        named = {k: v for k, v in vars(self).items() if isinstance(v, str)}
        named |= {f"s{i}": colour for i, colour in enumerate(self.series)}
        return "".join(f"--{k.replace('_', '-')}:{v};" for k, v in named.items())


LIGHT = Theme(
    back="#ffffff", ink="#1d1d1f", soft="#55555c", line="#d0d0d8", panel="#f3f3f6", link="#00598c",
    warning="#b3540a", warning_back="#fff4e8", truth="#00a658", unlabelled="#8d8d96", gap="#ececf0",
    series=("#0072b2", "#d55e00", "#0f9962", "#661f66", "#66511f", "#8000ff", "#1d1d1f"),
)  # fmt: skip
DARK = Theme(
    back="#17181c", ink="#ececf0", soft="#b4b4be", line="#3c3d45", panel="#24252b", link="#7cc4f0",
    warning="#f0a04c", warning_back="#33271a", truth="#17e693", unlabelled="#7a7a85", gap="#2a2b31",
    series=("#56b4e9", "#f0803c", "#17e693", "#994c7a", "#806c40", "#704dff", "#ececf0"),
)  # fmt: skip

#: Classes of SVG elements; each sets ``color``, which fills and strokes take.
INK, SOFT, LINE, TRUTH, UNLABELLED, GAP = "ink", "soft", "line", "truth", "unlabelled", "gap"
#: Dashes of lines, as ``stroke-dasharray`` has them.
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "1 4", "5 2")


def series(i: int) -> str:
    """Return the class of the i-th line, setting or model."""
    return f"s{i % len(LIGHT.series)}"


def dash(i: int) -> str:
    """Return the dashes of the i-th line; lines that share a colour differ in them."""
    return DASHES[(i + i // len(LIGHT.series)) % len(DASHES)]


def classes() -> str:
    """Return the rules of the classes that figures use."""
    names = [INK, SOFT, LINE, TRUTH, UNLABELLED, GAP, *(f"s{i}" for i in range(len(LIGHT.series)))]
    return "".join(f".{n}{{color:var(--{n})}}" for n in names)
