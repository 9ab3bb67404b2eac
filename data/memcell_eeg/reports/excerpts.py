"""Short segments of signal, saved with the run so that a report needs no recordings.

``excerpts.npz`` holds, for each of the places of `memcell_eeg.reports.places`, up to three channels in
the network's pass-band, thinned to what a page can show. It is signal of the people recorded: share it as
you would share the recordings.
"""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Probabilities, Task
from memcell.errors import MemcellError
from memcell.files.atomic import write_atomic
from memcell.files.reading import parse_json, read_arrays, refusing
from memcell.sequences.time_series import TimeSeries
from memcell_data.recording import Recording
from memcell_eeg.features.precomputed import PrecomputedFeatures, pipeline_of
from memcell_eeg.reports.places import ShownSegment, choose
from memcell_eeg.reports.trace import envelope, read_trace

FILE = "excerpts.npz"
MOST_CHANNELS = 3
POINTS = 700
#: Longer recordings are not read whole once more for a picture, s.
LONGEST = 4 * 3600.0

#: Of one curve in the file; more would not come from there.
_MOST_POINTS = 100 * POINTS

Curve = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """A segment with its signal.

    Args:
        sequence: Name of the test sequence.
        place: Where; its index is that of the sequence when it was chosen.
        channels: Name to (times s, lowest, highest) of each piece; NaN breaks the line.
        scale: Size that most samples stay under, uV (or the features' own unit).
        unit: Of the signal; empty for features.
        why_not: Why there is no signal; empty otherwise.
    """

    sequence: str
    place: ShownSegment
    channels: Mapping[str, tuple[Curve, Curve, Curve]]
    scale: float
    unit: str = "µV"
    why_not: str = ""


def write_excerpts(
    path: Path,
    sequences: Sequence[TimeSeries],
    probabilities: Sequence[Probabilities],
    threshold: float,
    facts: Mapping[str, Any],
    recordings: Sequence[Recording],
) -> None:
    """Choose segments and write their signal.

    Args:
        path: The run folder.
        sequences: The test split.
        probabilities: Of the run's own network.
        threshold: Its threshold.
        facts: Of the task: the pipeline, for channels and filters.
        recordings: To read from; those that are not there leave their places without signal.
    """
    pipeline = pipeline_of(facts["pipeline"])
    arrays: dict[str, NDArray[Any]] = {}
    entries = []
    traces: dict[str, Any] = {}
    for n, place in enumerate(choose(sequences, probabilities, threshold)):
        s = sequences[place.index]
        one = {"sequence": s.name, "place": vars(place), "channels": [], "scale": 1.0, "unit": "",
               "why_not": ""}  # fmt: skip
        found: dict[str, tuple[Curve, Curve, Curve]] = {}
        if isinstance(pipeline, PrecomputedFeatures):
            found, one["scale"] = _features(s, place, pipeline.feature_names)
        else:
            one["unit"] = "µV"
            names = (pipeline.eeg or pipeline.channels)[:MOST_CHANNELS]
            try:
                if s.name not in traces:
                    traces[s.name] = read_trace(_recording(s, recordings), pipeline, names)
                trace = traces[s.name]
                one["scale"] = 2 * trace.scale(names)
                found = {
                    c: _joined(list(envelope(trace, c, (place.start, place.end), POINTS)))
                    for c in names
                }
            except (MemcellError, OSError) as error:
                one["why_not"] = str(error)
        one["channels"] = list(found)
        for k, parts in enumerate(found.values()):
            arrays[f"{n}.{k}"] = np.stack(parts).astype(np.float32)
        entries.append(one)
    arrays["about"] = np.frombuffer(json.dumps(entries).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    # names of arrays are keywords here, and the type checker takes one of them for 'allow_pickle'
    # numpy's own flag is a keyword too, which no array is called
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomic(path / FILE, buffer.getvalue())


def keep_excerpts(
    path: Path,
    task: Task,
    probabilities: Sequence[Probabilities],
    threshold: float,
    recordings: Sequence[Recording],
) -> None:
    """Write the excerpts of a run's test split; a failure does not affect the run.

    Args:
        path: The run folder.
        task: Its test split and facts.
        probabilities: Of the run's own network on the test split.
        threshold: Its threshold.
        recordings: To read from.
    """
    try:
        write_excerpts(path, task.test, probabilities, threshold, task.facts, recordings)
    except Exception as error:
        # a picture's trouble must not take a finished training with it
        warnings.warn(
            f"no excerpts were kept for the report: {error}", RuntimeWarning, stacklevel=2
        )


def read_excerpts(path: Path) -> list[Excerpt]:
    """Return the excerpts in a run folder; none if there is no readable file."""
    try:
        arrays = read_arrays(path / FILE)
        with refusing(path / FILE):
            entries = parse_json(arrays["about"].tobytes(), path / FILE)
            return [
                Excerpt(
                    sequence=str(one["sequence"]), place=_place(one["place"]), scale=float(one["scale"]),
                    unit=str(one["unit"]), why_not=str(one["why_not"]),
                    channels={
                        str(c): _curves(arrays[f"{n}.{k}"]) for k, c in enumerate(one["channels"])
                    },
                )
                for n, one in enumerate(entries)
            ]  # fmt: skip
    except MemcellError:
        return []


def _place(found: Mapping[str, Any]) -> ShownSegment:
    start, end = float(found["start"]), float(found["end"])
    if not (math.isfinite(start) and math.isfinite(end) and start <= end):
        raise ValueError("a place that is none")
    return ShownSegment(
        index=int(found["index"]), start=start, end=end, why=str(found["why"]),
        found=int(found["found"]),
    )  # fmt: skip


def _curves(found: NDArray[Any]) -> tuple[Curve, Curve, Curve]:
    times, low, high = found.astype(np.float64)
    if times.ndim != 1 or len(times) > _MOST_POINTS:
        raise ValueError("a curve that is none")
    return times, low, high


def _recording(s: TimeSeries, recordings: Sequence[Recording]) -> Recording:
    # A split by time has put the part behind the recording's name.
    names = (s.name, s.name.removesuffix("@test"))
    found = next((r for r in recordings if r.name in names), None)
    if found is None:
        raise MemcellError("the recording is not at hand")
    if found.duration > LONGEST:
        raise MemcellError(f"the recording is longer than {LONGEST / 3600:g} h")
    return found


def _joined(parts: list[tuple[Curve, Curve, Curve]]) -> tuple[Curve, Curve, Curve]:
    """Return the segments concatenated, with NaN between them."""
    if not parts:
        return np.empty(0), np.empty(0), np.empty(0)
    broken = [[np.append(a, np.nan if k else a[-1]) for k, a in enumerate(p)] for p in parts]
    times, low, high = (np.concatenate([b[k] for b in broken]) for k in range(3))
    return times, low, high


def _features(
    s: TimeSeries, place: ShownSegment, names: Sequence[str]
) -> tuple[dict[str, tuple[Curve, Curve, Curve]], float]:
    """Return the first input features of the network, if there is no signal."""
    inside = np.flatnonzero((s.times >= place.start - 1e-9) & (s.times < place.end))
    x = np.asarray(s.features[inside, :MOST_CHANNELS], dtype=np.float64)
    times = s.times[inside]
    cut = np.isin(inside, s.breaks)
    out = {}
    for k, name in enumerate(names[:MOST_CHANNELS]):
        values = np.where(cut, np.nan, x[:, k])
        out[name] = (times, values, values)
    return out, 2 * max(1.0, float(np.abs(x).max(initial=0.0)))
