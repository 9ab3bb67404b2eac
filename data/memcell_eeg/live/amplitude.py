"""Check that the first seconds of a live signal are plausible scalp EEG in microvolts.

The limits of `memcell_data.quality.amplitudes`, on the first `SECONDS` of a stream: more than 1 % of a
channel's samples beyond 10 mV of its median ends the stream, since its unit must be wrong; an implausible
spread, a flat channel, or strong power-line noise (`memcell_data.quality.hum`), is reported.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.quality.amplitudes import LARGEST, LARGEST_SPREAD, MOST_OUTSIDE, SMALLEST_SPREAD
from memcell_data.quality.hum import Hum, in_words

#: Length of the signal that is checked, s.
SECONDS = 5.0


class FirstSeconds:
    """Collects the first seconds of a stream and checks them once.

    Args:
        name: The stream's.
        channels: The stream's names of the model's channels.
        rate: Hz.
    """

    def __init__(self, name: str, channels: Sequence[str], rate: float) -> None:
        self._name, self._channels, self._rate = name, channels, rate
        self._needed = round(SECONDS * rate)
        self._parts: list[NDArray[np.float64]] = []
        self._n = 0

    def push(self, values: NDArray[np.float64]) -> list[str]:
        """Add the next ``[C, n]`` uV; return warnings about the first seconds as soon as they are complete.

        Raises:
            DataError: A channel's unit must be wrong; names stream and channel.
        """
        if self._n >= self._needed:
            return []
        self._parts.append(values.copy())
        self._n += values.shape[1]
        if self._n < self._needed:
            return []
        signal, self._parts = np.concatenate(self._parts, axis=1), []
        lines = []
        for channel, row in zip(self._channels, signal, strict=True):
            lines += self._check(channel, row)
        hum = Hum(range(len(signal)), self._rate)
        hum.push(signal)
        found = in_words(self._channels, hum.lines())
        return lines + [f"stream '{self._name}': {line}" for line in found]

    def _check(self, channel: str, row: NDArray[np.float64]) -> list[str]:
        where = f"stream '{self._name}': channel '{channel}'"
        deviation = np.abs(row - np.median(row))
        outside = float((deviation > LARGEST).mean())
        if outside > MOST_OUTSIDE:
            raise DataError(
                f"{where} is beyond 10 mV for {outside:.0%} of its first {SECONDS:g} s (up to "
                f"{deviation.max() / 1e3:.3g} mV): its unit is wrong, or it is no EEG; set the unit in the "
                "program that sends it, or type --unit."
            )
        if np.ptp(row) == 0:
            return [f"{where} is flat at {row[0]:.3g} uV"]
        spread = float(np.median(deviation))
        if spread < SMALLEST_SPREAD or spread > LARGEST_SPREAD:
            return [f"{where}: median deviation {spread:.2g} uV: its unit may be wrong"]
        return []
