"""What a view needs of a recording, kept beside the results: its packed signals, and marks made in it.

A page is made of this long after the recording is gone. It holds the signal of somebody: share it as you
would share the recording.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import RunFolderError
from memcell.files.atomic import write_atomic
from memcell.files.reading import parse_json, read_arrays, refusing
from memcell.reports.viewer.packing import CHUNK, LONGEST, MOST_CHANNELS, PackedSignals

#: Bytes of the parts of a file; one with more is none of ours.
MOST_BYTES = 8_000_000
_SCALARS = (
    "unit",
    "duration",
    "native",
    "rate",
    "bin_seconds",
    "column_seconds",
    "frequencies",
    "apart",
    "note",
)


@dataclass(frozen=True, kw_only=True)
class StoredView:
    """A recording's part of a view.

    Args:
        name: Of the recording.
        signals: None where there are none.
        marks: (onset, duration, words) that somebody put into the recording, in order.
        why_not: Why there are no signals.
    """

    name: str
    signals: PackedSignals | None = None
    marks: tuple[tuple[float, float, str], ...] = ()
    why_not: str = ""


def write_view(path: Path, view: StoredView) -> None:
    """Write a view's file.

    Raises:
        MemcellError: It cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {}
    about: dict[str, Any] = {"name": view.name, "marks": view.marks, "why_not": view.why_not}
    if (s := view.signals) is not None:
        about |= {name: getattr(s, name) for name in _SCALARS}
        about |= {"channels": s.channels, "steps": s.steps, "envelope_steps": s.envelope_steps}
        arrays["lengths"] = np.array([len(c) for c in s.chunks], dtype=np.int64)
        arrays["spectra"] = np.array([len(c) for c in s.spectrogram], dtype=np.int64)
        arrays["recorded"] = np.array(s.recorded, dtype=np.float64)
        arrays["wave"] = _bytes(b"".join(s.chunks))
        arrays["envelope"] = _bytes(s.envelope)
        arrays["spectrogram"] = _bytes(b"".join(s.spectrogram))
    arrays["about"] = _bytes(json.dumps(about).encode())
    buffer = io.BytesIO()
    # names of arrays are keywords here, and the type checker takes one of them for 'allow_pickle'
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, buffer.getvalue())


def read_view(path: Path) -> StoredView:
    """Return a view's file.

    Raises:
        RunFolderError: It cannot be read, or is none.
    """
    arrays = read_arrays(path)
    with refusing(path):
        if sum(a.nbytes for a in arrays.values()) > MOST_BYTES:
            raise RunFolderError(f"'{path}' is larger than any view that memcell writes")
        about = parse_json(arrays["about"].tobytes(), path)
        marks = tuple((_finite(a), _finite(d), str(w)) for a, d, w in about["marks"])
        signals = _signals(about, arrays) if "wave" in arrays else None
        return StoredView(
            name=str(about["name"]), signals=signals, marks=marks, why_not=str(about["why_not"])
        )


def _signals(about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> PackedSignals:
    channels = tuple(map(str, about["channels"]))
    duration = _finite(about["duration"])
    finest, middle, largest = about["steps"]
    signals = PackedSignals(
        channels=channels, unit=str(about["unit"]), duration=duration, native=_finite(about["native"]),
        rate=int(about["rate"]), chunks=_cut(arrays["wave"], arrays["lengths"]),
        steps=(_finite(finest), _finite(middle), _finite(largest)), bin_seconds=int(about["bin_seconds"]),
        envelope=arrays["envelope"].tobytes(), envelope_steps=tuple(map(_finite, about["envelope_steps"])),
        column_seconds=int(about["column_seconds"]),
        spectrogram=_cut(arrays["spectrogram"], arrays["spectra"]), frequencies=int(about["frequencies"]),
        recorded=tuple((_finite(a), _finite(b)) for a, b in arrays["recorded"]),
        apart=_finite(about["apart"]), note=str(about["note"]),
    )  # fmt: skip
    fits = (
        1 <= len(channels) <= MOST_CHANNELS and 0 < duration <= LONGEST and signals.rate > 0
        and len(signals.chunks) == math.ceil(duration / CHUNK)
        and len(signals.spectrogram) == len(signals.envelope_steps) == len(channels)
    )  # fmt: skip
    if not fits:
        raise ValueError("parts of a view that do not belong together")
    return signals


def _cut(joined: NDArray[Any], lengths: NDArray[Any]) -> tuple[bytes, ...]:
    ends = np.cumsum(lengths)
    if (lengths < 0).any() or (ends[-1] if len(ends) else 0) != joined.nbytes:
        raise ValueError("lengths that are none")
    data = joined.tobytes()
    return tuple(data[e - n : e] for e, n in zip(ends.tolist(), lengths.tolist(), strict=True))


def _bytes(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a number that is none")
    return number
