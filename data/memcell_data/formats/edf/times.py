"""Time in an EDF+ file: when each data record began, where the recording has gaps, and its annotations.

Each data record of an EDF+ file carries time-stamped annotation lists (TALs),
``+onset[<21>duration]<20>text<20>...<0>``; the first of a record has an empty text and says when the
record began. A reader that ignores it (all of MNE's) joins what was recorded minutes apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.formats.edf.header import EdfChannel, EdfHeader
from memcell_data.recording import Interval

_TAL = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?((?:\x14[^\x14\x00]*)*)\x14\x00")
# What ends a text, and the shortest time stamp with nothing else: sign, digit, two ends, a zero.
_END, _SHORTEST = 0x14, 5
# Digits that a double holds whatever they are.
_DIGITS = 15
# Where the header does not say EDF+D, stamps are redundant and often rounded or jittered: only a jump that
# no rounding explains is believed against the header, in seconds.
_CONTINUOUS_TOLERANCE = 0.1
# Bytes of a file that are mapped at once.
_MAPPED = 1 << 24


@dataclass(frozen=True, kw_only=True)
class EdfTimes:
    """When things happened, in seconds from the first sample.

    Args:
        onsets: ``[records]`` start of each data record.
        first_of_run: Records that begin a run without a break, ascending; the first is 0.
        annotations: In order of onset.
        warnings: One line each.
        zero: Seconds from the start in the header to the first sample, less than 1 where the file is as the
            standard says.
    """

    onsets: NDArray[np.float64]
    first_of_run: tuple[int, ...]
    annotations: tuple[Interval, ...]
    warnings: tuple[str, ...]
    zero: float = 0.0

    @property
    def has_gaps(self) -> bool:
        """Whether the recording was interrupted."""
        return len(self.first_of_run) > 1


def read_times(header: EdfHeader) -> EdfTimes:
    """Read the record times and annotations of a file.

    A plain EDF file has none: its records follow each other and it has no annotation.

    Raises:
        DataError: A record of an EDF+D file has no time stamp (its gaps cannot be known), or the time
            runs backwards.
    """
    even = np.arange(header.records, dtype=np.float64) * np.float64(header.seconds)
    holders = [c for c in header.channels if c.is_annotations]
    if not holders:
        if header.plus == "D":
            raise DataError(
                f"{header.path}: is EDF+D (with gaps) and has no 'EDF Annotations' signal that says "
                "where they are"
            )
        return EdfTimes(onsets=even, first_of_run=(0,), annotations=(), warnings=())
    tables = [_bytes_of(header, channel) for channel in holders]
    stamps, bare = _stamps(tables[0])
    zero = float(stamps[0]) if len(stamps) and not np.isnan(stamps[0]) else 0.0
    annotations = _annotations([_rows(tables[0][~bare]), *map(_rows, tables[1:])], zero)
    if not header.signals:
        return EdfTimes(
            onsets=even, first_of_run=(0,), annotations=annotations, warnings=(), zero=zero
        )
    onsets, warnings = _onsets(header, stamps, zero, even)
    return EdfTimes(
        onsets=onsets,
        first_of_run=_runs(header, onsets),
        annotations=annotations,
        warnings=warnings,
        zero=zero,
    )


def _onsets(
    header: EdfHeader, stamps: NDArray[np.float64], zero: float, even: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    missing = np.flatnonzero(np.isnan(stamps))
    if len(missing) and header.plus == "D":
        raise DataError(
            f"{header.path}: is EDF+D (with gaps) and data record {missing[0]} has no time stamp, so "
            f"that its gaps cannot be known ({len(missing)} of {header.records} records)"
        )
    if len(missing):
        line = (
            f"{header.path.name}: {len(missing)} of {header.records} data records have no time stamp; "
            "the file is not marked as interrupted (EDF+D) and is read as continuous"
        )
        return even, (line,)
    return stamps - zero, ()


def _runs(header: EdfHeader, onsets: NDArray[np.float64]) -> tuple[int, ...]:
    fastest = max(header.rate(c) for c in header.signals)
    tolerance = max(0.5 / fastest, 1e-3) if header.plus == "D" else _CONTINUOUS_TOLERANCE
    jumps = np.diff(onsets) - header.seconds
    back = np.flatnonzero(jumps < -tolerance)
    if len(back):
        record = int(back[0]) + 1
        raise DataError(
            f"{header.path}: time runs backwards: data record {record} begins at {onsets[record]:g} s, "
            f"before record {record - 1} ends ({onsets[record - 1] + header.seconds:g} s)"
        )
    return (0, *(int(i) + 1 for i in np.flatnonzero(jumps > tolerance)))


def _bytes_of(header: EdfHeader, channel: EdfChannel) -> NDArray[np.uint8]:
    """Return what an annotation signal holds, ``[records, bytes]``."""
    length = channel.samples * header.sample_bytes
    found = np.empty((header.records, length), dtype=np.uint8)
    if length == 0:
        return found
    at = header.offset(channel)
    # Mapped a part at a time: pages that were looked at count as memory while they are mapped.
    most = max(1, _MAPPED // header.record_bytes)
    for first in range(0, header.records, most):
        table = np.memmap(
            header.path,
            dtype=np.uint8,
            mode="r",
            offset=header.bytes + first * header.record_bytes,
            shape=(min(most, header.records - first), header.record_bytes),
        )
        found[first : first + most] = table[:, at : at + length]
        del table
    return found


def _rows(table: NDArray[np.uint8]) -> list[bytes]:
    """Return the rows of a table as bytes."""
    length = table.shape[1]
    if length == 0:
        return [b""] * len(table)
    flat = table.tobytes()
    return [flat[i : i + length] for i in range(0, len(flat), length)]


def _stamps(table: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the time stamp of each record, NaN where there is none, and which records hold nothing else.

    Nearly all of a night's do, and their numbers are read all at once.
    """
    # Behind the last byte of any record that is not zero there is nothing to look at but one zero.
    used = np.flatnonzero(table.any(axis=0))
    near = table[:, : min(table.shape[1], int(used[-1]) + 2)] if len(used) else table[:, :0]
    bare = _is_bare(near)
    stamps = np.full(len(table), np.nan)
    if bare.any():
        stamps[bare] = _numbers(near if bare.all() else near[bare])
    for i, block in zip(np.flatnonzero(~bare).tolist(), _rows(table[~bare]), strict=True):
        stamp = _stamp(block)
        if stamp is not None:
            stamps[i] = stamp
    return stamps, bare


def _numbers(table: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the numbers of rows that `_is_bare` found.

    The digits are a whole number, exact up to 15 of them, and the point divides it by a power of ten, exact
    as well: the quotient is the double that is nearest to what is written.
    """
    ends = np.argmax(table == _END, axis=1)
    if ends.max() > _DIGITS + 1:
        texts = np.where(table == _END, 0, table).astype(np.uint8)
        return np.ascontiguousarray(texts).view(f"S{texts.shape[1]}")[:, 0].astype(np.float64)
    whole, behind = np.zeros(len(table)), np.zeros(len(table), dtype=np.int64)
    pointed = np.zeros(len(table), dtype=np.bool_)
    for column in range(1, int(ends.max())):
        byte = table[:, column]
        digit = (byte >= ord("0")) & (byte <= ord("9"))
        whole = np.where(digit, 10 * whole + (byte.astype(np.float64) - ord("0")), whole)
        behind += digit & pointed
        pointed |= byte == ord(".")
    found = whole / 10.0**behind
    return np.where(table[:, 0] == ord("-"), -found, found)


def _is_bare(table: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return for each record whether it is a sign, digits with at most one point among them, and the end."""
    n, length = table.shape
    if length < _SHORTEST:
        return np.zeros(n, dtype=np.bool_)
    # A row for each place in a record: what is counted along it is counted for all records at once.
    places = np.ascontiguousarray(table.T)
    digit, ends = (places >= ord("0")) & (places <= ord("9")), places == _END
    signed = (places[0] == ord("+")) | (places[0] == ord("-"))
    points, zeros = places == ord("."), places == 0
    first_end = np.argmax(ends, axis=0)
    second = np.minimum(first_end + 1, length - 1)
    known = digit | ends | points | zeros
    known[0] = signed
    found: NDArray[np.bool_] = signed & known.all(axis=0) & digit[1]
    found &= (ends.sum(axis=0, dtype=np.uint32) == 2) & ends[second, np.arange(n)]
    # nothing but zeros, one at least, behind the end, and none before it
    found &= (zeros == (np.arange(length)[:, None] > second)).all(axis=0) & zeros[-1]
    found &= points.sum(axis=0, dtype=np.uint32) <= 1
    return found


def _stamp(block: bytes) -> float | None:
    match = _TAL.match(block)
    if match is None:
        return None
    texts = match[3].split(b"\x14")[1:]
    return None if texts and texts[0] else float(match[1])


def _annotations(blocks: list[list[bytes]], zero: float) -> tuple[Interval, ...]:
    found = []
    for records in blocks:
        for block in records:
            for match in _TAL.finditer(block):
                for text in match[3].split(b"\x14"):
                    if text:
                        onset, duration = float(match[1]) - zero, float(match[2] or 0)
                        found.append(Interval(onset=onset, duration=duration, label=_decode(text)))
    return tuple(sorted(found, key=lambda interval: interval.onset))


def _decode(text: bytes) -> str:
    # The standard says UTF-8; many recorders write latin-1.
    try:
        return text.decode("utf-8").strip()
    except UnicodeDecodeError:
        return text.decode("latin-1").strip()
