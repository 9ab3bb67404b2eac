"""Checks that refuse unusable signals and features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.recording import LostChannels


class SignalCheck:
    """Refuses a recording that is too short, or has a flat channel or non-finite samples.

    Args:
        channels: Names of its rows, for messages.
        name: The recording's.
        window: Seconds that the features of a step look back.
        rate: Samples a second, Hz.
    """

    def __init__(self, channels: Sequence[str], name: str, window: float, rate: float) -> None:
        self.channels = channels
        self.name = name
        self.window = window
        self.rate = rate
        self._n = 0
        self._low = np.full(len(channels), np.inf)
        self._high = np.full(len(channels), -np.inf)

    def push(self, values: NDArray[np.float64]) -> None:
        """Check the next ``[C, n]`` samples.

        Raises:
            DataError: One is not a number; names recording, channel and sample.
        """
        if values.shape[1] == 0:
            return
        low, high = values.min(axis=1), values.max(axis=1)
        for channel, row, odd in zip(self.channels, values, ~np.isfinite(high - low), strict=True):
            if odd:
                first = self._n + int(np.argmin(np.isfinite(row)))
                raise DataError(
                    f"recording '{self.name}': channel '{channel}' is not a number at sample {first}; "
                    "repair the file, or choose other channels with --channels."
                )
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        self._n += values.shape[1]

    def finish(self) -> None:
        """Check the whole recording, after the last sample.

        Raises:
            DataError: It is too short; names the recording.
            LostChannels: A channel is flat; names recording and channel.
        """
        seconds = self._n / self.rate
        if seconds < self.window:
            raise DataError(
                f"recording '{self.name}' has {seconds:.3g} s of signal, less than the window of "
                f"{self.window:g} s; leave it out, or train with a shorter --window."
            )
        flat = self._low == self._high
        if flat.any():
            lost = [c for c, still in zip(self.channels, flat, strict=True) if still]
            raise LostChannels(
                f"recording '{self.name}': channel '{lost[0]}' is flat ({self._low[flat][0]:g} uV "
                "throughout); choose other channels with --channels, or leave the recording out.",
                lost,
            )


def check_features(
    values: NDArray[np.floating], names: Sequence[str], name: str, first: int = 0
) -> None:
    """Refuse features that are not finite.

    Args:
        values: ``[n_steps, F]``.
        names: Of the features.
        name: The recording's.
        first: Steps of the recording before these.

    Raises:
        DataError: Names recording, feature and step.
    """
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        step, feature = bad[0]
        raise DataError(
            f"recording '{name}': feature '{names[feature]}' is not a number at step {first + step}; its "
            "channel may be out of range there."
        )
