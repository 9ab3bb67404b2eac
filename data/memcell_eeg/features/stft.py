"""One column of a short-time Fourier transform for each step: log magnitudes of the window behind it.

``ln sqrt(P(f) + floor)`` with P the power spectral density of `memcell_eeg.features.spectra`, at the
transform's own frequencies, ``1 / window`` Hz apart, above 0 and up to `--high`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell_eeg.features.bandpower import FLOOR
from memcell_eeg.features.spectra import Spectra
from memcell_eeg.features.windows import SignalWindow, width_of


def names(channels: Sequence[str], rate: float, window: float, high: float) -> tuple[str, ...]:
    """Return the features' names, ``"O1 6 Hz"``: all frequencies of the first channel, then of the next."""
    frequencies = _spectra(rate, window, high).frequencies
    return tuple(f"{channel} {f:.4g} Hz" for channel in channels for f in frequencies)


class Magnitudes:
    """Makes ``[k, C * n_frequencies]`` of ``[k, C, w]`` uV; a `FeatureExtractor`.

    Args:
        signal: What it is built for; its upper edge is the highest frequency.
    """

    normalized = True

    def __init__(self, signal: SignalWindow, config: object = None) -> None:
        self.names = names(signal.channels, signal.rate, signal.window, signal.high)
        self.delay = signal.window / 2
        self._spectra = _spectra(signal.rate, signal.window, signal.high)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the features."""
        squares, scale = self._spectra.parts(samples)
        power = (squares[..., ::2] + squares[..., 1::2]).astype(np.float64) * scale + FLOOR
        return 0.5 * np.log(power).reshape(len(samples), -1)


def _spectra(rate: float, window: float, high: float) -> Spectra:
    width = width_of(window, rate)
    resolution = rate / width
    # Half a line below the first and above the last: neither falls to rounding.
    return Spectra(rate, width, 0.5 * resolution, min(high, rate / 2) + 1e-6, exact=True)
