"""The header of an EDF, EDF+ or BDF file, read field by field and checked before anyone trusts it.

Fields are ASCII of fixed width: 256 bytes about the file, then each field for all signals in turn. The
fields about the patient and the recording are skipped: nothing here ever holds them.

References:
    Kemp et al. 1992 (EDF); Kemp and Olivan 2003 (EDF+); https://www.edfplus.info/specs/
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from memcell.errors import DataError
from memcell_data.channel_lookup import numbered
from memcell_data.content import BIOSEMI, begins_as_edf, first_bytes
from memcell_data.formats.edf.fields import field_at, field_over, integer_of, number_of, text_of

_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")


@dataclass(frozen=True, kw_only=True)
class EdfChannel:
    """What the header says of one signal; the ranges may be nonsense until `edf.EdfFile.read` checks them.

    Args:
        index: Position in the file, from 0.
        label: Without padding; where several signals have one name, numbered from 0 as MNE does (``O1-0``).
        written: The label as the file has it.
        unit: As the file has it, decoded as latin-1.
        physical: Minimum and maximum in ``unit``; NaN where the header says so.
        digital: Minimum and maximum of the stored integers.
        samples: Samples in a data record.
    """

    index: int
    label: str
    written: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    samples: int

    @property
    def is_annotations(self) -> bool:
        """Whether it holds time stamps and annotations instead of samples."""
        return self.label in _ANNOTATIONS


@dataclass(frozen=True, kw_only=True)
class EdfHeader:
    """A checked header.

    Args:
        path: The file.
        sample_bytes: 2 (EDF) or 3 (BDF).
        plus: ``""``, ``"C"`` (EDF+ without a break) or ``"D"`` (EDF+ with breaks).
        declared: Number of records that the header says, -1 where it was never filled in.
        records: Whole records in the file.
        spare: Bytes after the last whole record.
        seconds: Duration of a record.
        channels: All signals, annotations too.
    """

    path: Path
    sample_bytes: int
    plus: str
    declared: int
    records: int
    spare: int
    seconds: float
    channels: tuple[EdfChannel, ...]

    @property
    def bytes(self) -> int:
        """Length of the header."""
        return 256 * (len(self.channels) + 1)

    @cached_property
    def record_bytes(self) -> int:
        """Length of a data record."""
        return self.sample_bytes * sum(c.samples for c in self.channels)

    @property
    def signals(self) -> tuple[EdfChannel, ...]:
        """The channels that hold samples."""
        return tuple(c for c in self.channels if not c.is_annotations)

    def rate(self, channel: EdfChannel) -> float:
        """Samples a second of a channel, Hz."""
        return channel.samples / self.seconds

    def offset(self, channel: EdfChannel) -> int:
        """Bytes from a record's start to a channel's samples."""
        return self.sample_bytes * sum(c.samples for c in self.channels[: channel.index])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the sizes say of records that are missing or cut."""
        lines = []
        if self.declared not in (self.records, -1):
            missing = self.declared - self.records
            lines.append(
                f"{self.path.name}: the header says {self.declared} data records and the file holds "
                f"{self.records} whole ones; "
                + (
                    f"{missing} ({missing * self.seconds:g} s) are missing, the rest is read"
                    if missing > 0
                    else "all that it holds are read"
                )
            )
        if self.declared == -1:
            lines.append(
                f"{self.path.name}: the recording was never closed (-1 data records in the header); "
                f"the {self.records} whole ones in the file are read"
            )
        if self.spare:
            lines.append(
                f"{self.path.name}: ends in the middle of a data record; the last {self.spare} of "
                f"{self.record_bytes} bytes are left out"
            )
        return tuple(lines)


def read_header(path: Path, *, labels_only: bool = False) -> EdfHeader:
    """Read and check the header.

    Args:
        path: The file.
        labels_only: The file may hold annotations and no signal.

    Raises:
        DataError: The file is not an EDF or BDF recording, or a field of its header cannot be read;
            names the file, the field and the byte.
    """
    head = first_bytes(path)
    size = path.stat().st_size
    _check_is_edf(path, head, size)
    n_channels = integer_of(path, head, "number of signals", low=1)
    expected = 256 * (n_channels + 1)
    head = first_bytes(path, expected)
    if len(head) < expected:
        raise DataError(
            f"{path}: the header is cut: {n_channels} signals need {expected} bytes and the file has "
            f"{size}; it ends in field '{field_over(len(head), n_channels)}'"
        )
    stated = integer_of(path, head, "header bytes")
    if stated != expected:
        raise DataError(
            f"{path}: field 'header bytes' (byte 184) says {stated}, and {n_channels} signals make "
            f"{expected}; the file is damaged"
        )
    return _parse(path, head, size, n_channels, labels_only)


def _parse(path: Path, head: bytes, size: int, n_channels: int, labels_only: bool) -> EdfHeader:
    written = [text_of(head, "label", i, n_channels) for i in range(n_channels)]
    signals = [i for i, label in enumerate(written) if label not in _ANNOTATIONS]
    called = dict(zip(signals, numbered([written[i] for i in signals]), strict=True))
    channels = tuple(
        _channel(path, head, i, n_channels, called.get(i, written[i])) for i in range(n_channels)
    )
    reserved = text_of(head, "reserved").upper()
    plus = reserved[4] if reserved[:5] in ("EDF+C", "EDF+D", "BDF+C", "BDF+D") else ""
    seconds = number_of(path, head, "record duration")
    only_labels = all(c.is_annotations for c in channels)
    if only_labels and not labels_only:
        raise DataError(
            f"{path}: holds annotations and no signal; it may be the label file of a recording: "
            f"type --data.labels {path.name}"
        )
    if not (math.isfinite(seconds) and (seconds > 0 or (only_labels and seconds == 0))):
        at = field_at("record duration")[0]
        raise DataError(
            f"{path}: field 'record duration' (byte {at}) is {seconds:g} s; a recording needs a "
            "duration above 0"
        )
    width = 3 if head.startswith(BIOSEMI) else 2
    record = width * sum(c.samples for c in channels)
    if record == 0:
        raise DataError(f"{path}: no signal has a sample in a data record")
    body = size - len(head)
    if body < record:
        raise DataError(
            f"{path}: holds no whole data record: a record is {record} bytes and {body} follow the "
            "header"
        )
    return EdfHeader(
        path=path,
        sample_bytes=width,
        plus=plus,
        declared=integer_of(path, head, "number of records", low=-1),
        records=body // record,
        spare=body % record,
        seconds=seconds,
        channels=channels,
    )


def _channel(path: Path, head: bytes, index: int, n: int, label: str) -> EdfChannel:
    def number(name: str) -> float:
        return number_of(path, head, name, index, n)

    return EdfChannel(
        index=index,
        label=label,
        written=text_of(head, "label", index, n),
        unit=text_of(head, "unit", index, n),
        physical=(number("physical minimum"), number("physical maximum")),
        digital=(number("digital minimum"), number("digital maximum")),
        samples=integer_of(path, head, "samples per record", index, n),
    )


def _check_is_edf(path: Path, head: bytes, size: int) -> None:
    if not begins_as_edf(head):
        raise DataError(
            f"{path}: is not an EDF or BDF recording: its first 8 bytes are {head[:8]!r}, expected "
            "'0' and 7 spaces (EDF) or byte 255 and 'BIOSEMI' (BDF)"
        )
    if len(head) < 256:
        raise DataError(
            f"{path}: the header is cut: 256 bytes expected and the file has {size}; it ends in field "
            f"'{field_over(size, 0)}'"
        )
