"""Numbers as a person reads them; what is not defined is a dash, never a nan."""

from __future__ import annotations

import math


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many digits behind the point; small ones keep their first digits.

    >>> number(0.85412), number(float("nan")), number(-0.00012)
    ('0.854', '–', '−0.00012')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value and abs(value) < 10 ** (1 - digits) and digits > 1:
        return f"{value:.2g}".replace("-", "−")
    return f"{value:,.{digits}f}".replace("-", "−").replace(",", "\u202f")


def count(value: float) -> str:
    """Return a whole number, its thousands apart."""
    return number(value, 0)


def counted(n: int, what: str) -> str:
    """Return how many of something there are.

    >>> counted(1, "epoch"), counted(2, "epoch")
    ('1 epoch', '2 epochs')
    """
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share in percent.

    >>> percent(0.5)
    '50 %'
    """
    return "–" if share is None or math.isnan(share) else f"{number(100 * share, digits)} %"


def length(seconds: float) -> str:
    """Return a time in the unit that suits it.

    >>> length(42), length(600), length(30000)
    ('42.0 s', '10.0 min', '8.33 h')
    """
    if math.isnan(seconds):
        return "–"
    if seconds < 120:
        return f"{number(seconds, 1)} s"
    return f"{number(seconds / 60, 1)} min" if seconds < 7200 else f"{number(seconds / 3600, 2)} h"


def duration(seconds: float) -> str:
    """Return a rough time in words: ``"40 s"``, ``"12 min"``, ``"3.5 h"``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def axis_unit(seconds: float) -> tuple[float, str]:
    """Return what to divide seconds by on an axis of that length, and the unit's name."""
    if seconds <= 180:
        return 1.0, "s"
    return (60.0, "min") if seconds <= 7200 else (3600.0, "h")
