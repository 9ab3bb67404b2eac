"""The export of a recording as EDF+: labels, ranges that fit the format, and no file of others overwritten.

No field says who was recorded or when: the patient is ``X X X X``, the start date the one that EDF+ has
for an unknown date.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.files.atomic import growing
from memcell_data.channel_lookup import find
from memcell_data.content import begins_as_edf, first_bytes
from memcell_data.formats.edf.fields import field_at
from memcell_data.formats.edf.reading import EdfFile
from memcell_data.formats.edf.writer import SAME, EdfSignal, EdfWriter, Identity, number_of
from memcell_data.recording import Interval
from memcell_data.units import microvolts_per

#: What the recording field begins and ends with; by the end a file of ours is known.
BEGINS, OURS = "Startdate X X X", "memcell"


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
        raise DataError(
            f"'{path}' exists already and was not written by memcell; type another --out"
        )
    if len({s.label for s in signals}) < len(signals):
        raise DataError(f"two signals have the same label: {', '.join(s.label for s in signals)}")
    origin = f"{OURS} simulated" if simulated else OURS
    with growing(path) as file:
        yield EdfWriter(file, signals, annotations, Identity(recording=f"{BEGINS} {origin}"))


def check_gaps(onsets: NDArray[np.float64], seconds: float) -> None:
    """Refuse records that would overlap.

    Args:
        onsets: ``[n_records]`` start of each record, s.
        seconds: Duration of a record.

    Raises:
        DataError: A gap is too short for EDF+; says where.
    """
    steps = np.diff(onsets) - seconds
    if len(steps) and steps.min() < -SAME:
        record = int(np.argmin(steps)) + 1
        raise DataError(
            f"a gap at {onsets[record]:g} s is shorter than the rest of a data record of {seconds:g} s, "
            "so EDF+ cannot hold it"
        )


def labels_of(names: Sequence[str]) -> list[str]:
    """Return names as EDF labels: printable ASCII, at most 16 characters, no two alike.

    >>> labels_of(["EEG Fpz-Cz", "Elektrode über dem Ohr links", "Elektrode über dem Ohr rechts"])
    ['EEG Fpz-Cz', 'Elektrode ?ber d', 'Elektrode ?ber~2']
    """
    labels: list[str] = []
    for name in names:
        plain = "".join(c if " " <= c <= "~" else "?" for c in name.strip())[:16].strip() or "?"
        label, n = plain, 1
        while label in labels:
            n += 1
            label = f"{plain[: 15 - len(str(n))]}~{n}"
        labels.append(label)
    return labels


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
        return math.isfinite(value) and float(number_of(value)) == value
    except DataError:
        return False


def fitting(low: float, high: float) -> tuple[float, float]:
    """Return a range that holds both ends and whose numbers fit the 8 characters of a header field.

    >>> fitting(-123.456789012, 99.87654321)
    (-123.457, 99.87655)
    """
    low, high = _outward(low, np.floor), _outward(high, np.ceil)
    return (low, high) if high > low else (low, low + 1.0)


def _outward(value: float, rounding: np.ufunc) -> float:
    for digits in range(6, -1, -1):
        moved = float(rounding(value * 10**digits) / 10**digits)
        if len(text := f"{moved:.{digits}f}") <= 8:
            return float(text)
    raise DataError(f"{value:g} does not fit into 8 characters of an EDF header")


def _is_ours(path: Path) -> bool:
    at, width = field_at("recording")
    with path.open("rb") as file:
        head = file.read(at + width)
    return head[at:].decode("latin-1").strip().endswith((f" {OURS}", f" {OURS} simulated"))
