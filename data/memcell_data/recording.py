"""A recording as the rest of memcell sees it: channels, stretches without a break, labels in seconds.

Reading and checking are the loaders' (`memcell_data.edf`, `memcell_data.reader`); nothing here knows a
file format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One channel of a recording, before reading.

    Args:
        name: As the file has it, without padding.
        kind: ``"eeg"``, ``"eog"``, ``"emg"``, ``"ecg"`` or ``"misc"``.
        rate: Samples a second, Hz.
    """

    name: str
    kind: str
    rate: float


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Samples ``[start, stop)`` recorded without a break, the first at ``onset`` seconds.

    Onsets count from the start of the recording, so that a gap of g seconds between two stretches is
    ``second.onset - (first.onset + (first.stop - first.start) / rate) == g``.
    """

    start: int
    stop: int
    onset: float


@dataclass(frozen=True, kw_only=True)
class Signal:
    """Samples that were read.

    Args:
        values: ``[n_channels, n_samples]`` float64, microvolts.
        rate: Samples a second, Hz.
        channels: Names, one a row.
        stretches: Where the recording ran without a break, in order; they cover all samples.
        warnings: What is odd about it, one line each, each naming the file.
    """

    values: NDArray[np.float64]
    rate: float
    channels: tuple[str, ...]
    stretches: tuple[Stretch, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features that come ready-made, where a recording has no signal to make them from.

    Args:
        names: One a column.
        values: ``[n_steps, F]`` float64, as the data set has them: not normalized.
        times: ``[n_steps]`` start of each step, seconds from the recording's start.
        breaks: Steps before which the recording was interrupted, ascending, without 0.
        step_seconds: Length of a step, s.
        warnings: What is odd about it, one line each, each naming the file.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    times: NDArray[np.float64]
    breaks: tuple[int, ...]
    step_seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A labelled interval ``[onset, onset + duration)``, seconds from the recording's start."""

    onset: float
    duration: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What an expert said of a recording.

    Args:
        intervals: In order of onset.
        background: The label of every moment that no interval covers, or None where such a moment
            has no label.
        positive: Labels that count as the class to detect.
        negative: Labels that count as its absence. A label in neither is unlabelled.
        warnings: What is odd about them, one line each, each naming the file.
    """

    intervals: tuple[Interval, ...]
    background: str | None
    positive: frozenset[str]
    negative: frozenset[str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recording, described and not yet read.

    Args:
        name: Unique within the data set; file names of results are made from it.
        subject: Who was recorded; splits are made by it.
        dataset: The data set's name.
        simulated: Made by a program.
        channels: What can be read.
        duration: Seconds from the first sample to the last, gaps included.
        read: ``read(names) -> Signal`` with just those channels, in that order, all of one rate.
        labels: ``labels() -> Labels`` or None where the recording has none.
        features: ``features() -> Features`` where they come ready-made and there is no signal to read;
            None for a recording with a signal.
        path: The file, where there is one.
        fingerprint: Changes when the content changes (for caches); made of sizes and times, no names.
    """

    name: str
    subject: str
    dataset: str
    simulated: bool
    channels: tuple[Channel, ...]
    duration: float
    read: Callable[[Sequence[str]], Signal] = field(repr=False)
    labels: Callable[[], Labels | None] = field(repr=False)
    features: Callable[[], Features] | None = field(default=None, repr=False)
    path: Path | None = None
    fingerprint: str = ""
