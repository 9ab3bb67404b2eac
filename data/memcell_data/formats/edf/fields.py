"""The fields of an EDF header: where each stands, and the reading of one.

ASCII of fixed width: 256 bytes about the file, then each field for all signals in turn.
"""

from __future__ import annotations

from pathlib import Path

from memcell.errors import DataError

FILE_FIELDS = (
    ("version", 8),
    ("patient", 80),
    ("recording", 80),
    ("start date", 8),
    ("start time", 8),
    ("header bytes", 8),
    ("reserved", 44),
    ("number of records", 8),
    ("record duration", 8),
    ("number of signals", 4),
)
SIGNAL_FIELDS = (
    ("label", 16),
    ("transducer", 80),
    ("unit", 8),
    ("physical minimum", 8),
    ("physical maximum", 8),
    ("digital minimum", 8),
    ("digital maximum", 8),
    ("prefilter", 80),
    ("samples per record", 8),
    ("signal reserved", 32),
)


def field_at(name: str, channel: int = 0, n_channels: int = 0) -> tuple[int, int]:
    """Return the byte offset and width of a header field.

    >>> field_at("number of records")
    (236, 8)
    >>> field_at("unit", channel=1, n_channels=2)
    (456, 8)
    """
    at = 0
    for field, width in FILE_FIELDS:
        if field == name:
            return at, width
        at += width
    for field, width in SIGNAL_FIELDS:
        if field == name:
            return at + width * channel, width
        at += width * n_channels
    raise KeyError(name)


def field_over(byte: int, n_channels: int) -> str:
    """Return the field that contains a byte of the header."""
    at = 0
    for name, width in FILE_FIELDS:
        at += width
        if byte < at:
            return name
    for name, width in SIGNAL_FIELDS:
        at += width * n_channels
        if byte < at:
            return name
    return "data"


def _raw(head: bytes, name: str, channel: int = 0, n: int = 0) -> bytes:
    at, width = field_at(name, channel, n)
    return head[at : at + width]


def text_of(head: bytes, name: str, channel: int = 0, n: int = 0) -> str:
    """Return a field's text, decoded as latin-1, without padding."""
    # Stripped as bytes and then decoded, as MNE does, so that both know a channel by the same name.
    return _raw(head, name, channel, n).strip().decode("latin-1")


def number_of(path: Path, head: bytes, name: str, channel: int = 0, n: int = 0) -> float:
    """Return a field's number; ``NaN`` and ``inf`` pass, a decimal comma too.

    Raises:
        DataError: It is not a number; names the field and the byte.
    """
    raw = _raw(head, name, channel, n)
    text = raw.decode("latin-1").split("\0")[0].strip().replace(",", ".")
    try:
        return float(text)
    except ValueError:
        raise _unreadable(path, raw, name, channel, n, "a number") from None


def integer_of(
    path: Path,
    head: bytes,
    name: str,
    channel: int = 0,
    n: int = 0,
    low: int = 0,
    high: int = 10**9,
) -> int:
    """Return a field's whole number.

    Raises:
        DataError: It is none, or out of bounds; names the field and the byte.
    """
    raw = _raw(head, name, channel, n)
    try:
        value = int(raw.decode("latin-1").split("\0")[0].strip())
    except ValueError:
        raise _unreadable(path, raw, name, channel, n, "a whole number") from None
    if not low <= value <= high:
        raise _unreadable(path, raw, name, channel, n, f"{low} to {high}")
    return value


def _unreadable(
    path: Path, raw: bytes, name: str, channel: int, n: int, expected: str
) -> DataError:
    at = field_at(name, channel, n)[0]
    of = f" of signal {channel + 1}" if name in dict(SIGNAL_FIELDS) else ""
    return DataError(
        f"{path}: header field '{name}'{of} (byte {at}) is {raw.decode('latin-1')!r}, expected "
        f"{expected}; the file is damaged"
    )
