"""Hum of the mains, or any other narrow tone above the bands of the EEG: which frequency, and how large.

Segments of 2 s, one in 16 s, are tapered (Hann) and transformed; their power is averaged. A line is named
where the strongest five neighbouring bins from 40 Hz on hold a sine of `NAMED` uV or more beyond the power
around them, and `NARROW` times that power: muscles are loud there too, but broad. The size is the amplitude
of that sine, as a mean over the whole recording.

In the same segments a *calibration signal* is looked for: a sine or a rectangle of whole Hz, which is the
same one second later, as no EEG is. A segment counts where the difference of its two seconds has less than
`REPEATED` of its power, most of which lies below 40 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Amplitude from which on a line is named, uV.
NAMED = 50.0
#: Times the power beside a line that it must have.
NARROW = 20.0
LOWEST = 40.0
SECONDS, EVERY = 2.0, 8
#: Bins on each side of a line that the taper spreads it to; Hz from it where the power beside it is taken.
_SPREAD, _BESIDE = 2, (2.0, 10.0)
_MAINS = (50.0, 60.0)
#: What is left of a signal that repeats itself, as a share; its least spread, uV.
REPEATED, _SMALLEST = 0.02, 2.0


@dataclass(frozen=True)
class HumLine:
    """A narrow tone in a channel.

    Args:
        frequency: Hz.
        amplitude: uV.
    """

    frequency: float
    amplitude: float

    @property
    def what(self) -> str:
        """``"mains hum of 50 Hz"``, or ``"a tone of 77 Hz"`` where no mains has a multiple of it."""
        nearest = min(abs(self.frequency - m * round(self.frequency / m)) for m in _MAINS)
        name = "mains hum" if nearest <= 1.0 else "a tone"
        return f"{name} of {self.frequency:.3g} Hz"


class Hum:
    """The search for narrow tones in a recording that comes in blocks of any size.

    Args:
        channels: Which rows of what is pushed are looked at.
        rate: Samples a second, Hz.
    """

    def __init__(self, channels: Sequence[int], rate: float) -> None:
        self._rate, self._channels = rate, list(channels)
        self._length = max(8, round(SECONDS * rate))
        self._taper = np.hanning(self._length + 1)[:-1]
        self._power = np.zeros((len(channels), self._length // 2 + 1))
        self._segments = 0
        self._repeats = np.zeros(len(channels), dtype=np.int64)
        self._at = 0  # samples so far
        self._parts: list[NDArray[np.float64]] = []  # of the segment
        self._whole: list[NDArray[np.float64]] = []  # segments that are whole

    def push(self, values: NDArray[np.float64]) -> None:
        """Look at the next ``[C, n]`` uV."""
        if self._rate / 2 < LOWEST:
            return
        turn, at = self._length * EVERY, 0
        while at < values.shape[1]:
            place = self._at % turn
            if place < self._length:
                n = min(self._length - place, values.shape[1] - at)
                self._parts.append(values[self._channels, at : at + n])
                if place + n == self._length:
                    self._whole.append(np.concatenate(self._parts, axis=1))
                    self._parts = []
            else:
                n = min(turn - place, values.shape[1] - at)
            at += n
            self._at += n
        if self._whole:
            self._add(np.stack(self._whole))
            self._whole = []

    def lines(self) -> list[HumLine | None]:
        """Return the line of each channel; None where there is none to name."""
        if self._segments == 0:
            return [None] * len(self._power)
        return [self._line(row / self._segments) for row in self._power]

    def repeating(self) -> list[float]:
        """Return for each channel the share of the segments that are a calibration signal."""
        shares: list[float] = (self._repeats / max(1, self._segments)).tolist()
        return shares

    def _add(self, segments: NDArray[np.float64]) -> None:
        """Count segments ``[n, C, length]``."""
        centred = segments - segments.mean(axis=2, keepdims=True)
        power = np.abs(np.fft.rfft(centred * self._taper, axis=2)) ** 2
        for of_one in power:
            self._power += of_one
        self._segments += len(segments)
        second = round(self._rate)
        spread = np.sum(centred**2, axis=2)
        again = np.sum((centred[:, :, second:] - centred[:, :, :-second]) ** 2, axis=2)
        slow = power[:, :, : int(LOWEST * SECONDS)].sum(axis=2) > 0.5 * power.sum(axis=2)
        loud = spread > _SMALLEST**2 * self._length
        self._repeats += np.sum((again < REPEATED * spread) & slow & loud, axis=0)

    def _line(self, power: NDArray[np.float64]) -> HumLine | None:
        frequencies = np.arange(len(power)) * self._rate / self._length
        candidates = np.flatnonzero(frequencies >= LOWEST)
        if len(candidates) == 0:
            return None
        peak = int(candidates[np.argmax(power[candidates])])
        near = slice(max(0, peak - _SPREAD), peak + _SPREAD + 1)
        away = np.abs(frequencies - frequencies[peak])
        beside = (away >= _BESIDE[0]) & (away <= _BESIDE[1])
        around = float(np.median(power[beside])) if beside.any() else 0.0
        held = power[near]
        total = float(held.sum()) - around * len(held)
        # A sine of amplitude A has A^2 / 4 times this in the half of the spectrum that is looked at.
        amplitude = float(np.sqrt(max(0.0, 4 * total) / (self._length * np.sum(self._taper**2))))
        if amplitude < NAMED or total < NARROW * around * len(held):
            return None
        frequency = float((frequencies[near] * held).sum() / held.sum())
        return HumLine(frequency=frequency, amplitude=amplitude)


def in_words(channels: Sequence[str], lines: Sequence[HumLine | None]) -> list[str]:
    """Return a line of text for each frequency, with its channels and the size in each."""
    of: dict[str, list[str]] = {}
    for channel, line in zip(channels, lines, strict=True):
        if line is not None:
            of.setdefault(line.what, []).append(f"{line.amplitude:.3g} uV in '{channel}'")
    return [
        f"{what}: {', '.join(sizes)}; look at the ground and the impedances"
        for what, sizes in of.items()
    ]
