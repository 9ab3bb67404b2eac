"""Signals and features that cannot be used: named before anything is made of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.recording import Signal


def check_signal(signal: Signal, channels: Sequence[str], name: str, window: float) -> None:
    """Refuse a recording that is too short, or has a flat channel or one that is not all numbers.

    Args:
        signal: As it was read.
        channels: What a person calls its rows.
        name: The recording's.
        window: Seconds that the features of a step look back.

    Raises:
        DataError: Names recording and channel.
    """
    seconds = signal.values.shape[1] / signal.rate
    if seconds < window:
        raise DataError(
            f"recording '{name}' has {seconds:.3g} s of signal, less than the window of "
            f"{window:g} s; leave it out, or train with a shorter --window."
        )
    for channel, row in zip(channels, signal.values, strict=True):
        if not np.isfinite(row).all():
            first = int(np.argmin(np.isfinite(row)))
            raise DataError(
                f"recording '{name}': channel '{channel}' is not a number at sample {first}; "
                "repair the file, or choose other channels with --channels."
            )
        if np.ptp(row) == 0:
            raise DataError(
                f"recording '{name}': channel '{channel}' is flat ({row[0]:g} uV throughout); "
                "choose other channels with --channels, or leave the recording out."
            )


def check_features(values: NDArray[np.float64], names: Sequence[str], name: str) -> None:
    """Refuse features that are not numbers.

    Args:
        values: ``[n_steps, F]``.
        names: Of the features.
        name: The recording's.

    Raises:
        DataError: Names recording, feature and step.
    """
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        step, feature = bad[0]
        raise DataError(
            f"recording '{name}': feature '{names[feature]}' is not a number at step {step}; its "
            "channel may be out of range there."
        )
