"""The window behind each step as it is: its samples, in units of 50 uV.

They are neither normalized nor anything else: what a small network (`memcell_eeg.features.encoder.RawCnn`)
learns from is the shape of the waves and their size in microvolts. A sample beyond 10 units (500 uV) counts
as one there. The window of the first steps of a segment is filled with zeros where there is no past.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell_eeg.features.windows import SignalWindow, width_of

UNIT = 50.0
FARTHEST = 10.0


def names(channels: Sequence[str], rate: float, window: float) -> tuple[str, ...]:
    """Return the features' names, ``"O1 -0.01 s"``: all samples of the first channel, then of the next."""
    width = width_of(window, rate)
    late = [(n - width) / rate for n in range(width)]
    return tuple(f"{channel} {t:.6g} s" for channel in channels for t in late)


class Raw:
    """Makes ``[k, C * width]`` of ``[k, C, w]`` uV; a `memcell_eeg.features.windows.FeatureExtractor`.

    Args:
        signal: What it is built for.
    """

    normalized = False

    def __init__(self, signal: SignalWindow, config: object = None) -> None:
        self.names = names(signal.channels, signal.rate, signal.window)
        self.delay = signal.window / 2
        self._width = signal.width

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the features."""
        k, c, w = samples.shape
        out = np.zeros((k, c, self._width))
        np.clip(samples / np.float32(UNIT), -FARTHEST, FARTHEST, out=out[:, :, self._width - w :])
        return out.reshape(k, -1)
