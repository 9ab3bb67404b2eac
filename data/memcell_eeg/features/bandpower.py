"""Log band powers of each channel over the window behind each step, and two ratios.

A band's power is the mean of the power spectral density (`memcell_eeg.features.spectra`) over ``[from,
to)`` Hz and the feature its natural logarithm. The ratios are ``theta - alpha`` (the mark of a
microsleep: theta without alpha) and slow against fast, ``ln((delta + theta) / (alpha + beta))``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell_eeg.features.spectra import Spectra
from memcell_eeg.features.windows import SignalWindow

#: Edges in Hz. Above half the rate a band ends there.
BANDS: dict[str, tuple[float, float]] = {
    "delta": (0.5, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 12.0),
    "sigma": (12.0, 16.0),
    "beta": (16.0, 30.0),
}
RATIOS = ("theta/alpha", "slow/fast")

#: Added before the logarithm, uV^2/Hz: an amplifier's own noise, so that silence is a finite number.
FLOOR = 1e-3


def names(channels: Sequence[str]) -> tuple[str, ...]:
    """Return the features' names: the bands and ratios of the first channel, then of the next."""
    return tuple(f"{channel} {what}" for channel in channels for what in (*BANDS, *RATIOS))


class BandPowers:
    """Makes ``[k, C * 7]`` of ``[k, C, w]`` uV, band-passed; a `FeatureExtractor`.

    Args:
        signal: What it is built for.
    """

    normalized = True
    by_blocks = True

    def __init__(self, signal: SignalWindow, config: object = None) -> None:
        self.names = names(signal.channels)
        self.delay = signal.window / 2
        rate = signal.rate
        low, high = BANDS["delta"][0], BANDS["beta"][1]
        # Zero-padded to 2 s at least: every band has bins, also behind the first steps of a segment.
        self._spectra = Spectra(rate, max(signal.width, round(2 * rate)), low, high)
        # The bands follow each other, so each begins where the one before it ends.
        starts = np.searchsorted(self._spectra.frequencies, [a for a, _ in BANDS.values()])
        self._starts = 2 * starts
        self._bins = np.diff(starts, append=len(self._spectra.frequencies))

    @property
    def by_rows(self) -> bool:
        """Whether the bits of a row depend on it alone; scipy is handed blocks of one shape."""
        return self._spectra.by_rows

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the features."""
        sums, scale = self._spectra.sums(samples, self._starts)
        power = sums * (scale / self._bins) + FLOOR  # [k, C, bands] float64
        delta, theta, alpha, _, beta = (power[:, :, i] for i in range(len(BANDS)))
        out = np.empty((*power.shape[:2], len(BANDS) + len(RATIOS)))
        out[:, :, : len(BANDS)] = np.log(power)
        out[:, :, -2] = out[:, :, 1] - out[:, :, 2]
        out[:, :, -1] = np.log((delta + theta) / (alpha + beta))
        return out.reshape(len(samples), -1)
