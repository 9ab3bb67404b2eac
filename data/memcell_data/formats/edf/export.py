"""Writing EDF+ record by record, so that a night needs no more memory than a minute.

The format is followed strictly (https://www.edfplus.info/specs/edfplus.html): 7-bit ASCII in the header,
fields of fixed width, 16-bit samples, one time-stamped annotation list a record whose first entry is the
record's onset, ``EDF+D`` where records leave gaps. No field says who was recorded or when: the patient
is ``X X X X``, the start date the one that EDF+ has for an unknown date.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.files.atomic import Growing, growing
from memcell_data.channels import find
from memcell_data.content import begins_as_edf, first_bytes
from memcell_data.formats.edf.fields import FILE_FIELDS, SIGNAL_FIELDS, field_at
from memcell_data.formats.edf.reading import EdfFile
from memcell_data.recording import Interval
from memcell_data.units import microvolts_per

#: What the recording field begins and ends with; by the end a file of ours is known.
BEGINS, OURS = "Startdate X X X", "memcell"
FULL = (-32768, 32767)


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


class EdfWriter:
    """Takes records one after the other; see `edf_plus`."""

    def __init__(
        self,
        file: Growing,
        signals: Sequence[EdfSignal],
        annotations: Sequence[Interval],
        simulated: bool = False,
    ) -> None:
        self._file, self._signals = file, signals
        self._said = f"{OURS} simulated" if simulated else OURS
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
            DataError: Records overlap, or a field does not fit.
        """
        steps = np.diff(onsets) - seconds
        if len(steps) and steps.min() < -5e-7:
            record = int(np.argmin(steps)) + 1
            raise DataError(
                f"a gap at {onsets[record]:g} s is shorter than the rest of a data record of {seconds:g} s, "
                "so EDF+ cannot hold it"
            )
        gaps = bool(len(steps) and steps.max() > 5e-7)
        self._edges = onsets[1:].tolist()
        self._stamps = [_stamp(onset) for onset in onsets.tolist()]
        self._stamp_bytes = self._longest()
        self._file.write(self._header(len(onsets), seconds, gaps))

    def record(self, blocks: Sequence[NDArray[np.int16]]) -> None:
        """Write the next record: ``[samples]`` integers of each signal."""
        for block in blocks:
            self._file.write(block.tobytes())
        notes = b""
        while self._noted < len(self._notes) and self._record_of(self._noted) <= self.records:
            notes += _note(self._notes[self._noted])
            self._noted += 1
        self._file.write((self._stamps[self.records] + notes).ljust(self._stamp_bytes, b"\0"))
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
                "physical minimum": _number(s.physical[0]),
                "physical maximum": _number(s.physical[1]),
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
            "patient": "X X X X",
            "recording": f"{BEGINS} {self._said}",
            "start date": "01.01.85",
            "start time": "00.00.00",
            "header bytes": str(256 * (len(signals) + 1)),
            "reserved": "EDF+D" if gaps else "EDF+C",
            "number of records": str(records),
            "record duration": _number(seconds),
            "number of signals": str(len(signals)),
        }
        parts = [_pad(fields[name], width) for name, width in FILE_FIELDS]
        for name, width in SIGNAL_FIELDS:
            parts += [_pad(signal.get(name, ""), width) for signal in signals]
        return b"".join(parts)


@contextmanager
def edf_plus(
    path: Path,
    signals: Sequence[EdfSignal],
    annotations: Sequence[Interval],
    simulated: bool = False,
) -> Iterator[EdfWriter]:
    """Yield a writer for a file that is whole or absent.

    Args:
        path: Where.
        signals: What is in a record.
        annotations: Each goes into the record in which it begins; seconds from the first sample.
        simulated: The signals were made by a program: the header says so.

    Raises:
        DataError: A file that is not ours stands there, or labels are not unique.
        MemcellError: The file cannot be written.
    """
    if path.exists() and not _is_ours(path):
        raise DataError(f"'{path}' is there and was not written by memcell; type another --out")
    if len({s.label for s in signals}) < len(signals):
        raise DataError(f"two signals have one label: {', '.join(s.label for s in signals)}")
    with growing(path) as file:
        yield EdfWriter(file, signals, annotations, simulated)


def labels_of(names: Sequence[str]) -> list[str]:
    """Return names as EDF labels: printable ASCII, at most 16 characters, no two alike.

    >>> labels_of(["EEG Fpz-Cz", "Elektrode über dem Ohr links", "Elektrode über dem Ohr rechts"])
    ['EEG Fpz-Cz', 'Elektrode ?ber d', 'Elektrode ?ber~2']
    """
    made: list[str] = []
    for name in names:
        plain = "".join(c if " " <= c <= "~" else "?" for c in name.strip())[:16].strip() or "?"
        label, n = plain, 1
        while label in made:
            n += 1
            label = f"{plain[: 15 - len(str(n))]}~{n}"
        made.append(label)
    return made


def stored_ranges(
    path: Path | None, names: Sequence[str]
) -> list[tuple[tuple[float, float], tuple[int, int]]] | None:
    """Return physical range in microvolts and digital range of channels of a 16-bit EDF file.

    With them a sample is written back as the very integer that it was; None where the file is another, or
    a number does not fit into a header in microvolts.
    """
    if path is None or path.is_dir() or not begins_as_edf(first_bytes(path)):
        return None
    file = EdfFile(path)
    if file.header.sample_bytes != 2:
        return None
    found = []
    signals = file.header.signals
    for name in names:
        c = signals[find(name, [s.label for s in signals], str(path))]
        factor = microvolts_per(c.unit) or math.nan
        physical = (c.physical[0] * factor, c.physical[1] * factor)
        if not all(exact(v) for v in physical):
            return None
        found.append((physical, (int(c.digital[0]), int(c.digital[1]))))
    return found


def exact(value: float) -> bool:
    """Whether a number fits into the 8 characters of a header field as it is."""
    try:
        return math.isfinite(value) and float(_number(value)) == value
    except DataError:
        return False


def fitting(low: float, high: float) -> tuple[float, float]:
    """Return a range that holds both ends and whose numbers fit the 8 characters of a header field.

    >>> fitting(-123.456789012, 99.87654321)
    (-123.457, 99.87655)
    """
    low, high = _outward(low, np.floor), _outward(high, np.ceil)
    return (low, high) if high > low else (low, low + 1.0)


def _outward(value: float, way: np.ufunc) -> float:
    for digits in range(6, -1, -1):
        moved = float(way(value * 10**digits) / 10**digits)
        if len(text := f"{moved:.{digits}f}") <= 8:
            return float(text)
    raise DataError(f"{value:g} does not fit into 8 characters of an EDF header")


def _is_ours(path: Path) -> bool:
    at, width = field_at("recording")
    with path.open("rb") as file:
        head = file.read(at + width)
    return head[at:].decode("latin-1").strip().endswith((f" {OURS}", f" {OURS} simulated"))


def _stamp(onset: float) -> bytes:
    return f"{'-' if onset < 0 else '+'}{_seconds(abs(onset))}\x14\x14\0".encode()


def _note(note: Interval) -> bytes:
    sign = "-" if note.onset < 0 else "+"
    text = f"{sign}{_seconds(abs(note.onset))}\x15{_seconds(note.duration)}\x14{note.label}\x14\0"
    return text.encode()


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


def _number(value: float) -> str:
    """Return the most exact form of a number within 8 characters, without an exponent."""
    if value == int(value) and len(text := str(int(value))) <= 8:
        return text
    for digits in range(7, 0, -1):
        if len(text := f"{value:.{digits}f}") <= 8:
            return text.rstrip("0").rstrip(".")
    raise DataError(f"{value:g} does not fit into 8 characters of an EDF header")


def _pad(text: str, width: int) -> bytes:
    raw = text.encode("ascii")
    if len(raw) > width:
        raise DataError(f"'{text}' does not fit into {width} bytes of an EDF header")
    return raw.ljust(width)
