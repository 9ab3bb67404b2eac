"""The spectrum of windows: tapered, zero-padded, in single precision.

``P(f) = 2 |sum_n w[n] x[n] e^{-2 pi i f n / rate}|^2 / (rate sum_n w[n]^2)`` in uV^2/Hz with w the Hann
window of the samples that are there (Welch 1967, one segment).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from memcell_data.native.library import functions
from memcell_eeg.features.fourier import Transform, transform
from memcell_eeg.features.windows import MOST_ROWS


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

    @property
    def by_rows(self) -> bool:
        """Whether `sums` gives each row the bits that it has alone, whatever rows it comes with."""
        return self._in_c() is not None

    def _in_c(self) -> Transform | None:
        native = functions()
        return None if native is None else transform(native, self.length)

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

    def sums(
        self, samples: NDArray[np.float32], starts: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], float]:
        """Return the sums of what `parts` gives over bands of neighbouring bins, and its factor.

        Args:
            samples: ``[k, C, w]`` uV, in blocks of `MOST_ROWS` rows, each of which is transformed by itself.
            starts: ``[n_bands]``, where each band begins in the last axis of `parts`; it ends where the next
                one begins.

        Returns:
            ``[k, C, n_bands]`` and the factor.
        """
        by = self._in_c()
        if by is None or samples.dtype != np.float32:
            blocks = [samples[i : i + MOST_ROWS] for i in range(0, len(samples), MOST_ROWS)]
            squares, scales = zip(*(self.parts(block) for block in blocks), strict=True)
            found = np.concatenate([np.add.reduceat(s, starts, axis=2) for s in squares])
            return found, float(scales[0])
        w, energy = taper(samples.shape[2])
        of_line = starts + 2 * self._bins.start
        return by.powers(samples, w, of_line, 2 * self._bins.stop), 2 / (self.rate * energy)


#: Seconds of a segment of Welch's method.
SEGMENT = 4.0


class BandDensities:
    """Mean power spectral densities of bands, by Welch's (1967) method.

    Hann segments of 4 s that overlap by half or more and are spread evenly over the window, or one segment
    where the window is not longer.

    Args:
        rate: Samples a second, Hz.
        width: Samples of a full window.
        bands: Name to ``(from, to)`` in Hz, each beginning where the one before it ends. Above half the
            rate a band ends there.
    """

    def __init__(self, rate: float, width: int, bands: Mapping[str, tuple[float, float]]) -> None:
        self._segment = min(width, round(SEGMENT * rate))
        edges = list(bands.values())
        # Zero-padded to 2 s at least: every band has bins, also behind the first steps of a segment.
        length = max(self._segment, round(2 * rate))
        self._spectra = Spectra(rate, length, edges[0][0], edges[-1][1])
        starts = np.searchsorted(self._spectra.frequencies, [a for a, _ in edges])
        self._starts = 2 * starts
        self._bins = np.diff(starts, append=len(self._spectra.frequencies))

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return ``[k, C, n_bands]`` uV^2/Hz of ``[k, C, w]`` uV."""
        width = samples.shape[2]
        length = min(width, self._segment)
        n = 1 + -(-2 * (width - length) // length)
        total: NDArray[np.float64] = np.zeros((*samples.shape[:2], len(self._bins)))
        for first in np.linspace(0, width - length, n).round().astype(int).tolist():
            sums, scale = self._spectra.sums(samples[:, :, first : first + length], self._starts)
            total += sums * (scale / self._bins)
        total /= n
        return total


#: Added to a density before its logarithm, uV^2/Hz: a hundredth of an amplifier's noise, far below EEG.
FLOOR = 1e-6


def relative(densities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logarithms less their mean over the bands: an equal factor in all of them changes nothing.

    Args:
        densities: ``[..., n_bands]`` uV^2/Hz.
    """
    logs = np.log(densities + FLOOR)
    return np.asarray(logs - logs.mean(axis=-1, keepdims=True))
