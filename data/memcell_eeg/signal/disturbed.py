"""What happens to recordings in other hands, as transforms of what is read: gain, mains hum, a lower rate.

A `Recording` with another `read`: whatever makes features of a recording makes them of this one, and knows
nothing of it. What only the reader of a file sees (limits of a converter, a dead channel) is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.recording import Block, Recording, Segment, Signal
from memcell_eeg.signal import resample

#: ``change(blocks, rate)`` yields blocks anew.
Change = Callable[[Iterator[Block], float], Iterator[Block]]


def with_gain(recording: Recording, gain: float) -> Recording:
    """Return a recording by an amplifier that makes everything larger by a factor."""

    def louder(blocks: Iterator[Block], rate: float) -> Iterator[Block]:
        for block in blocks:
            yield replace(block, values=block.values * gain)

    return _changed(recording, louder)


def with_hum(recording: Recording, frequency: float, amplitude: float) -> Recording:
    """Return a recording with the mains in all channels alike.

    Args:
        recording: The recording.
        frequency: Hz.
        amplitude: Of the sine, uV.
    """

    def humming(blocks: Iterator[Block], rate: float) -> Iterator[Block]:
        if rate <= 2 * frequency:  # no amplifier lets through what its rate cannot hold
            raise DataError(
                f"recording '{recording.name}' of {rate:g} Hz cannot hold {frequency:g} Hz"
            )
        for block in blocks:
            seconds = block.onset + np.arange(block.values.shape[1]) / rate
            hum = amplitude * np.sin(2 * np.pi * frequency * seconds)
            yield replace(block, values=block.values + hum)

    return _changed(recording, humming)


def at_half_rate(recording: Recording) -> Recording:
    """Return a recording by an amplifier of half the sampling rate, with a filter before its converter."""
    channels = tuple(replace(c, rate=c.rate / 2) for c in recording.channels)
    return replace(_changed(recording, _halved, by=0.5), channels=channels)


def _halved(blocks: Iterator[Block], rate: float) -> Iterator[Block]:
    """Yield every second sample of each segment, low-passed without delay."""
    half: _Half | None = None
    for block in blocks:
        if block.begins or half is None:
            if half is not None:
                yield from half.end()
            half = _Half(block.onset, rate)
        yield from half.push(block.values)
    if half is not None:
        yield from half.end()


class _Half:
    """One segment at half its rate.

    Args:
        onset: Where it begins, s.
        rate: Of its samples, Hz.
    """

    def __init__(self, onset: float, rate: float) -> None:
        self._resampler = resample.CausalResampler(rate, rate / 2)
        self._onset, self._rate = onset, rate / 2
        # the resampler's delay, which is taken away: what comes out of it before belongs to no sample
        self._drop = round(resample.delay(rate, rate / 2) * rate / 2)
        self._done = 0
        self._last: NDArray[np.float64] | None = None

    def push(self, values: NDArray[np.float64]) -> Iterator[Block]:
        if values.shape[1] == 0:
            return
        self._last = values[:, -1:]
        out = self._resampler.push(values)
        dropped = min(self._drop, out.shape[1])
        self._drop -= dropped
        if out.shape[1] > dropped:
            onset = self._onset + self._done / self._rate
            yield Block(values=out[:, dropped:], onset=onset, begins=self._done == 0)
            self._done += out.shape[1] - dropped

    def end(self) -> Iterator[Block]:
        """Yield the samples that the filter still holds; the last one stands for what would follow."""
        if self._last is not None:
            delay = round(resample.delay(2 * self._rate, self._rate) * 2 * self._rate)
            yield from self.push(np.repeat(self._last, delay, axis=1))


def _changed(recording: Recording, change: Change, by: float = 1.0) -> Recording:
    """Return a recording whose signal is changed; it has no fingerprint, so nothing of it is kept.

    Args:
        recording: The recording.
        change: What is done to its blocks.
        by: The rate of what comes out over that of what is read.
    """
    return replace(recording, read=_Changed(recording, change, by), fingerprint="")


@dataclass(frozen=True)
class _Changed:
    """Reads a recording and changes it."""

    recording: Recording
    change: Change
    by: float

    def blocks(
        self, names: Sequence[str], seconds: float, warn: Callable[[str], object]
    ) -> Iterator[Block]:
        """Yield channels as `Recording.blocks` says."""
        yield from self.change(self.recording.blocks(names, seconds, warn), self._rate(names))

    def __call__(self, names: Sequence[str]) -> Signal:
        """Return channels as `Recording.read` says."""
        lines: list[str] = []
        rate = self._rate(names)
        blocks = list(self.change(self.recording.blocks(names, warn=lines.append), rate))
        ends = np.cumsum([0, *(b.values.shape[1] for b in blocks)]).tolist()
        starts = [i for i, b in enumerate(blocks) if b.begins]
        segments = tuple(
            Segment(start=ends[i], stop=ends[j], onset=blocks[i].onset)
            for i, j in zip(starts, [*starts[1:], len(blocks)], strict=True)
        )
        values = (
            np.concatenate([b.values for b in blocks], axis=1)
            if blocks
            else np.empty((len(names), 0))
        )
        return Signal(
            values=values,
            rate=rate * self.by,
            channels=tuple(names),
            segments=segments,
            warnings=tuple(lines),
        )

    def _rate(self, names: Sequence[str]) -> float:
        rates = {c.name: c.rate for c in self.recording.channels}
        return rates[names[0]]
