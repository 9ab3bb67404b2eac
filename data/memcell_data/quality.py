"""What the samples themselves say: amplitudes that no scalp makes, missing values, flat and clipped parts.

Limits, for each wanted channel:

- *amplitude*: more than 1 % of the samples beyond 10 mV of the channel's median: the unit is wrong, and
  the channel is refused; fewer are electrode pops and get a line. The median is taken away first
  because DC-coupled amplifiers sit tens of millivolts off zero; an offset beyond 10 mV gets a line, and
  so does a spread (median absolute deviation) under .05 or over 500 uV.
- *missing* (NaN or infinite): more than 1 % refuses the channel; fewer are cut out, and what is cut out
  is a gap like any other.
- *flat* (the same value for 1 s or more): a line from 10 % on, refused from 90 % on.
- *clipped* (staying at the channel's own extreme value): a line from 1 % on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.recording import Signal, Stretch

LARGEST = 10_000.0
SMALLEST_SPREAD, LARGEST_SPREAD = 0.05, 500.0
MOST_OUTSIDE = 0.01
MOST_MISSING = 0.01
FLAT_NAMED, FLAT_REFUSED = 0.10, 0.90
CLIPPED_NAMED = 0.01
_VOLTAGES = ("eeg", "eog", "emg", "ecg")


def inspect(signal: Signal, path: Path, kinds: Sequence[str]) -> Signal:
    """Return the signal without missing samples and with a warning for everything odd.

    Args:
        signal: As read.
        path: The file, for messages.
        kinds: Kind of each channel; the amplitude limit holds for voltages of a body.

    Raises:
        DataError: A channel is beyond one of the limits of this module.
    """
    signal = _without_missing(signal, path)
    warnings = list(signal.warnings)
    for name, kind, row in zip(signal.channels, kinds, signal.values, strict=True):
        where = f"channel '{name}'"
        if kind in _VOLTAGES:
            warnings += [f"{path.name}: {line}" for line in _amplitude(row, path, where)]
        flat = _flat_share(row, max(2, round(signal.rate)))
        if flat >= FLAT_REFUSED:
            raise DataError(
                f"{path}: {where} is flat (the same value for 1 s or more) {flat:.0%} of the time; "
                "leave it out"
            )
        if flat >= FLAT_NAMED:
            warnings.append(f"{path.name}: {where} is flat {flat:.0%} of the time")
        clipped = _clipped_share(row)
        if clipped >= CLIPPED_NAMED and flat < FLAT_NAMED:
            warnings.append(f"{path.name}: {where} is clipped {clipped:.1%} of the time")
    return Signal(
        values=signal.values,
        rate=signal.rate,
        channels=signal.channels,
        stretches=signal.stretches,
        warnings=tuple(warnings),
    )


def _amplitude(row: NDArray[np.float64], path: Path, where: str) -> list[str]:
    middle = float(np.median(row))
    deviation = np.abs(row - middle)
    outside = deviation > LARGEST
    if (share := float(outside.mean())) > MOST_OUTSIDE:
        raise DataError(
            f"{path}: {where} is beyond 10 mV for {share:.0%} of the samples (up to "
            f"{deviation.max() / 1e3:.3g} mV): its unit is wrong in the file, or it is no EEG"
        )
    lines = []
    if outside.any():
        lines.append(f"{where}: {int(outside.sum())} samples are beyond 10 mV (artefacts)")
    if abs(middle) > LARGEST:
        lines.append(
            f"{where} sits {middle / 1e3:.3g} mV off zero: a DC amplifier, or a wrong range"
        )
    spread = float(np.median(deviation))
    if 0 < spread < SMALLEST_SPREAD or spread > LARGEST_SPREAD:
        lines.append(f"{where}: half of it lies within {spread:.2g} uV: its unit may be wrong")
    return lines


def _without_missing(signal: Signal, path: Path) -> Signal:
    finite = np.isfinite(signal.values)
    if finite.all():
        return signal
    warnings = list(signal.warnings)
    for name, row in zip(signal.channels, finite, strict=True):
        missing = int((~row).sum())
        if missing > MOST_MISSING * len(row):
            raise DataError(
                f"{path}: channel '{name}' has {missing} of {len(row)} samples missing (NaN or "
                f"infinite, {missing / len(row):.1%}); at most {MOST_MISSING:.0%} can be cut out"
            )
        if missing:
            warnings.append(
                f"{path.name}: channel '{name}': {missing} samples are missing (NaN); they are cut out "
                "as gaps"
            )
    values, stretches = keep(
        signal.values, signal.stretches, np.logical_and.reduce(finite, axis=0), signal.rate
    )
    return Signal(
        values=values,
        rate=signal.rate,
        channels=signal.channels,
        stretches=stretches,
        warnings=tuple(warnings),
    )


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
    kept: list[Stretch] = []
    at = 0
    for stretch in stretches:
        inside = good[stretch.start : stretch.stop].astype(np.int8)
        edges = np.flatnonzero(np.diff(inside, prepend=0, append=0))
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            onset = stretch.onset + first / rate
            kept.append(Stretch(start=at, stop=at + end - first, onset=onset))
            at += end - first
    return values[:, good], tuple(kept)


def _flat_share(row: NDArray[np.float64], length: int) -> float:
    """Return the share of samples in runs of one value that last ``length`` samples or more."""
    edges = np.flatnonzero(np.diff(row) != 0) + 1
    runs = np.diff(edges, prepend=0, append=len(row))
    return float(runs[runs >= length].sum()) / max(1, len(row))


def _clipped_share(row: NDArray[np.float64]) -> float:
    """Return the share of samples that stay at the highest or lowest value of the row."""
    if len(row) == 0:
        return 0.0
    stays = (row[1:] == row[:-1]) & ((row[1:] == row.max()) | (row[1:] == row.min()))
    return float(stays.mean()) if len(stays) else 0.0
