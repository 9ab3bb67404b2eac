"""Physical units of a channel, and the factor that brings them to microvolts.

The same letters reach us in many encodings: the micro sign (U+00B5) and the Greek mu (U+03BC), each as
latin-1, as UTF-8 read as latin-1, or as Shift-JIS; and ``UV``, which can only be microvolts, since nobody
writes a universal volt. ``MV`` is *not* resolved: it may be milli or mega.
"""

from __future__ import annotations

from collections.abc import Sequence

from memcell.errors import DataError

_MICRO = frozenset(
    {
        "uV",
        "UV",
        "Uv",
        "uv",
        "\u00b5V",
        "\u03bcV",
        "\u00b5v",
        "\u03bcv",
        "\u00c2\u00b5V",  # UTF-8 micro sign read as latin-1
        "\u00ce\u00bcV",  # UTF-8 mu read as latin-1
        "\x83\xcaV",  # Shift-JIS mu read as latin-1
        "microV",
        "uVolt",
    }
)
_FACTORS = {"nV": 1e-3, "mV": 1e3, "V": 1e6, "Volt": 1e6}

# What MNE's EDF reader makes of a unit: volts for each physical unit (everything unknown is "volts").
_MNE_MICRO = frozenset({"\u03bcV", "\u00b5V", "\x83\xcaV", "uV"})

KNOWN = "uV, mV, V, nV"
#: Before a unit that a person types: it holds for all channels, whatever the file says.
ALL = "all:"
#: What may be typed for a unit.
TYPED = ("", "uV", "mV", "V", "nV", "all:uV", "all:mV", "all:V", "all:nV")
OVERRIDE = (
    "if the file says a wrong unit and you know the right one, type it for all channels: --unit all:uV (or "
    "all:mV, all:V, all:nV); for training --data.unit all:uV"
)


def microvolts_per(unit: str) -> float | None:
    """Return the microvolts in one of ``unit``, or None where it is not a known voltage.

    >>> microvolts_per("mV"), microvolts_per("UV"), microvolts_per("MV")
    (1000.0, 1.0, None)
    """
    unit = unit.strip(" \0")
    return 1.0 if unit in _MICRO else _FACTORS.get(unit)


def mne_volts_per(unit: str) -> float:
    """Return the factor by which MNE's EDF reader multiplies physical values of this unit."""
    return 1e-6 if unit in _MNE_MICRO else 1e-3 if unit == "mV" else 1.0


def override(typed: str) -> float | None:
    """Return the microvolts in the unit that holds whatever the file says; None where none was typed.

    >>> override("all:mV"), override("mV")
    (1000.0, None)
    """
    return microvolts_per(typed.removeprefix(ALL)) if typed.startswith(ALL) else None


def overridden(where: str, units: Sequence[str], typed: str) -> list[str]:
    """Return a line where a typed unit holds against those of a file."""
    if override(typed) is None:
        return []
    others = dict.fromkeys(u.strip(" \0") for u in units)
    replaced = [u for u in others if u and microvolts_per(u) not in (None, override(typed))]
    if not replaced:
        return []
    return [
        f"{where}: its unit {', '.join(replaced)} is taken as {typed.removeprefix(ALL)}, as typed"
    ]


def resolve(unit: str, fallback: str, where: str) -> float:
    """Return microvolts per unit, using the fallback only where the file's unit is not known, or for all.

    Args:
        unit: The unit as the file has it.
        fallback: A person's word for it (``--data.unit``), or empty; ``all:mV`` whatever the file says.
        where: File and channel, for the message.

    Raises:
        DataError: Neither is a known voltage.
    """
    known = microvolts_per(unit) if override(fallback) is None else override(fallback)
    if known is None and fallback:
        known = microvolts_per(fallback)
    if known is None:
        written = f"unit '{unit}'" if unit.strip(" \0") else "no unit"
        raise DataError(
            f"{where} has {written}, expected one of {KNOWN}; a guess could be wrong by a factor of "
            "a million. If you know the unit, type --unit uV (or mV, V, nV); for training "
            "--data own --data.unit uV."
        )
    return known
