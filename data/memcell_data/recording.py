"""A recording as the rest of memcell sees it: channels, segments without a break, labels in seconds.

Reading and checking are the loaders' (`memcell_data.formats.edf.reading`, `memcell_data.formats.reader`);
nothing here knows a file format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError


class LostChannels(DataError):
    """Channels of a recording without a signal: flat, saturated or missing nearly all of the time.

    Args:
        message: Of the first of them.
        channels: Their names, as the recording has them.
    """

    def __init__(self, message: str, channels: Sequence[str]) -> None:
        super().__init__(message, tuple(channels))
        self.channels = tuple(channels)

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One channel of a recording, before reading.

    Args:
        name: As the file has it, without padding.
        kind: ``"eeg"``, ``"eog"``, ``"emg"``, ``"ecg"`` or ``"misc"``.
        rate: Samples a second, Hz.
        unit: As the file has it, or that in which the format holds all samples; empty where there is none.
        bad: It is marked as bad, by the file itself or the BIDS table beside it.
    """

    name: str
    kind: str
    rate: float
    unit: str = ""
    bad: bool = False


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Samples ``[start, stop)`` recorded without a break, the first at ``onset`` seconds.

    Onsets count from the start of the recording, so that a gap of g seconds between two segments is
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
        segments: Where the recording ran without a break, in order; they cover all samples.
        warnings: What is odd about it, one line each, each naming the file.
    """

    values: NDArray[np.float64]
    rate: float
    channels: tuple[str, ...]
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Block:
    """Samples that follow each other without a break.

    Args:
        values: ``[n_channels, n]`` float64, microvolts, n at least 1.
        onset: Seconds from the recording's start to the first of them.
        begins: The first of them is the first of a segment: the recording's start, or after a gap.
    """

    values: NDArray[np.float64]
    onset: float
    begins: bool


#: Most samples of all channels in a block, 32 MB: a cap of 128 channels at 2 kHz comes in shorter blocks.
MOST_VALUES = 1 << 22


def block_length(seconds: float, rate: float, n_channels: int) -> int:
    """Return the samples of a block that lasts ``seconds`` at most, at least 1."""
    return max(1, int(min(seconds * rate, MOST_VALUES // n_channels)))


def split(
    segments: Sequence[Segment],
    most: int,
    samples: Callable[[int, int], NDArray[np.float64]],
    rate: float,
) -> Iterator[Block]:
    """Yield segments in blocks of at most ``most`` samples.

    Short segments that follow each other are asked for together, for a file with a gap every second
    would take a call each.

    Args:
        segments: In order.
        most: At least 1.
        samples: Returns ``[C, stop - start]`` for (start, stop), both of one call within ``most``.
        rate: Samples a second, Hz.
    """
    had, first = np.empty((0, 0)), 0  # what was asked for last, and where it begins
    last = segments[-1].stop if segments else 0
    for segment in segments:
        start = segment.start
        while start < segment.stop:
            if not first <= start < first + had.shape[1]:
                had, first = samples(start, min(start + most, last)), start
            stop = min(segment.stop, first + had.shape[1])
            yield Block(
                values=had[:, start - first : stop - first],
                onset=segment.onset + (start - segment.start) / rate,
                begins=start == segment.start,
            )
            start = stop


def blocks_of(signal: Signal, seconds: float, warn: Callable[[str], object]) -> Iterator[Block]:
    """Yield a signal that is at hand in blocks of at most ``seconds``, and tell its warnings."""
    for line in signal.warnings:
        warn(line)
    n = signal.values.shape[1]
    most = max(1, int(min(seconds * signal.rate, n)))
    yield from split(signal.segments, most, lambda a, b: signal.values[:, a:b], signal.rate)


@runtime_checkable
class ByBlocks(Protocol):
    """A `Recording.read` that reads block by block too."""

    def blocks(
        self, names: Sequence[str], seconds: float, warn: Callable[[str], object]
    ) -> Iterator[Block]:
        """Yield channels as `Recording.blocks` says."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features that are precomputed, where a recording has no signal to make them from.

    Args:
        names: One a column.
        values: ``[n_steps, F]`` float64, as the data set has them: not normalized.
        times: ``[n_steps]`` start of each step, seconds from the recording's start.
        breaks: Steps before which the recording was interrupted, ascending, without 0.
        step_seconds: Length of a step, s.
        warnings: What is odd about it, one line each, each naming the file.
        of_gain: By how much each column grows where the signal is larger by a factor of e (a logarithm of a
            power: 2); empty where nobody knows.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    times: NDArray[np.float64]
    breaks: tuple[int, ...]
    step_seconds: float
    warnings: tuple[str, ...] = ()
    of_gain: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A labelled interval ``[onset, onset + duration)``, seconds from the recording's start."""

    onset: float
    duration: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Labels:
    """An expert's labels of a recording.

    Args:
        intervals: In order of onset.
        background: The label of every moment that no interval covers, or None where such a moment
            has no label.
        positive: Labels that count as the class to detect.
        negative: Labels that count as its absence. A label in neither is unlabelled.
        warnings: What is odd about them, one line each, each naming the file.
        left_out: Labels that could not be used, one line each: file, place, reason.
        outside: Seconds by which labels of a class reach over the recording's start, and over its end.
        predicted: The file, where a detector made them and nobody has corrected them; else empty.
    """

    intervals: tuple[Interval, ...]
    background: str | None
    positive: frozenset[str]
    negative: frozenset[str]
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    outside: tuple[float, float] = (0.0, 0.0)
    predicted: str = ""


@runtime_checkable
class NamedFeatures(Protocol):
    """Precomputed features that can be had in several forms."""

    def named(self, names: tuple[str, ...], step_seconds: float) -> Features | None:
        """Return the form with these features and steps; None where there is no such form."""


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
        read: ``read(names) -> Signal`` with just those channels, in that order, all of one rate. Where it has
            a method ``blocks`` (`ByBlocks`) long recordings need not be held whole.
        labels: ``labels() -> Labels`` or None where the recording has none.
        features: ``features() -> Features`` where they are precomputed and there is no signal to read;
            None for a recording with a signal.
        path: The file, where there is one.
        part: Where a published split of the data set puts it: ``"train"``, ``"valid"`` or ``"test"``; empty
            where there is none.
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
    part: str = ""
    fingerprint: str = ""

    def blocks(
        self,
        names: Sequence[str],
        seconds: float = 300.0,
        warn: Callable[[str], object] = str,
        whole: bool = False,
    ) -> Iterator[Block]:
        """Yield channels block by block, so that memory does not grow with the recording.

        Args:
            names: Channels, all of one rate; as for `read`.
            seconds: Most that a block lasts; many channels come in shorter ones (`MOST_VALUES`).
            warn: Told what is odd about the recording, one line each, by the end of the last block.
            whole: Each segment in one block, held in memory whole.

        Raises:
            DataError: As `read`. What only the whole recording shows (a unit that is wrong, a flat
                channel) is raised after the last block.
        """
        if isinstance(self.read, ByBlocks) and not whole:
            yield from self.read.blocks(names, seconds, warn)
            return
        yield from blocks_of(self.read(names), float("inf") if whole else seconds, warn)
