"""The EEG of a figure: a few channels in the pass-band of the network, reduced for drawing.

Filtered without delay, so that the EEG stands where it happened, beside the labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memcell_data.recording import Recording
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal.channels import locate
from memcell_eeg.signal.clean import clean

Curve = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Filtered channels by segment.

    Args:
        channels: Names, one a row.
        rate: Hz.
        segments: (onset in seconds, ``[C, n]`` uV) of each.
    """

    channels: tuple[str, ...]
    rate: float
    segments: tuple[tuple[float, Curve], ...]

    def scale(self, channels: Sequence[str]) -> float:
        """Return the 99.5th percentile of the absolute values, uV."""
        rows = [self.channels.index(c) for c in channels]
        sizes = np.concatenate([np.abs(v[rows]).ravel() for _, v in self.segments])
        return max(float(np.quantile(sizes, 0.995)), 1.0)


def read_trace(recording: Recording, pipeline: Pipeline, channels: Sequence[str]) -> Trace:
    """Read and filter some of a run's channels (the average reference is left out: it needs them all).

    Raises:
        DataError: The recording has no such channel.
    """
    names = tuple(channels)
    few = replace(pipeline, channels=names, eeg=names, reference="none", phase="zero")
    signal = recording.read([c.name for c in locate(names, recording)])
    segments = tuple(
        (s.onset, clean(few, signal.values[:, s.start : s.stop], signal.rate))
        for s in signal.segments
    )
    return Trace(channels=names, rate=pipeline.rate, segments=segments)


def envelope(
    trace: Trace, channel: str, span: tuple[float, float], points: int
) -> Iterator[tuple[Curve, Curve, Curve]]:
    """Yield for each segment in a span (times, minimum, maximum) of at most ``points`` intervals.

    Neighbouring pieces share a sample, so that the band between lowest and highest has no holes.
    """
    row = trace.channels.index(channel)
    hop = max(1, int((span[1] - span[0]) * trace.rate / points))
    for onset, values in trace.segments:
        first = max(0, int((span[0] - onset) * trace.rate))
        stop = min(values.shape[1], int((span[1] - onset) * trace.rate) + 1)
        pieces = (stop - first - 1) // hop
        if pieces < 1:
            continue
        starts = first + hop * np.arange(pieces)
        segments = values[row][starts[:, None] + np.arange(hop + 1 if hop > 1 else 1)]
        yield onset + starts / trace.rate, segments.min(axis=1), segments.max(axis=1)
