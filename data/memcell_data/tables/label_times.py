"""Times as they stand in label tables: seconds, ``hh:mm:ss``, or date and time; made seconds of a recording.

``00:10:00`` is ten minutes after the start or ten past midnight. It is read as that of the two under which
the labels lie inside the recording, and refused where both do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

DAY = 86400.0
_NUMBER = re.compile(r"^[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?$")
_THOUSANDS = re.compile(r"^[+-]?\d{1,3}(?:[.,]\d{3}){2,}|^[+-]?\d{1,3}[.,]\d{3}[.,]\d+$")
_CLOCK = re.compile(r"^(\d{1,2}):(\d{2}):(\d{2}(?:[.,]\d+)?)(?:\s*([aApP])\.?[mM]\.?)?$")
#: MNE counts from here where a recording has no date.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unreadable(Exception):
    """A time that cannot be read; its message says what came and what was expected."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """What times of day and dates are counted from.

    Args:
        began: When the first sample was taken; None where the file does not say.
        dated: The date of ``began`` is meant, not only its time of day.
        seconds: How long the recording is; 0 where that is not known.
        after: Seconds from the start in the header, which MNE counts from, to the first sample.
    """

    began: datetime | None = None
    dated: bool = False
    seconds: float = 0.0
    after: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Time:
    """A time as read.

    Args:
        kind: ``"seconds"``, ``"clock"`` (hh:mm:ss) or ``"date"``.
        value: Seconds; of a clock since midnight, of a date since 1970.
        spaced: A blank stands between date and time, as MNE writes it.
    """

    kind: str
    value: float
    spaced: bool = False


def time_of(text: str, comma: bool) -> Time:
    """Read a time.

    Args:
        text: One cell.
        comma: A comma is the decimal sign (it cannot be the separator of columns).

    Raises:
        Unreadable: It is none of the three kinds.
    """
    text = text.strip()
    if _NUMBER.match(text):
        if "," in text and not comma:
            raise Unreadable(f"'{text}' may be a decimal comma or thousands: write {_point(text)}")
        return Time(kind="seconds", value=float(text.replace(",", ".")))
    if _THOUSANDS.match(text):
        raise Unreadable(f"'{text}' has marks of thousands: write seconds as a number, like 1234.5")
    clock = _CLOCK.match(text)
    if clock:
        hours, minutes = int(clock[1]), int(clock[2])
        if clock[4]:
            hours = hours % 12 + 12 * (clock[4].lower() == "p")
        if hours > 47 or minutes > 59:
            raise Unreadable(f"'{text}' is no time like 22:31:05")
        value = 3600 * hours + 60 * minutes + float(clock[3].replace(",", "."))
        return Time(kind="clock", value=value)
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable(
            f"'{text}', expected seconds as a number (or hh:mm:ss, or 2026-01-31 22:31:05)"
        ) from None
    if date.utcoffset():
        raise Unreadable(
            f"'{text}', of another time zone than the recording can be known to have: write it by the clock "
            "of the recording, or seconds from the first sample"
        )
    return Time(kind="date", value=date.replace(tzinfo=UTC).timestamp(), spaced=" " in text)


def from_start(times: Sequence[Time], clock: Clock) -> tuple[list[float], str]:
    """Return the onsets of one kind in seconds from the first sample, and what to say about them.

    Raises:
        Unreadable: Nobody can know what they are counted from.
    """
    kind = times[0].kind if times else "seconds"
    values = [t.value for t in times]
    if kind == "date":
        return _from_dates(values, clock, clock.after if times[0].spaced else 0.0)
    if kind == "clock":
        return _from_clock(values, clock)
    return values, ""


def _from_dates(values: list[float], clock: Clock, after: float) -> tuple[list[float], str]:
    zero = 0.0 if clock.began is None else clock.began.timestamp() - after
    # The 1st of January is no date of a person, but another program may count from it all the same.
    fits = any(0 <= v - zero < clock.seconds for v in values)
    if max(values) - _EPOCH.timestamp() < DAY and not fits:
        return values, ""  # MNE's way of writing seconds
    if clock.began is None or not (clock.dated or fits):
        raise Unreadable(
            "onsets are dates, and the recording does not say when it began: write seconds from the first "
            "sample"
        )
    return [v - zero for v in values], ""


def _from_clock(values: list[float], clock: Clock) -> tuple[list[float], str]:
    end = clock.seconds + 1e-6
    since = sum(v < end for v in values)
    if clock.began is None:
        return values, f"times like {_words(values[0])} are read as time since the start"
    b = clock.began
    midnight = 3600 * b.hour + 60 * b.minute + b.second + 1e-6 * b.microsecond
    of_day = [(v - midnight) % DAY for v in values]
    if max(abs(a - v) for a, v in zip(of_day, values, strict=True)) < 1e-6:
        return values, ""
    as_clock = sum(v < end for v in of_day)
    if since == as_clock:
        raise Unreadable(
            f"times like {_words(values[0])} may be times of day or times since the start: write seconds "
            "from the first sample"
        )
    if as_clock > since:
        return of_day, f"times like {_words(values[0])} are read as times of day"
    return values, f"times like {_words(values[0])} are read as time since the start"


def _words(value: float) -> str:
    minutes, seconds = divmod(value, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:06.3f}".rstrip("0").rstrip(".")


def _point(text: str) -> str:
    return text.replace(",", ".")
