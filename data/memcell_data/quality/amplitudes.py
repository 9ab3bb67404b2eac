"""Signal quality by the samples alone: amplitudes that no scalp makes; missing, flat and saturated parts.

For each wanted channel:

- *missing* (NaN or infinite), and for voltages of a body *flat* and *saturated*, as
`memcell_data.quality.still`
  says: refused where together they are 90 % or more, or where no moment is left with all channels signal;
- all three are cut out of the recording, and what is cut out is a gap like any other. A reader of several
  channels gets the samples at which all of them are signal; a line names each channel and its times.
- *amplitude*: more than 1 % of the samples beyond 10 mV of the median of their second: the unit is wrong, and
  the channel is refused; fewer are electrode pops and get a line. Seconds are judged by themselves because
  DC-coupled amplifiers sit tens of millivolts off zero and drift; an offset or a drift beyond 10 mV gets a
  line, and so does a spread (median absolute deviation) under .5 or over 500 uV.
- *hum*: a narrow tone of 50 uV or more above the bands, as `memcell_data.quality.hum` says, gets a line.
- *held* (each value for several samples) and *calibration* (the same again every second) get a line.
- *clipped* (staying at the channel's own extreme value, too shortly to be cut out): a line from 1 % on.

All of it is found in one pass over blocks of samples (`checked`), in memory that does not grow with the
recording; how the counts are made of blocks is `memcell_data.quality.counts`' business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.quality.counts import HELD, Amplitudes, Clips, Holds, moves_of
from memcell_data.quality.hum import Hum, in_words
from memcell_data.quality.still import (
    GOOD,
    IS_FLAT,
    IS_SATURATED,
    QUIET,
    NeverStill,
    StillChannels,
    StillSamples,
    runs,
)
from memcell_data.recording import Block, LostChannels, Segment, Signal, split
from memcell_data.units import OVERRIDE

LARGEST = 10_000.0
FASTEST = (
    1e6  # Hz: no amplifier of biosignals is faster, and memory for a second of it has to be there
)
SMALLEST_SPREAD, LARGEST_SPREAD = 0.5, 500.0
MOST_OUTSIDE = 0.01
LOST_REFUSED = 0.90
LOST_TOGETHER_NAMED = 0.50
CLIPPED_NAMED = 0.01
_VOLTAGES = ("eeg", "eog", "emg", "ecg")
#: Channels that always move, so that one that dithers is dead.
_RESTLESS = ("eeg", "eog")
_MOST_TIMES = 5


@dataclass
class CutOut:
    """Where one channel was cut out for one reason.

    Attributes:
        samples: How many.
        parts: How many segments of time.
        times: Onset and end of the first ones, s.
    """

    samples: int = 0
    parts: int = 0
    times: list[tuple[float, float]] = field(default_factory=list)
    _end: float = -np.inf

    def add(self, onset: float, seconds: float, samples: int) -> None:
        """Add a segment that begins no earlier than the last one ended."""
        self.samples += samples
        if onset - self._end < 0.5 * seconds / samples:  # it goes on
            if len(self.times) == self.parts:
                self.times[-1] = (self.times[-1][0], onset + seconds)
        else:
            self.parts += 1
            if self.parts <= _MOST_TIMES:
                self.times.append((onset, onset + seconds))
        self._end = onset + seconds

    def __str__(self) -> str:
        # A little more, so that how the same time was added up changes no digit.
        listed = ", ".join(f"{a + 1e-6:.2f}-{b + 1e-6:.2f}" for a, b in self.times)
        more = self.parts - len(self.times)
        return f"{listed} s" + (f" and {more} more" if more else "")


class Quality:
    """The quality of a recording's samples, measured block by block.

    Args:
        channels: Names.
        kinds: Kind of each; the amplitude limit, flat and saturated hold for voltages of a body.
        rate: Samples a second, Hz.
        path: The file, for messages.
    """

    def __init__(
        self, channels: Sequence[str], kinds: Sequence[str], rate: float, path: Path
    ) -> None:
        if rate > FASTEST:
            raise DataError(
                f"{path}: is sampled at {rate:g} Hz, expected {FASTEST:g} Hz or less; its header is damaged"
            )
        self.channels = channels
        self.path = path
        self._kinds = kinds
        self._rate = rate
        self._n = self._kept = 0
        self._missing = [CutOut() for _ in channels]
        self._flat = [CutOut() for _ in channels]
        self._saturated = [CutOut() for _ in channels]
        self._still = [
            StillSamples(rate, dither=kind in _RESTLESS) if kind in _VOLTAGES else NeverStill()
            for kind in kinds
        ]
        self._amplitudes = [Amplitudes(LARGEST, round(rate)) for _ in channels]
        self._clips = [Clips() for _ in channels]
        self._holds = [Holds() for _ in channels]
        self._voltages = [i for i, kind in enumerate(kinds) if kind in _VOLTAGES]
        self._hum = Hum(self._voltages, rate)
        self._last = np.full(len(channels), np.nan)
        self._marked = StillChannels(self._still)

    def decided(self, blocks: Iterable[Block]) -> Iterator[tuple[Block, NDArray[np.bool_] | None]]:
        """Yield the samples again, later by what it takes to see that a channel stands still.

        Args:
            blocks: As read.

        Yields:
            The same blocks, and which of their samples are signal in all channels; None for all.
        """
        # blocks of one segment, the first of them not quite decided, and whether they are finite for sure
        waiting: deque[tuple[Block, bool]] = deque()
        marks: list[NDArray[np.int8]] = [np.empty(0, dtype=np.int8) for _ in self._still]

        def ready(last: bool = False) -> Iterator[tuple[Block, NDArray[np.bool_] | None]]:
            while waiting:
                n = waiting[0][0].values.shape[1]
                if not last and any(len(m) < n for m in marks):
                    return
                yield self._checked(*waiting.popleft(), [m[:n] for m in marks])
                marks[:] = [m[n:] for m in marks]

        for block in blocks:
            if block.begins:
                marks[:] = map(_joined, marks, self._marked.end())
                yield from ready(last=True)
            found, finite = self._marked.push(block.values)
            waiting.append((block, finite))
            marks[:] = map(_joined, marks, found)
            yield from ready()
        marks[:] = map(_joined, marks, self._marked.end())
        yield from ready(last=True)

    def _checked(
        self, block: Block, finite: bool, marks: Sequence[NDArray[np.int8]]
    ) -> tuple[Block, NDArray[np.bool_] | None]:
        """Count the samples of a decided block; return it, and which samples are signal if not all are."""
        values = block.values
        self._n += values.shape[1]
        good: NDArray[np.bool_] | None = None
        for i, (row, mark) in enumerate(zip(values, marks, strict=True)):
            missing = None if finite or np.isfinite(row.sum()) else ~np.isfinite(row)
            if missing is None and not mark.any():
                continue
            if good is None:
                good = np.ones(values.shape[1], dtype=np.bool_)
            if missing is not None:
                good &= ~missing
                self._note(self._missing[i], missing, block.onset)
                mark = np.where(missing, GOOD, mark)
            if mark.any():
                good &= mark == GOOD
                self._note(self._flat[i], mark == IS_FLAT, block.onset)
                self._note(self._saturated[i], mark == IS_SATURATED, block.onset)
        if good is not None:
            good = None if good.all() else good
        if good is not None:
            values = np.ascontiguousarray(values[:, good])
        n = values.shape[1]
        self._kept += n
        if n:
            self._hum.push(values)
            moves = moves_of(values, self._last)
            counters = zip(self._amplitudes, self._clips, self._holds, strict=True)
            for row, moved, (amplitudes, clips, holds) in zip(values, moves, counters, strict=True):
                amplitudes.push(row, moved.low, moved.high)
                clips.push(row, moved.low, moved.high)
                holds.push(n, moved)
        return block, good

    def _note(self, found: CutOut, bad: NDArray[np.bool_], onset: float) -> None:
        for first, stop in runs(bad):
            found.add(onset + first / self._rate, (stop - first) / self._rate, stop - first)

    def finish(self) -> list[str]:
        """Check the whole recording, after the last sample.

        Returns:
            A line for everything odd.

        Raises:
            DataError: A channel is beyond one of the limits of this module.
            LostChannels: Channels have no signal.
        """
        if lost := [i for i in range(len(self.channels)) if self._lost(i) >= LOST_REFUSED]:
            raise LostChannels(self._why_lost(lost[0]), [self.channels[i] for i in lost])
        lines = []
        for name, found in zip(self.channels, self._missing, strict=True):
            if found.samples:
                lines.append(
                    f"{self.path.name}: channel '{name}': {found.samples} samples are missing (NaN); they "
                    f"are cut out as gaps: {found}"
                )
        for i, name in enumerate(self.channels):
            lines += [f"{self.path.name}: {line}" for line in self._of_channel(i, name)]
        lines += [f"{self.path.name}: {line}" for line in self._together()]
        for i, share in zip(self._voltages, self._hum.repeating(), strict=True):
            if share and self._kinds[i] in _RESTLESS:
                lines.append(
                    f"{self.path.name}: channel '{self.channels[i]}' repeats itself every second about "
                    f"{_share(share)} of the time: a calibration signal, not EEG; leave that time out"
                )
        names = [self.channels[i] for i in self._voltages]
        lines += [f"{self.path.name}: {line}" for line in in_words(names, self._hum.lines())]
        return lines

    def _together(self) -> list[str]:
        """Say what is left where all channels are to be signal at once.

        Raises:
            DataError: Nothing is.
        """
        if len(self.channels) < 2 or self._kept > (1 - LOST_TOGETHER_NAMED) * self._n:
            return []
        parts = []
        for i, name in enumerate(self.channels):
            lost = (self._missing[i], self._flat[i], self._saturated[i])
            if share := sum(f.samples for f in lost) / max(1, self._n):
                times = "; ".join(str(f) for f in lost if f.samples)
                parts.append(f"'{name}' {_share(share)} of the time ({times})")
        shares = (
            f"missing, flat or saturated: {', '.join(parts)}; choose fewer channels with --channels"
        )
        if self._kept == 0:
            raise DataError(f"{self.path}: at no time do all channels have a signal: {shares}")
        return [
            f"only {_share(self._kept / self._n)} of the time do all channels have a signal; {shares}"
        ]

    def _lost(self, i: int) -> float:
        """Return the share of its time that a channel is no signal."""
        parts = (self._flat[i], self._saturated[i], self._missing[i])
        return sum(found.samples for found in parts) / max(1, self._n)

    def _why_lost(self, i: int) -> str:
        flat, saturated, missing = self._flat[i], self._saturated[i], self._missing[i]
        most = max(flat.samples, saturated.samples, missing.samples)
        what = (
            "flat (for 1 s or more it stands still or moves by less than 1 uV)"
            if most == flat.samples
            else "at its limit"
            if most == saturated.samples
            else "missing (NaN or infinite)"
        )
        tiny = most == flat.samples and 0 < self._still[i].largest <= QUIET
        return (
            f"{self.path}: channel '{self.channels[i]}' is {what} {self._lost(i):.0%} of the time; leave it "
            "out" + (f", or, {OVERRIDE}" if tiny else "")
        )

    def _of_channel(self, i: int, name: str) -> list[str]:
        where = f"channel '{name}'"
        flat, saturated = self._flat[i], self._saturated[i]
        lines = (
            self._of_amplitude(self._amplitudes[i], where) if self._kinds[i] in _VOLTAGES else []
        )
        for found, what in ((flat, "flat"), (saturated, "at its limit (saturated)")):
            if found.samples:
                lines.append(
                    f"{where} is {what} {_share(found.samples / self._n)} of the time; cut out as gaps: "
                    f"{found}"
                )
        held = self._holds[i].length()
        if held >= HELD and self._kinds[i] in _RESTLESS:
            lines.append(
                f"{where} holds each value for about {held:.2g} samples: it was sampled at about "
                f"{self._rate / held:.3g} Hz, and contains no frequency above {self._rate / held / 2:.3g} Hz"
            )
        clipped = self._clips[i].share()
        if clipped >= CLIPPED_NAMED:
            lines.append(f"{where} is clipped {clipped:.1%} of the time")
        return lines

    def _of_amplitude(self, found: Amplitudes, where: str) -> list[str]:
        found.finish()
        if found.n == 0:
            return []
        if (share := found.outside / found.n) > MOST_OUTSIDE:
            raise DataError(
                f"{self.path}: {where} is beyond 10 mV for {share:.0%} of the samples (up to "
                f"{found.farthest / 1e3:.3g} mV): the file's unit is wrong, or it is not EEG; {OVERRIDE}"
            )
        lines = []
        if found.outside:
            lines.append(f"{where}: {found.outside} samples are beyond 10 mV (artefacts)")
        if found.drift > LARGEST:
            lines.append(
                f"{where} drifts by {found.drift / 1e3:.3g} mV: a DC amplifier; amplitudes are measured "
                "second by second"
            )
        elif abs(found.middle) > LARGEST:
            lines.append(
                f"{where} lies {found.middle / 1e3:.3g} mV from zero: a DC amplifier, or a wrong range"
            )
        if found.spread < SMALLEST_SPREAD or found.spread > LARGEST_SPREAD:
            lines.append(
                f"{where}: half of its samples lie within {found.spread:.2g} uV of their median: its "
                f"unit may be wrong; {OVERRIDE}"
            )
        return lines


def _joined(first: NDArray[np.int8], second: NDArray[np.int8]) -> NDArray[np.int8]:
    return (
        np.concatenate([first, second])
        if len(first) and len(second)
        else first
        if len(first)
        else second
    )


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.2%}"


def checked(
    blocks: Iterable[Block], quality: Quality, rate: float, warn: Callable[[str], object]
) -> Iterator[Block]:
    """Yield blocks without the samples that are no signal, which become gaps.

    Args:
        blocks: As read.
        quality: Looks at them.
        rate: Samples a second, Hz.
        warn: Told each line, after the last block.

    Raises:
        DataError: As `Quality.finish`, after the last block.
    """
    broken = False  # the last sample that was seen is cut out
    for block, good in quality.decided(blocks):
        whole = Segment(start=0, stop=block.values.shape[1], onset=block.onset)
        for part in (whole,) if good is None else kept((whole,), good, rate):
            yield Block(
                values=block.values[:, part.start : part.stop],
                onset=part.onset,
                begins=block.begins or broken or part.start > 0,
            )
            broken = False
        broken = good is not None and not good[-1]
    for line in quality.finish():
        warn(line)


def inspect(signal: Signal, path: Path, kinds: Sequence[str]) -> Signal:
    """Return the signal without what is no signal, and with a warning for everything odd.

    Args:
        signal: As read.
        path: The file, for messages.
        kinds: Kind of each channel; see `Quality`.

    Raises:
        DataError: A channel is beyond one of the limits of this module.
    """
    quality = Quality(signal.channels, kinds, signal.rate, path)
    whole = split(
        signal.segments, signal.values.shape[1], lambda a, b: signal.values[:, a:b], signal.rate
    )
    goods: list[NDArray[np.bool_]] = []
    for block, good in quality.decided(whole):
        goods.append(np.ones(block.values.shape[1], dtype=np.bool_) if good is None else good)
    warnings = (*signal.warnings, *quality.finish())
    values, segments = signal.values, signal.segments
    good = np.concatenate(goods) if goods else np.ones(0, dtype=np.bool_)
    if not good.all():
        values, segments = keep(values, segments, good, signal.rate)
    return Signal(
        values=values,
        rate=signal.rate,
        channels=signal.channels,
        segments=segments,
        warnings=warnings,
    )


def kept(segments: Sequence[Segment], good: NDArray[np.bool_], rate: float) -> list[Segment]:
    """Return the runs of good samples in each segment, where they stand.

    Args:
        segments: Within the samples that ``good`` speaks of.
        good: ``[n_samples]``, the samples to keep.
        rate: Samples a second, Hz.
    """
    found: list[Segment] = []
    for segment in segments:
        inside = good[segment.start : segment.stop].astype(np.int8)
        edges = np.flatnonzero(np.diff(inside, prepend=0, append=0))
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            onset = segment.onset + first / rate
            found.append(
                Segment(start=segment.start + first, stop=segment.start + end, onset=onset)
            )
    return found


def keep(
    values: NDArray[np.float64],
    segments: Sequence[Segment],
    good: NDArray[np.bool_],
    rate: float,
) -> tuple[NDArray[np.float64], tuple[Segment, ...]]:
    """Cut samples out, and split the segments where they were.

    Args:
        values: ``[n_channels, n_samples]``.
        segments: They cover all samples.
        good: ``[n_samples]``, the samples to keep.
        rate: Samples a second, Hz.
    """
    out: list[Segment] = []
    at = 0
    for part in kept(segments, good, rate):
        out.append(Segment(start=at, stop=at + part.stop - part.start, onset=part.onset))
        at = out[-1].stop
    return values[:, good], tuple(out)
