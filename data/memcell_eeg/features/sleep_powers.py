"""The four powers that tell sleep from wake in one channel as in another: relative, averaged over channels.

The power of a band is the mean of the power spectral density over ``[from, to)`` Hz
(`memcell_eeg.features.spectra.BandDensities`). A channel's feature is its natural logarithm less the mean of
the four, so that no gain changes it; a step's feature is the mean over the channels, so that there are four
whatever a recording has. The bands are those of the data set ``sleep-edf-powers``: a model that was fitted to
its powers takes these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell_eeg.features.spectra import BandDensities, relative
from memcell_eeg.features.windows import SignalWindow

#: Edges in Hz. Above .45 of the rate, which is what a resampler leaves, beta ends there.
BANDS: dict[str, tuple[float, float]] = {
    "delta": (0.5, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 12.0),
    "beta": (12.0, 30.0),
}
#: Hz. Between this rate and 67 Hz beta is cut at .45 of the rate, below it too little of beta is left.
SLOWEST = 50.0


class WakeSleepPowers:
    """Makes ``[k, 4]`` of ``[k, C, w]`` uV, band-passed; a `FeatureExtractor`.

    Args:
        signal: What it is built for.
    """

    normalized = True
    names = tuple(f"relative {band}" for band in BANDS)
    #: Its features mean the same at every rate from this one on.
    slowest = SLOWEST

    def __init__(self, signal: SignalWindow, config: object = None) -> None:
        self.delay = signal.window / 2
        low, high = BANDS["beta"]
        bands = {**BANDS, "beta": (low, min(high, 0.45 * signal.rate))}
        self._densities = BandDensities(signal.rate, signal.width, bands)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the features."""
        return np.asarray(relative(self._densities(samples)).mean(axis=1))
