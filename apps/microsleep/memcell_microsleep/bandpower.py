"""Log band powers of each channel over the window behind each step, and two ratios.

The window's power spectral density is that of one Hann-tapered segment (Welch 1967, one segment):
``P(f) = 2 |sum_n w[n] x[n] e^{-2 pi i f n / rate}|^2 / (rate sum_n w[n]^2)`` in uV^2/Hz, a band's power
the mean of ``P`` over ``[from, to)`` Hz, and the feature its natural logarithm. The ratios are
``theta - alpha`` (the mark of a microsleep: theta without alpha) and slow against fast,
``ln((delta + theta) / (alpha + beta))``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from memcell_microsleep.windows import windows

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


def band_powers(
    values: NDArray[np.float64], ends: NDArray[np.int64], rate: float, window: float
) -> NDArray[np.float64]:
    """Return ``[n_steps, C * 7]``, in the order of `names`.

    Args:
        values: ``[C, n]`` uV of one stretch, band-passed.
        ends: ``[n_steps]`` as `memcell_microsleep.windows.edges` gives them.
        rate: Samples a second, Hz.
        window: Seconds of past signal behind a step.
    """
    width = max(2, round(window * rate))
    # Zero-padded to 2 s at least: every band has bins, also behind the first steps of a stretch.
    n_fft = int(fft.next_fast_len(max(width, round(2 * rate)), real=True))
    frequencies = np.fft.rfftfreq(n_fft, 1 / rate)
    bins = [(frequencies >= low) & (frequencies < high) for low, high in BANDS.values()]
    power = np.empty((len(ends), len(values), len(BANDS)))
    for steps, samples in windows(values, ends, width):
        taper = np.hanning(samples.shape[2] + 2)[1:-1]
        density = np.abs(fft.rfft(samples * taper, n_fft, axis=2)) ** 2
        density *= 2 / (rate * np.sum(taper**2))
        for b, inside in enumerate(bins):
            power[steps, :, b] = density[:, :, inside].mean(axis=2)
    power += FLOOR
    delta, theta, alpha, _, beta = np.moveaxis(power, 2, 0)
    logs = np.log(power)
    slow = np.log((delta + theta) / (alpha + beta))
    ratios = np.stack([logs[:, :, 1] - logs[:, :, 2], slow], axis=2)
    return np.concatenate([logs, ratios], axis=2).reshape(len(ends), -1)
