"""When a recording was made, where its file says so and means it.

A date says something about a person: it is compared in memory, and written only into label files of formats
by which other programs place labels in the recording (`memcell_data.labels.writing`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from memcell.errors import DataError
from memcell_data.content import begins_as_edf, first_bytes
from memcell_data.formats.mne_file import MneFile

_DATE, _CLOCK = slice(168, 176), slice(176, 184)
#: Two-digit years of EDF: 85 is 1985, 84 is 2084.
_CLIPPED = 85


def measured_from(path: Path) -> float | None:
    """Return when the first sample was taken, in seconds since 1970, or None where nobody knows.

    The 1st of January stands for no date: it is what EDF+ and most programs write where names and dates were
    taken out, and recordings that share it were not made at the same time.

    Args:
        path: A file or folder that MNE reads.
    """
    date, dated = started(path)
    return date.timestamp() if date is not None and dated else None


def started(path: Path) -> tuple[datetime | None, bool]:
    """Return when a recording began, and whether its date is meant; see `measured_from`.

    Where the date was taken out, the time of day mostly stands.
    """
    try:
        head = first_bytes(path) if path.is_file() else b""
        date = _of_edf(head) if begins_as_edf(head) else MneFile(path).measured()
    except DataError:
        return None, False
    return date, date is not None and (date.day, date.month) != (1, 1)


def _of_edf(head: bytes) -> datetime | None:
    """Return the start of a recording from ``dd.mm.yy`` and ``hh.mm.ss`` of its header."""
    try:
        day, month, year = (int(part) for part in head[_DATE].decode("ascii").split("."))
        hour, minute, second = (int(part) for part in head[_CLOCK].decode("ascii").split("."))
        century = 1900 if year >= _CLIPPED else 2000
        return datetime(century + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
