"""A validator for MNE's reader of GDF, which never ends on some damaged headers and guesses units.

Only what decides about reading is looked at: sizes, types, rates, ranges and units. Fields about the person
are skipped.

References:
    Schloegl 2006, arXiv:cs/0608052 (GDF 1 and 2).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memcell.errors import DataError
from memcell_data.content import first_bytes

_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 8, 8: 8, 16: 4, 17: 8}
_FIXED = 256
_MOST_CHANNELS = 4096
# Where a field of the channels begins (times their number) and how one value is packed.
_GDF_1 = {"unit": (96, "8s"), "physical": (104, "d"), "digital": (120, "q"), "samples": (216, "i")}
_GDF_2 = {"unit": (102, "H"), "physical": (104, "d"), "digital": (120, "d"), "samples": (216, "i")}
_VOLTS = {4256: "V", 4274: "mV", 4275: "uV"}


@dataclass(frozen=True, kw_only=True)
class GdfFacts:
    """What the header says of the channels.

    Args:
        units: Unit by channel name, empty where none or an unknown one is told.
        problems: Why a channel cannot be read, by name.
    """

    units: dict[str, str]
    problems: dict[str, str]


def check_gdf(path: Path) -> GdfFacts:
    """Refuse a file whose header does not make a whole recording.

    Raises:
        DataError: Names the file and the field.
    """
    head = first_bytes(path, _FIXED)
    if len(head) < _FIXED or not head.startswith(b"GDF "):
        raise DataError(
            f"{path}: is no GDF file: it does not begin with 'GDF' and 256 bytes of header"
        )
    try:
        version = float(head[4:8])
    except ValueError:
        raise DataError(
            f"{path}: header field 'version' is {head[4:8]!r}, expected a number"
        ) from None
    second = version >= 1.9
    n = struct.unpack_from("<H" if second else "<I", head, 252)[0]
    if not 1 <= n <= _MOST_CHANNELS:
        raise DataError(
            f"{path}: header field 'number of signals' (byte 252) is {n}, expected 1 or more"
        )
    head = first_bytes(path, _FIXED * (n + 1))
    if len(head) < _FIXED * (n + 1):
        raise DataError(f"{path}: the header is cut: {n} signals need {_FIXED * (n + 1)} bytes")
    stated = (
        256 * struct.unpack_from("<H", head, 184)[0]
        if second
        else struct.unpack_from("<q", head, 184)[0]
    )
    if stated != _FIXED * (n + 1):
        raise DataError(
            f"{path}: header field 'header bytes' (byte 184) says {stated}, and {n} signals make "
            f"{_FIXED * (n + 1)}; the file is damaged"
        )
    samples = _sizes(path, head, n)
    return _channels(path, head, n, samples, _GDF_2 if second else _GDF_1)


def _sizes(path: Path, head: bytes, n: int) -> Sequence[int]:
    """Check that as many records as the header says are in the file; return samples a record."""
    records, numerator, denominator = struct.unpack_from("<qII", head, 236)
    samples = struct.unpack_from(f"<{n}i", head, _FIXED + 216 * n)
    types = struct.unpack_from(f"<{n}i", head, _FIXED + 220 * n)
    if numerator == 0 or denominator == 0:
        raise DataError(
            f"{path}: header field 'record duration' (byte 244) is {numerator}/{denominator} s; a recording "
            "needs a duration above 0"
        )
    if min(samples) < 1:
        raise DataError(
            f"{path}: header field 'samples per record' is {min(samples)}, expected 1 or more"
        )
    unknown = [t for t in types if t not in _BYTES]
    if unknown:
        raise DataError(f"{path}: header field 'data type' is {unknown[0]}, which is none of GDF's")
    if records < 1:
        raise DataError(f"{path}: header field 'number of records' (byte 236) is {records}")
    record = sum(s * _BYTES[t] for s, t in zip(samples, types, strict=True))
    body = path.stat().st_size - len(head)
    if body < records * record:
        raise DataError(
            f"{path}: is cut: the header promises {records} data records of {record} bytes, and {body} "
            "bytes follow it"
        )
    return samples


def _channels(
    path: Path, head: bytes, n: int, samples: Sequence[int], layout: dict[str, tuple[int, str]]
) -> GdfFacts:
    def column(field: str, offset: int = 0) -> Sequence[Any]:
        at, kind = layout[field]
        return [v[0] for v in struct.iter_unpack(f"<{kind}", head[_slice(at + offset, n, kind)])]

    units: dict[str, str] = {}
    problems: dict[str, str] = {}
    lows, highs = column("physical"), column("physical", 8)
    floors, tops = column("digital"), column("digital", 8)
    for i, unit in enumerate(column("unit")):
        name = (
            head[_FIXED + 16 * i : _FIXED + 16 * (i + 1)].split(b"\0")[0].decode("latin-1").strip()
        )
        words = "" if isinstance(unit, int) else unit.decode("latin-1").strip(" \0")
        unit_name = _VOLTS.get(unit, f"code {unit}") if isinstance(unit, int) else words
        units[name] = unit_name
        where = f"{path}: channel '{name}'"
        numbers = (lows[i], highs[i], floors[i], tops[i])
        if (
            not all(math.isfinite(v) for v in numbers)
            or lows[i] == highs[i]
            or floors[i] >= tops[i]
        ):
            problems[name] = (
                f"{where}: its range is physical {lows[i]:g} to {highs[i]:g}, digital {floors[i]:g} to "
                f"{tops[i]:g}, which gives no scale"
            )
        elif not _is_read_rightly(unit, unit_name):
            problems[name] = (
                f"{where} has unit '{unit_name}', which MNE takes for volts; values may be wrong by a factor "
                "of a million"
            )
        elif samples[i] != max(samples):
            problems[name] = (
                f"{where} has a lower rate than others, to which MNE would interpolate it"
            )
    return GdfFacts(units=units, problems=problems)


def _is_read_rightly(unit: int | bytes, unit_name: str) -> bool:
    """Whether MNE gives a channel of this unit in volts: GDF 2 has codes, GDF 1 words."""
    return unit in _VOLTS if isinstance(unit, int) else unit_name[:2] == "uV" or unit_name == "V"


def _slice(at: int, n: int, kind: str) -> slice:
    first = _FIXED + at * n
    return slice(first, first + n * struct.calcsize(f"<{kind}"))
