"""What a recording's signal is like in a few numbers per channel, made in passing from blocks of samples.

One segment of `SECONDS` in `EVERY` is tapered and transformed; what is kept are medians over segments, so
that artefacts and single events count little: log power in bands, log amplitude from 1 to 30 Hz, the
amplitude of the mains, how alike the channels are, and the smallest step between values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell_data.quality.amplitudes import FASTEST
from memcell_data.recording import Block

Array = NDArray[np.float64]

SECONDS, EVERY = 4.0, 2
#: Hz; the last band is left out (NaN) where half the rate lies within it.
BANDS = ((1.0, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 20.0), (20.0, 30.0))
MAINS = (50.0, 60.0)
#: Numbers per channel beside its likeness to each channel.
WIDTH = len(BANDS) + 2 + len(MAINS)
_LEAST = 1e-12


@dataclass(frozen=True, kw_only=True)
class SignalSummary:
    """A recording's signal in a few numbers.

    Args:
        name: The recording's.
        subject: Whose it is; empty where nobody knows.
        channels: Names, alike in recordings that are compared.
        rate: Samples a second, Hz.
        powers: ``[C, bands]`` log10 of uV^2 in `BANDS`; NaN above half the rate.
        amplitude: ``[C]`` log10 of uV, root mean square from 1 to 30 Hz.
        resolution: ``[C]`` log10 of the smallest step between values, uV; NaN where it cannot be told.
        mains: ``[C, 2]`` log10 of the amplitude at 50 and 60 Hz, uV; NaN above half the rate.
        likeness: ``[C, C]`` correlation between channels from 1 to 30 Hz.
    """

    name: str
    subject: str
    channels: tuple[str, ...]
    rate: float
    powers: Array
    amplitude: Array
    resolution: Array
    mains: Array
    likeness: Array

    def table(self) -> Array:
        """Return ``[C, WIDTH + C]``: all numbers of each channel, for a store."""
        columns = (self.powers, self.amplitude[:, None], self.resolution[:, None], self.mains)
        return np.concatenate([*columns, self.likeness], axis=1)

    @classmethod
    def of_table(
        cls, table: Array, *, name: str, subject: str, channels: Sequence[str], rate: float
    ) -> SignalSummary:
        """Return the summary whose `table` this is."""
        b = len(BANDS)
        return cls(
            name=name, subject=subject, channels=tuple(channels), rate=rate,
            powers=table[:, :b], amplitude=table[:, b], resolution=table[:, b + 1],
            mains=table[:, b + 2 : WIDTH], likeness=table[:, WIDTH:],
        )  # fmt: skip


class Summarizing:
    """A summary in the making, from samples that come in blocks of any size.

    Args:
        channels: How many.
        rate: Samples a second, Hz.
    """

    def __init__(self, channels: int, rate: float) -> None:
        self._rate = rate
        # a damaged header may state any rate; reading refuses it, and no room is made for it before
        self._length = max(16, round(SECONDS * min(rate, FASTEST)))
        self._at = 0  # samples since the last break
        self._parts: list[Array] = []
        self._rows: list[Array] = []
        self._alike: list[Array] = []
        self._steps = np.full(channels, np.inf)
        taper = np.hanning(self._length + 1)[:-1]
        self._taper = taper / np.sqrt(np.mean(taper**2))
        frequencies = np.fft.rfftfreq(self._length, 1 / rate)
        self._bands = [
            (frequencies >= low) & (frequencies < high) if high <= rate / 2 else None
            for low, high in BANDS
        ]
        self._all = (frequencies >= BANDS[0][0]) & (frequencies <= BANDS[-1][1])
        self._mains = [
            (np.abs(frequencies - hz) <= 0.5, (np.abs(frequencies - hz) <= 3.0))
            if hz + 3 <= rate / 2
            else None
            for hz in MAINS
        ]

    def push(self, values: Array, begins: bool) -> None:
        """Look at the next ``[C, n]`` uV.

        Args:
            values: The samples.
            begins: They follow no others without a break.
        """
        if begins:
            self._parts, self._at = [], 0
        turn, at = self._length * EVERY, 0
        while at < values.shape[1]:
            place = self._at % turn
            n = min((self._length if place < self._length else turn) - place, values.shape[1] - at)
            if place < self._length:
                self._parts.append(values[:, at : at + n])
                if place + n == self._length:
                    self._add(np.concatenate(self._parts, axis=1))
                    self._parts = []
                else:
                    self._parts[-1] = self._parts[-1].copy()  # the block goes
            at, self._at = at + n, self._at + n

    def summary(self, name: str, subject: str, channels: Sequence[str]) -> SignalSummary | None:
        """Return the summary; None where no segment was whole."""
        if not self._rows:
            return None
        steps = np.log10(np.where(np.isfinite(self._steps), self._steps, np.nan))
        medians = np.median(np.stack(self._rows), axis=0)
        table = np.concatenate([medians, np.median(np.stack(self._alike), axis=0)], axis=1)
        table = np.insert(table, len(BANDS) + 1, steps, axis=1)
        return SignalSummary.of_table(
            table, name=name, subject=subject, channels=channels, rate=self._rate,
        )  # fmt: skip

    def _add(self, segment: Array) -> None:
        if len(self._rows) < 4:
            self._steps = np.minimum(self._steps, _smallest_steps(segment))
        centred = (segment - segment.mean(axis=1, keepdims=True)) * self._taper
        spectrum = np.fft.rfft(centred, axis=1) * (np.sqrt(2.0) / self._length)
        power = np.abs(spectrum) ** 2
        columns = [
            np.full(len(power), np.nan) if band is None else power[:, band].sum(axis=1)
            for band in self._bands
        ]
        columns.append(power[:, self._all].sum(axis=1))
        logs = np.log10(np.maximum(np.stack(columns, axis=1), _LEAST))
        logs[:, -1] /= 2  # an amplitude
        mains = np.full((len(power), len(MAINS)), np.nan)
        for k, places in enumerate(self._mains):
            if places is not None:
                at, near = places
                around = np.median(power[:, near & ~at], axis=1) * at.sum()
                line = np.maximum(power[:, at].sum(axis=1) - around, _LEAST)
                mains[:, k] = 0.5 * np.log10(2 * line)
        self._rows.append(np.concatenate([logs, mains], axis=1))
        inside = spectrum[:, self._all]
        cross = (inside @ inside.conj().T).real
        size = np.sqrt(np.maximum(np.diag(cross), _LEAST))
        self._alike.append(cross / size[:, None] / size[None, :])


def summarized(
    blocks: Iterable[Block], name: str, subject: str, channels: Sequence[str], rate: float
) -> SignalSummary | None:
    """Return the summary of a recording; None where it has no segment of `SECONDS`."""
    making = Summarizing(len(channels), rate)
    for block in blocks:
        making.push(block.values, block.begins)
    return making.summary(name, subject, channels)


def _smallest_steps(segment: Array) -> Array:
    """Return ``[C]``: the smallest difference between two values that differ, rounding aside.

    Infinite where the others are no multiples of it: values that were never stored as integers have no step.
    """
    apart = np.diff(np.sort(segment, axis=1), axis=1)
    size = np.abs(segment).max(axis=1, keepdims=True)
    least = np.min(apart, axis=1, where=apart > 1e-7 * size + 1e-12, initial=np.inf)
    with np.errstate(invalid="ignore"):
        steps = apart / least[:, None]
        whole = np.mean(np.abs(steps - np.rint(steps)) < 0.05, axis=1)
    return np.asarray(np.where(whole > 0.99, least, np.inf))
