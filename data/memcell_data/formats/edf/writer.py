"""A small EDF+ writer: what the simulated data set is stored with, and what tests damage on purpose.

It writes EDF+C, or EDF+D where the record onsets leave gaps, with one time-stamped annotation list a
record (https://www.edfplus.info/specs/edfplus.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.files.atomic import atomic_path
from memcell_data.formats.edf.fields import FILE_FIELDS, SIGNAL_FIELDS
from memcell_data.recording import Interval

_DIGITAL = (-32768, 32767)


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
    blocks = [_records(track, seconds) for track in tracks]
    counts = {len(block) for block in blocks}
    if len(counts) != 1:
        raise DataError(f"{path}: the signals fill {sorted(counts)} records; one number is needed")
    n_records = counts.pop()
    even = [i * seconds for i in range(n_records)]
    times = even if onsets is None else list(onsets)
    if len(times) != n_records:
        raise DataError(f"{path}: {n_records} records and {len(times)} onsets")
    stamps = _stamps(times, annotations)
    stamp_samples = stamps.shape[1] // 2
    gaps = any(abs(b - a - seconds) > 1e-9 for a, b in pairwise(times))
    head = _header(
        tracks,
        [block.shape[1] for block in blocks],
        stamp_samples,
        {
            "version": "0",
            "patient": patient,
            "recording": recording,
            **_start(start or datetime(2000, 1, 1)),
            "header bytes": str(256 * (len(tracks) + 2)),
            "reserved": "EDF+D" if gaps else "EDF+C",
            "number of records": str(n_records),
            "record duration": _number(seconds),
            "number of signals": str(len(tracks) + 1),
        },
    )
    body = np.concatenate([*(b.view(np.uint8) for b in blocks), stamps], axis=1)
    with atomic_path(path) as temporary:
        temporary.write_bytes(head + body.tobytes())


def _records(track: Track, seconds: float) -> NDArray[np.int16]:
    samples = round(track.rate * seconds)
    low, high = track.physical
    if samples < 1 or len(track.values) % samples:
        raise DataError(
            f"track '{track.name}': {len(track.values)} values do not fill records of {samples} samples"
        )
    gain = (high - low) / (_DIGITAL[1] - _DIGITAL[0])
    digital = np.round((track.values - low) / gain) + _DIGITAL[0]
    return np.clip(digital, *_DIGITAL).astype("<i2").reshape(-1, samples)


def _stamps(times: Sequence[float], annotations: Sequence[Interval]) -> NDArray[np.uint8]:
    """Return ``[n_records, length]`` bytes: each record's time stamp and what begins in it."""
    texts = [f"+{_seconds(t)}\x14\x14\0".encode() for t in times]
    edges = np.asarray(times[1:])
    for a in annotations:
        record = int(np.searchsorted(edges, a.onset, side="right"))
        sign = "-" if a.onset < 0 else "+"
        stamp = f"{sign}{_seconds(abs(a.onset))}\x15{_seconds(a.duration)}\x14{a.label}\x14\0"
        texts[record] += stamp.encode()
    length = max(len(text) for text in texts)
    length += length % 2
    joined = b"".join(text.ljust(length, b"\0") for text in texts)
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(texts), length)


def _header(
    tracks: Sequence[Track], samples: Sequence[int], stamp_samples: int, fields: dict[str, str]
) -> bytes:
    signals = [
        {
            "label": t.name,
            "unit": t.unit,
            "physical minimum": _number(t.physical[0]),
            "physical maximum": _number(t.physical[1]),
            "digital minimum": str(_DIGITAL[0]),
            "digital maximum": str(_DIGITAL[1]),
            "samples per record": str(n),
        }
        for t, n in zip(tracks, samples, strict=True)
    ]
    signals.append(
        {
            "label": "EDF Annotations",
            "physical minimum": "-1",
            "physical maximum": "1",
            "digital minimum": str(_DIGITAL[0]),
            "digital maximum": str(_DIGITAL[1]),
            "samples per record": str(stamp_samples),
        }
    )
    parts = [_pad(fields[name], width) for name, width in FILE_FIELDS]
    for name, width in SIGNAL_FIELDS:
        parts += [_pad(signal.get(name, ""), width) for signal in signals]
    return b"".join(parts)


def _start(start: datetime) -> dict[str, str]:
    return {
        "start date": start.strftime("%d.%m.%y"),
        "start time": start.strftime("%H.%M.%S"),
    }


def _pad(text: str, width: int) -> bytes:
    raw = text.encode("latin-1")
    if len(raw) > width:
        raise DataError(f"'{text}' does not fit into {width} bytes of an EDF header")
    return raw.ljust(width)


def _number(value: float) -> str:
    """Return the most exact form of a number within 8 characters."""
    return next(t for digits in range(8, 0, -1) if len(t := f"{value:.{digits}g}") <= 8)


def _seconds(value: float) -> str:
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return text or "0"
