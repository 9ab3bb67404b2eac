"""What the samples themselves say: amplitudes that no scalp makes, missing values, flat and clipped parts.

Limits, for each wanted channel:

- *amplitude*: more than 1 % of the samples beyond 10 mV of the channel's median: the unit is wrong, and
  the channel is refused; fewer are electrode pops and get a line. The median is taken away first
  because DC-coupled amplifiers sit tens of millivolts off zero; an offset beyond 10 mV gets a line, and
  so does a spread (median absolute deviation) under .5 or over 500 uV.
- *missing* (NaN or infinite): more than 1 % refuses the channel; fewer are cut out, and what is cut out
  is a gap like any other.
- *flat* (the same value for 1 s or more): a line from 10 % on, refused from 90 % on.
- *clipped* (staying at the channel's own extreme value): a line from 1 % on.

All of it is found in one pass over blocks of samples (`Quality`), in memory that does not grow with the
recording; how the counts are made of blocks is `memcell_data.counts`' business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.counts import Amplitudes, Clips, Runs
from memcell_data.recording import Block, Signal, Stretch

LARGEST = 10_000.0
SMALLEST_SPREAD, LARGEST_SPREAD = 0.5, 500.0
MOST_OUTSIDE = 0.01
MOST_MISSING = 0.01
FLAT_NAMED, FLAT_REFUSED = 0.10, 0.90
CLIPPED_NAMED = 0.01
_VOLTAGES = ("eeg", "eog", "emg", "ecg")


class Quality:
    """Looks at the samples of a recording as they pass.

    Args:
        channels: Names.
        kinds: Kind of each; the amplitude limit holds for voltages of a body.
        rate: Samples a second, Hz.
        path: The file, for messages.
    """

    def __init__(
        self, channels: Sequence[str], kinds: Sequence[str], rate: float, path: Path
    ) -> None:
        self.channels = channels
        self.path = path
        self._kinds = kinds
        self._n = 0
        self._missing = np.zeros(len(channels), dtype=np.int64)
        self._amplitudes = [Amplitudes(LARGEST) for _ in channels]
        self._runs = [Runs(max(2, round(rate))) for _ in channels]
        self._clips = [Clips() for _ in channels]

    def push(self, values: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """Look at the next ``[C, n]`` samples, gaps left out.

        Returns:
            ``[n]``: the samples that no channel misses, or None where none is missed.
        """
        finite = np.isfinite(values)
        good: NDArray[np.bool_] | None = None
        self._n += values.shape[1]
        if not finite.all():
            self._missing += np.sum(~finite, axis=1)
            good = np.logical_and.reduce(finite, axis=0)
            values = values[:, good]
        if values.shape[1]:
            for i, row in enumerate(values):
                low, high = float(row.min()), float(row.max())
                self._amplitudes[i].push(row, low, high)
                self._clips[i].push(row, low, high)
                self._runs[i].push(row)
        return good

    def finish(self) -> list[str]:
        """Judge the whole, after the last sample.

        Returns:
            A line for everything odd.

        Raises:
            DataError: A channel is beyond one of the limits of this module.
        """
        lines = []
        for name, missing in zip(self.channels, self._missing.tolist(), strict=True):
            if missing > MOST_MISSING * self._n:
                raise DataError(
                    f"{self.path}: channel '{name}' has {missing} of {self._n} samples missing (NaN or "
                    f"infinite, {missing / self._n:.1%}); at most {MOST_MISSING:.0%} can be cut out"
                )
            if missing:
                lines.append(
                    f"{self.path.name}: channel '{name}': {missing} samples are missing (NaN); they are "
                    "cut out as gaps"
                )
        for i, name in enumerate(self.channels):
            lines += [f"{self.path.name}: {line}" for line in self._of_channel(i, name)]
        return lines

    def _of_channel(self, i: int, name: str) -> list[str]:
        where = f"channel '{name}'"
        flat, clipped = self._runs[i].share(), self._clips[i].share()
        voltage = self._kinds[i] in _VOLTAGES
        lines = self._of_amplitude(self._amplitudes[i], where, flat) if voltage else []
        if flat >= FLAT_REFUSED:
            raise DataError(
                f"{self.path}: {where} is flat (the same value for 1 s or more) {flat:.0%} of the time; "
                "leave it out"
            )
        if flat >= FLAT_NAMED:
            lines.append(f"{where} is flat {flat:.0%} of the time")
        elif clipped >= CLIPPED_NAMED:
            lines.append(f"{where} is clipped {clipped:.1%} of the time")
        return lines

    def _of_amplitude(self, found: Amplitudes, where: str, flat: float) -> list[str]:
        if found.n == 0:
            return []
        middle, spread = found.middle_and_spread()
        outside = found.outside(middle)
        if (share := outside / found.n) > MOST_OUTSIDE:
            farthest = max(found.high - middle, middle - found.low)
            raise DataError(
                f"{self.path}: {where} is beyond 10 mV for {share:.0%} of the samples (up to "
                f"{farthest / 1e3:.3g} mV): its unit is wrong in the file, or it is no EEG"
            )
        lines = []
        if outside:
            lines.append(f"{where}: {outside} samples are beyond 10 mV (artefacts)")
        if abs(middle) > LARGEST:
            lines.append(
                f"{where} sits {middle / 1e3:.3g} mV off zero: a DC amplifier, or a wrong range"
            )
        small = spread < SMALLEST_SPREAD and flat < FLAT_NAMED
        if small or spread > LARGEST_SPREAD:
            lines.append(f"{where}: half of it lies within {spread:.2g} uV: its unit may be wrong")
        return lines


def checked(
    blocks: Iterable[Block], quality: Quality, rate: float, warn: Callable[[str], object]
) -> Iterator[Block]:
    """Yield blocks without their missing samples, which become gaps.

    Args:
        blocks: As read.
        quality: Looks at them.
        rate: Samples a second, Hz.
        warn: Told each line, after the last block.

    Raises:
        DataError: As `Quality.finish`, after the last block.
    """
    broken = False  # a missing sample is the last that was seen
    for block in blocks:
        good = quality.push(block.values)
        whole = Stretch(start=0, stop=block.values.shape[1], onset=block.onset)
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
    """Return the signal without missing samples and with a warning for everything odd.

    Args:
        signal: As read.
        path: The file, for messages.
        kinds: Kind of each channel; the amplitude limit holds for voltages of a body.

    Raises:
        DataError: A channel is beyond one of the limits of this module.
    """
    quality = Quality(signal.channels, kinds, signal.rate, path)
    good = quality.push(signal.values)
    warnings = (*signal.warnings, *quality.finish())
    values, stretches = signal.values, signal.stretches
    if good is not None:
        values, stretches = keep(values, stretches, good, signal.rate)
    return Signal(
        values=values,
        rate=signal.rate,
        channels=signal.channels,
        stretches=stretches,
        warnings=warnings,
    )


def kept(stretches: Sequence[Stretch], good: NDArray[np.bool_], rate: float) -> list[Stretch]:
    """Return the runs of good samples in each stretch, where they stand.

    Args:
        stretches: Within the samples that ``good`` speaks of.
        good: ``[n_samples]``, the samples to keep.
        rate: Samples a second, Hz.
    """
    found: list[Stretch] = []
    for stretch in stretches:
        inside = good[stretch.start : stretch.stop].astype(np.int8)
        edges = np.flatnonzero(np.diff(inside, prepend=0, append=0))
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            onset = stretch.onset + first / rate
            found.append(
                Stretch(start=stretch.start + first, stop=stretch.start + end, onset=onset)
            )
    return found


def keep(
    values: NDArray[np.float64],
    stretches: Sequence[Stretch],
    good: NDArray[np.bool_],
    rate: float,
) -> tuple[NDArray[np.float64], tuple[Stretch, ...]]:
    """Cut samples out, and split the stretches where they were.

    Args:
        values: ``[n_channels, n_samples]``.
        stretches: They cover all samples.
        good: ``[n_samples]``, the samples to keep.
        rate: Samples a second, Hz.
    """
    out: list[Stretch] = []
    at = 0
    for part in kept(stretches, good, rate):
        out.append(Stretch(start=at, stop=at + part.stop - part.start, onset=part.onset))
        at = out[-1].stop
    return values[:, good], tuple(out)
