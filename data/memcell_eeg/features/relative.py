"""Log powers of each channel relative to each other, and its mobility: nothing in them depends on the gain.

The power of a band is the mean of the power spectral density over ``[from, to)`` Hz, by Welch's (1967)
method: Hann segments of 4 s that overlap by half or more and are spread evenly over the window, or one
segment where the window is not longer. The feature is its natural logarithm less the mean of the logarithms
of all bands, so that an amplifier, an electrode or a skull that makes everything larger by a factor changes
nothing. Mobility (Hjorth 1970) is the root mean square frequency, ``sd(x') / (2 pi sd(x))`` in Hz, and the
feature its natural logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell_eeg.features.spectra import BandDensities, relative
from memcell_eeg.features.windows import SignalWindow

#: Edges in Hz. Above half the rate a band ends there.
BANDS: dict[str, tuple[float, float]] = {
    "slow delta": (0.5, 2.0),
    "delta": (2.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 11.0),
    "sigma": (11.0, 16.0),
    "beta": (16.0, 22.0),
}

#: Added to the variances of mobility, uV^2, as of a wave of `FLOOR_HZ`: silence is a finite number.
FLOOR_VARIANCE, FLOOR_HZ = 1e-5, 10.0


def names(channels: Sequence[str]) -> tuple[str, ...]:
    """Return the features' names: the bands and the mobility of the first channel, then of the next."""
    features = (*(f"relative {band}" for band in BANDS), "mobility")
    return tuple(f"{channel} {feature}" for channel in channels for feature in features)


class RelativePowers:
    """Makes ``[k, C * 7]`` of ``[k, C, w]`` uV, band-passed; a `FeatureExtractor`.

    Args:
        signal: What it is built for.
    """

    normalized = True

    def __init__(self, signal: SignalWindow, config: object = None) -> None:
        self.names = names(signal.channels)
        self.delay = signal.window / 2
        #: Hz. Its features mean the same at every rate from this one on: the band-pass ends below half of it.
        self.slowest = signal.high / 0.45
        self._rate = rate = signal.rate
        self._densities = BandDensities(rate, signal.width, BANDS)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the features."""
        out = np.empty((*samples.shape[:2], len(BANDS) + 1))
        out[:, :, :-1] = relative(self._densities(samples))
        x = samples.astype(np.float64)
        slopes = np.diff(x, axis=2) * (self._rate / (2 * np.pi))
        size = x.var(axis=2) + FLOOR_VARIANCE
        out[:, :, -1] = 0.5 * np.log((slopes.var(axis=2) + FLOOR_HZ**2 * FLOOR_VARIANCE) / size)
        return out.reshape(len(samples), -1)
