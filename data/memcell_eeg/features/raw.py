"""The window behind each step as it is: its samples, in units of 50 uV.

They are neither normalized nor anything else: what a small network (`memcell_eeg.features.raw_cnn.RawCnn`)
learns from is the shape of the waves and their size in microvolts. A sample beyond 10 units (500 uV) counts
as one there. The window of the first steps of a stretch is filled with zeros where there is no past.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell_eeg.features.windows import width_of

UNIT = 50.0
FARTHEST = 10.0


def names(channels: Sequence[str], rate: float, window: float) -> tuple[str, ...]:
    """Return the features' names, ``"O1 -0.01 s"``: all samples of the first channel, then of the next."""
    width = width_of(window, rate)
    late = [(n - width) / rate for n in range(width)]
    return tuple(f"{channel} {t:.6g} s" for channel in channels for t in late)


class Raw:
    """Makes ``[k, C * width]`` of ``[k, C, w]`` uV; see `memcell_eeg.features.windows.Maker`.

    Args:
        channels: Names.
        rate: Samples a second, Hz.
        window: Seconds of past signal behind a step.
    """

    normalized = False

    def __init__(self, channels: Sequence[str], rate: float, window: float) -> None:
        self.names = names(channels, rate, window)
        self._width = width_of(window, rate)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the features."""
        k, c, w = samples.shape
        out = np.zeros((k, c, self._width))
        np.clip(samples / np.float32(UNIT), -FARTHEST, FARTHEST, out=out[:, :, self._width - w :])
        return out.reshape(k, -1)
