"""The spectrum of windows: tapered, zero-padded, in single precision.

``P(f) = 2 |sum_n w[n] x[n] e^{-2 pi i f n / rate}|^2 / (rate sum_n w[n]^2)`` in uV^2/Hz with w the Hann
window of the samples that are there (Welch 1967, one segment).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft


@lru_cache(maxsize=1024)
def taper(width: int) -> tuple[NDArray[np.float32], float]:
    """Return the Hann window ``[width]`` without its two zeros, and the sum of its squares."""
    w = np.asarray(np.hanning(width + 2)[1:-1], dtype=np.float32)
    return w, float(np.sum(w.astype(np.float64) ** 2))


class Spectra:
    """Power spectral densities of windows.

    Args:
        rate: Samples a second, Hz.
        length: Samples of the transform, at least a window's.
        low: Frequencies from this one on, Hz.
        high: And below this one, or up to half the rate.
        exact: Lines are ``rate / length`` apart; otherwise the length is rounded up to one that is fast.
    """

    def __init__(
        self, rate: float, length: int, low: float, high: float, exact: bool = False
    ) -> None:
        self.rate = rate
        self.length = length if exact else int(fft.next_fast_len(length, real=True))
        frequencies = np.fft.rfftfreq(self.length, 1 / rate)
        inside = np.flatnonzero((frequencies >= low) & (frequencies < high))
        self._bins = slice(int(inside[0]), int(inside[-1]) + 1)
        #: ``[n_bins]`` Hz.
        self.frequencies = frequencies[self._bins]

    def parts(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """Return what the densities of ``[k, C, w]`` uV are made of.

        Returns:
            ``[k, C, 2 n_bins]``, the squares of the real and the imaginary part of each bin side by side,
            and the factor that makes uV^2/Hz of the sum of two.
        """
        w, energy = taper(samples.shape[2])
        lines = fft.rfft(samples * w, self.length, axis=2)[:, :, self._bins]
        squares = np.ascontiguousarray(lines).view(np.float32)
        np.square(squares, out=squares)
        return squares, 2 / (self.rate * energy)
