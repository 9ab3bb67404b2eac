"""Export of a recording with its detected events as an EDF+ file for any viewer.

It holds the channels that were used, at the recording's own rate and in microvolts; the probability of each
sample's step as one more channel of that rate, in percent (a channel of another rate would be resampled by
many readers); and the events as annotations. The samples of an EDF file keep their 16 bits; those of other
formats are rounded to 16 bits over the range that each channel has. A gap makes it EDF+D. Where a segment
does not fill its last data record, the last value is repeated, and an annotation says so. Nothing is copied
from the header but the names of the channels.

EDFbrowser opens no EDF+D, and MNE joins what lies before and after a gap, so that annotations behind it do
not stand where they belong. With gaps filled (zeros, and an annotation over each) the file is EDF+C, and both
show every event in its place. Segments then begin at the nearest whole sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.formats.edf.export import (
    check_gaps,
    edf_plus,
    exact,
    fitting,
    labels_of,
    stored_ranges,
)
from memcell_data.formats.edf.writer import FULL, EdfSignal, EdfWriter
from memcell_data.recording import Interval, Recording
from memcell_eeg.scores.detector import DetectedEvent

#: Shortest data record, s: shorter ones would hold more time stamps than signal.
SHORTEST = 0.1
FILLED = "no signal: last value repeated"
#: Of a gap that is filled.
GAP = "gap: no signal"
#: Longest gaps that are filled, all together, s.
MOST_FILLED = 24 * 3600.0
#: Zeros that are written at once.
_ZEROS = 1 << 16


class StepProbabilities:
    """The probabilities of one recording, segment by segment."""

    def __init__(self) -> None:
        self._segments: dict[float, list[NDArray[np.float32]]] = {}
        self._last: list[NDArray[np.float32]] = []

    def push(
        self, p: NDArray[np.float64], times: NDArray[np.float64], starts: NDArray[np.bool_]
    ) -> None:
        """Add the next steps; as `memcell_eeg.scores.detector.EventDetector.push`."""
        firsts = np.flatnonzero(starts).tolist()
        cuts = [0, *(f for f in firsts if f), len(p)]
        for a, b in pairwise(cuts):
            if starts[a]:
                self._last = self._segments.setdefault(float(times[a]), [])
            self._last.append(p[a:b].astype(np.float32))

    def of(self, onset: float) -> NDArray[np.float32]:
        """Return the probabilities of the segment that begins at ``onset``; empty if it has no step."""
        parts = self._segments.get(onset, [])
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """The layout of the file.

    Args:
        rate: Hz.
        segments: Onset in seconds and samples of each.
        ranges: ``[C, 2]`` smallest and largest value of each channel, uV.
    """

    rate: float
    segments: tuple[tuple[float, int], ...]
    ranges: NDArray[np.float64]

    @property
    def starts(self) -> list[int]:
        """First sample of each segment where gaps are filled."""
        starts, end = [], 0
        for onset, length in self.segments:
            starts.append(max(end, round(onset * self.rate)))
            end = starts[-1] + length
        return starts

    def without_gaps(self) -> _Plan:
        """Return the layout of the file with gaps filled.

        Raises:
            DataError: They are too long.
        """
        starts = self.starts
        total = starts[-1] + self.segments[-1][1]
        lost = (total - sum(n for _, n in self.segments)) / self.rate
        if lost > MOST_FILLED:
            raise DataError(
                f"its gaps last {lost / 3600:.1f} h, more than {MOST_FILLED / 3600:g} h that are filled; "
                "--export edf keeps them"
            )
        return _Plan(rate=self.rate, segments=((0.0, total),), ranges=self.ranges)

    def gaps(self) -> list[Interval]:
        """Return the gaps as they are filled."""
        rate, end, found = self.rate, 0, []
        for start, (_, length) in zip(self.starts, self.segments, strict=True):
            if start > end:
                found.append(Interval(onset=end / rate, duration=(start - end) / rate, label=GAP))
            end = start + length
        return found

    @property
    def samples(self) -> int:
        """Samples of a data record: about 1 s, and such that every segment fills its last one if it can."""
        second = max(1, round(self.rate))
        shared = math.gcd(second, *(n for _, n in self.segments))
        fewest = max(1, math.ceil(SHORTEST * self.rate))
        divisors = (n for n in range(shared, fewest - 1, -1) if shared % n == 0)
        return next((n for n in divisors if exact(n / self.rate)), second)

    def onsets(self) -> NDArray[np.float64]:
        """Return the start of each data record."""
        n = self.samples
        parts = [
            onset + np.arange(-(-length // n)) * (n / self.rate) for onset, length in self.segments
        ]
        return np.concatenate(parts)

    def filled(self) -> list[Interval]:
        """Return the padded parts."""
        n, rate = self.samples, self.rate
        return [
            Interval(onset=onset + length / rate, duration=(-length % n) / rate, label=FILLED)
            for onset, length in self.segments
            if length % n
        ]


def export_edf(
    path: Path,
    recording: Recording,
    names: Sequence[str],
    events: Sequence[DetectedEvent],
    probabilities: StepProbabilities,
    step: float,
    label: str,
    fill: bool = False,
) -> None:
    """Write the file.

    Args:
        path: Where.
        recording: What was predicted; read twice more, block by block.
        names: The channels, as the file has them.
        events: What was detected.
        probabilities: The probabilities.
        step: Length of a step, s.
        label: What an event is.
        fill: Gaps are filled, so that it has none.

    Raises:
        DataError: EDF+ cannot hold it; says why.
        MemcellError: The file cannot be written.
    """
    if not names:
        raise DataError("the recording has precomputed features and no signal")
    plan = found = _plan(recording, names)
    fill = fill and len(found.segments) > 1
    if fill:
        plan = found.without_gaps()
    n = plan.samples
    stored = stored_ranges(recording.path, names)
    ranges = stored or [(fitting(low, high), FULL) for low, high in plan.ranges.tolist()]
    ranges = [*ranges, ((0.0, 100.0), (0, 32767))]
    units = [*("uV" for _ in names), "%"]
    signals = [
        EdfSignal(label=name, unit=unit, physical=physical, digital=digital, samples=n)
        for name, unit, (physical, digital) in zip(
            labels_of([*names, f"{label} prob"]), units, ranges, strict=True
        )
    ]
    notes = [Interval(onset=e.onset, duration=e.duration, label=label) for e in events]
    noted = [*notes, *plan.filled(), *(found.gaps() if fill else ())]
    with edf_plus(path, signals, noted, recording.simulated) as writer:
        onsets, seconds = plan.onsets(), n / plan.rate
        check_gaps(onsets, seconds)
        writer.begin(onsets, seconds)
        width = plan.rate * step
        records = (
            _without_gaps(recording, names, n, found.starts, probabilities, width)
            if fill
            else _records(recording, names, n, plan.rate, probabilities, step)
        )
        for values, p in records:
            _write(writer, signals, values, p)


def _plan(recording: Recording, names: Sequence[str]) -> _Plan:
    rate = next(c.rate for c in recording.channels if c.name == names[0])
    segments: list[list[float]] = []
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for block in recording.blocks(names):
        if block.begins or not segments:
            segments.append([block.onset, 0])
        segments[-1][1] += block.values.shape[1]
        low = np.minimum(low, block.values.min(axis=1))
        high = np.maximum(high, block.values.max(axis=1))
    return _Plan(
        rate=rate,
        segments=tuple((onset, int(length)) for onset, length in segments),
        ranges=np.stack([low, high], axis=1),
    )


def _records(
    recording: Recording,
    names: Sequence[str],
    n: int,
    rate: float,
    probabilities: StepProbabilities,
    step: float,
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield consecutive data records: ``[C, k n]`` values and ``[k n]`` probabilities."""
    left = np.empty((len(names), 0))
    done = 0
    p = probabilities.of(0.0)
    for block in recording.blocks(names):
        if block.begins:
            if left.shape[1]:
                yield _whole(left, p, done, n, rate * step)
            left, done = left[:, :0], 0
            p = probabilities.of(block.onset)
        values = np.concatenate([left, block.values], axis=1)
        whole = values.shape[1] - values.shape[1] % n
        if whole:
            yield _whole(values[:, :whole], p, done, n, rate * step)
        left, done = values[:, whole:], done + whole
    if left.shape[1]:
        yield _whole(left, p, done, n, rate * step)


def _without_gaps(
    recording: Recording,
    names: Sequence[str],
    n: int,
    starts: Sequence[int],
    probabilities: StepProbabilities,
    width: float,
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield data records as `_records`, each segment at its first sample and zeros between them."""
    left, left_p = np.empty((len(names), 0)), np.empty(0)
    for values, p in _with_zeros(recording, names, starts, probabilities, width):
        left, left_p = np.concatenate([left, values], axis=1), np.concatenate([left_p, p])
        whole = len(left_p) - len(left_p) % n
        if whole:
            yield left[:, :whole], left_p[:whole]
        left, left_p = left[:, whole:], left_p[whole:]
    if len(left_p):
        missing = n - len(left_p)
        yield (
            np.pad(left, ((0, 0), (0, missing)), mode="edge"),
            np.pad(left_p, (0, missing), mode="edge"),
        )


def _with_zeros(
    recording: Recording,
    names: Sequence[str],
    starts: Sequence[int],
    probabilities: StepProbabilities,
    width: float,
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the samples and the probability of each, with zeros in gaps."""
    at, segment, first = 0, -1, 0
    p = probabilities.of(0.0)
    for block in recording.blocks(names):
        if block.begins or segment < 0:
            segment, first = segment + 1, 0
            p = probabilities.of(block.onset)
            while at < starts[segment]:
                length = min(_ZEROS, starts[segment] - at)
                yield np.zeros((len(names), length)), np.zeros(length)
                at += length
        values, each = _whole(block.values, p, first, 1, width)
        yield values, each
        at, first = at + len(each), first + len(each)


def _whole(
    values: NDArray[np.float64], p: NDArray[np.float32], first: int, n: int, width: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return samples padded to complete records, and the probability of each."""
    missing = -values.shape[1] % n
    if missing:
        values = np.concatenate([values, np.repeat(values[:, -1:], missing, axis=1)], axis=1)
    samples = first + np.arange(values.shape[1])
    if len(p) == 0:
        return values, np.zeros(len(samples))
    steps = np.minimum(((samples + 0.5) / width).astype(np.int64), len(p) - 1)
    return values, p[steps].astype(np.float64)


def _write(
    writer: EdfWriter,
    signals: Sequence[EdfSignal],
    values: NDArray[np.float64],
    p: NDArray[np.float64],
) -> None:
    n = signals[0].samples
    stored = [s.stored(row) for s, row in zip(signals, [*values, 100 * p], strict=True)]
    for record in range(len(p) // n):
        part = slice(record * n, (record + 1) * n)
        writer.record([row[part] for row in stored])
