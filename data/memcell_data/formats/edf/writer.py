"""The EDF+ writer: a file record by record (`EdfWriter`), or whole from arrays (`write_edf`).

The format is followed strictly (https://www.edfplus.info/specs/edfplus.html): fields of fixed width, 16-bit
samples, one time-stamped annotation list a record whose first entry is the record's onset, ``EDF+D`` where
records leave gaps. It is ours since it has to stream and leave gaps: edfio holds all samples, and neither it
nor pyedflib writes records with onsets of their own (``docs/decisions/0014-edf-writer.md``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.files.atomic import Growing, growing
from memcell_data.formats.edf.fields import FILE_FIELDS, SIGNAL_FIELDS
from memcell_data.recording import Interval

FULL = (-32768, 32767)
#: Onsets that differ by less are the same, s: they are written to the microsecond.
SAME = 5e-7


@dataclass(frozen=True, kw_only=True)
class EdfSignal:
    """One signal of the file.

    Args:
        label: At most 16 printable ASCII characters, another one for each signal.
        unit: At most 8.
        physical: Minimum and maximum in ``unit``; see `fitting` for numbers that fit the header.
        digital: The 16-bit integers that stand for them.
        samples: In a record.
    """

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[int, int] = FULL
    samples: int

    def stored(self, values: NDArray[np.float64]) -> NDArray[np.int16]:
        """Return the integers that stand for values in ``unit``, those beyond the range at its edge."""
        (low, high), (first, last) = self.physical, self.digital
        gain = (high - low) / (last - first)
        stored = np.rint((values - low) / gain) + first
        return np.asarray(np.clip(stored, first, last), dtype="<i2")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who was recorded and when, as EDF+ fields; anonymous by default.

    Args:
        patient: The patient field.
        recording: The recording field.
        start: Of the first record; the default is what EDF+ has for an unknown date.
    """

    patient: str = "X X X X"
    recording: str = "Startdate X X X X"
    start: datetime = datetime(1985, 1, 1)


class EdfWriter:
    """Writes EDF+ record by record, so that a night needs no more memory than a minute.

    Args:
        file: Takes the bytes.
        signals: What is in a record.
        annotations: Each goes into the record in which it begins; seconds from the first sample.
        identity: Who was recorded and when.
    """

    def __init__(
        self,
        file: Growing,
        signals: Sequence[EdfSignal],
        annotations: Sequence[Interval],
        identity: Identity,
    ) -> None:
        self._file, self._signals, self._identity = file, signals, identity
        self._notes = sorted(annotations, key=lambda a: a.onset)
        self._noted = self.records = 0
        self._edges: list[float] = []
        self._stamps: list[bytes] = []
        self._stamp_bytes = 0

    def begin(self, onsets: NDArray[np.float64], seconds: float) -> None:
        """Write the header.

        Args:
            onsets: ``[n_records]`` start of each record, seconds from the first sample; ascending.
            seconds: Duration of a record.

        Raises:
            DataError: A field does not fit.
        """
        gaps = bool((np.abs(np.diff(onsets) - seconds) > SAME).any())
        self._edges = onsets[1:].tolist()
        self._stamps = [_stamp(onset) for onset in onsets.tolist()]
        self._stamp_bytes = self._longest()
        self._file.write(self._header(len(onsets), seconds, gaps))

    def record(self, blocks: Sequence[NDArray[np.int16]]) -> None:
        """Write the next record: ``[samples]`` integers of each signal."""
        notes = b""
        while self._noted < len(self._notes) and self._record_of(self._noted) <= self.records:
            notes += _note(self._notes[self._noted])
            self._noted += 1
        stamps = (self._stamps[self.records] + notes).ljust(self._stamp_bytes, b"\0")
        self._file.write(b"".join([*(block.tobytes() for block in blocks), stamps]))
        self.records += 1

    def _record_of(self, note: int) -> int:
        return bisect_right(self._edges, self._notes[note].onset)

    def _longest(self) -> int:
        """Return the bytes that every record's annotation list fits into, an even number."""
        stamp = max(len(s) for s in self._stamps)
        of_record: dict[int, int] = {}
        for i, note in enumerate(self._notes):
            record = self._record_of(i)
            of_record[record] = of_record.get(record, 0) + len(_note(note))
        length = stamp + max(of_record.values(), default=0)
        return length + length % 2

    def _header(self, records: int, seconds: float, gaps: bool) -> bytes:
        signals = [
            {
                "label": s.label,
                "unit": s.unit,
                "physical minimum": number_of(s.physical[0]),
                "physical maximum": number_of(s.physical[1]),
                "digital minimum": str(s.digital[0]),
                "digital maximum": str(s.digital[1]),
                "samples per record": str(s.samples),
            }
            for s in self._signals
        ]
        signals.append(
            {
                "label": "EDF Annotations",
                "physical minimum": "-1",
                "physical maximum": "1",
                "digital minimum": str(FULL[0]),
                "digital maximum": str(FULL[1]),
                "samples per record": str(self._stamp_bytes // 2),
            }
        )
        fields = {
            "version": "0",
            "patient": self._identity.patient,
            "recording": self._identity.recording,
            "start date": self._identity.start.strftime("%d.%m.%y"),
            "start time": self._identity.start.strftime("%H.%M.%S"),
            "header bytes": str(256 * (len(signals) + 1)),
            "reserved": "EDF+D" if gaps else "EDF+C",
            "number of records": str(records),
            "record duration": number_of(seconds),
            "number of signals": str(len(signals)),
        }
        parts = [_pad(fields[name], width) for name, width in FILE_FIELDS]
        for name, width in SIGNAL_FIELDS:
            parts += [_pad(signal.get(name, ""), width) for signal in signals]
        return b"".join(parts)


@dataclass(frozen=True, kw_only=True)
class Track:
    """A signal to write.

    Args:
        name: At most 16 ASCII characters.
        values: ``[n_records * rate * seconds]`` in ``unit``; values beyond ``physical`` are clipped.
        rate: Samples a second, Hz.
        unit: At most 8 characters, written as latin-1.
        physical: Minimum and maximum in ``unit``; 16 bits are spread over it.
    """

    name: str
    values: NDArray[np.float64]
    rate: float
    unit: str = "uV"
    physical: tuple[float, float] = (-3276.8, 3276.7)


def write_edf(
    path: Path,
    tracks: Sequence[Track],
    *,
    seconds: float = 1.0,
    onsets: Sequence[float] | None = None,
    annotations: Sequence[Interval] = (),
    patient: str = "X X X X",
    recording: str = "Startdate 01-JAN-2000 X X X",
    start: datetime | None = None,
) -> None:
    """Write a recording; the file is whole or absent.

    Args:
        path: Where.
        tracks: The signals; each fills the same number of records.
        seconds: Duration of a record.
        onsets: Start of each record in seconds; None for one after the other (EDF+C). Where they leave
            a gap the file is EDF+D.
        annotations: Each is put into the record in which it begins.
        patient: The patient field, in EDF+ form.
        recording: The recording field, in EDF+ form.
        start: Start of the first record; None for 2000-01-01, midnight.

    Raises:
        DataError: The signals do not fill the same number of whole records.
    """
    samples = [_samples(track, seconds) for track in tracks]
    counts = {len(track.values) // n for track, n in zip(tracks, samples, strict=True)}
    if len(counts) != 1:
        raise DataError(f"{path}: the signals fill {sorted(counts)} records; one number is needed")
    n_records = counts.pop()
    even = [record * seconds for record in range(n_records)]
    times: NDArray[np.float64] = np.array(even if onsets is None else onsets, dtype=np.float64)
    if len(times) != n_records:
        raise DataError(f"{path}: {n_records} records and {len(times)} onsets")
    signals = [
        EdfSignal(label=t.name, unit=t.unit, physical=t.physical, samples=n)
        for t, n in zip(tracks, samples, strict=True)
    ]
    stored = [
        s.stored(t.values).reshape(n_records, -1) for s, t in zip(signals, tracks, strict=True)
    ]
    identity = Identity(patient=patient, recording=recording, start=start or datetime(2000, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    with growing(path) as file:
        writer = EdfWriter(file, signals, annotations, identity)
        writer.begin(times, seconds)
        for record in range(n_records):
            writer.record([rows[record] for rows in stored])


def _samples(track: Track, seconds: float) -> int:
    """Return the samples of a record."""
    samples = round(track.rate * seconds)
    if samples < 1 or len(track.values) % samples:
        raise DataError(
            f"track '{track.name}': {len(track.values)} values do not fill records of {samples} samples"
        )
    return samples


def _stamp(onset: float) -> bytes:
    return f"{'-' if onset < 0 else '+'}{_seconds(abs(onset))}\x14\x14\0".encode()


def _note(note: Interval) -> bytes:
    sign = "-" if note.onset < 0 else "+"
    text = f"{sign}{_seconds(abs(note.onset))}\x15{_seconds(note.duration)}\x14{note.label}\x14\0"
    return text.encode()


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


def number_of(value: float) -> str:
    """Return the most exact form of a number within 8 characters, without an exponent."""
    if value == int(value) and len(text := str(int(value))) <= 8:
        return text
    for digits in range(7, 0, -1):
        if len(text := f"{value:.{digits}f}") <= 8:
            return text.rstrip("0").rstrip(".")
    raise DataError(f"{value:g} does not fit into 8 characters of an EDF header")


def _pad(text: str, width: int) -> bytes:
    raw = text.encode("latin-1")
    if len(raw) > width:
        raise DataError(f"'{text}' does not fit into {width} bytes of an EDF header")
    return raw.ljust(width)
