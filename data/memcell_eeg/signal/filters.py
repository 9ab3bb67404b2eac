"""Band-pass filtering, causal with carried state or zero-phase.

Butterworth of order 2 at each edge, as second-order sections. The causal form delays a rhythm in its
pass-band by its group delay (`delay`), for .5-35 Hz at 100 Hz about .03 s at 6 Hz. ``sosfilt`` with
carried ``zi`` gives the same bits in chunks as for the whole segment.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from memcell_data.native.library import address, functions


def band_pass(low: float, high: float, rate: float) -> NDArray[np.float64]:
    """Return the second-order sections ``[n_sections, 6]`` of the band-pass.

    Args:
        low: Lower edge, Hz.
        high: Upper edge, Hz; where it is not below .45 of the rate, only the lower edge is filtered
            (the resampler has taken the rest away).
        rate: Samples a second, Hz.
    """
    return _designed(low, high, rate).copy()


@lru_cache(maxsize=64)  # a recording may have thousands of segments
def _designed(low: float, high: float, rate: float) -> NDArray[np.float64]:
    if high >= 0.45 * rate:
        sections = signal.butter(2, low, "highpass", fs=rate, output="sos")
    else:
        sections = signal.butter(2, [low, high], "bandpass", fs=rate, output="sos")
    return np.asarray(sections, dtype=np.float64)


def delay(sections: NDArray[np.float64], frequency: float, rate: float) -> float:
    """Return the group delay in seconds at a frequency in Hz: -d(phase)/d(angular frequency)."""
    frequencies = np.array([frequency - 0.05, frequency + 0.05])
    _, response = signal.sosfreqz(sections, worN=frequencies, fs=rate)
    phase = np.unwrap(np.angle(response))
    return float(-(phase[1] - phase[0]) / (2 * np.pi * 0.1))


class CausalFilter:
    """A causal filter for a segment in chunks; the result equals that of the whole segment bit for bit.

    The state starts as if the first sample had stood for ever, so that an electrode's offset (4000 uV
    in some devices) does not ring.
    """

    def __init__(self, sections: NDArray[np.float64]) -> None:
        self.sections = np.ascontiguousarray(sections, dtype=np.float64)
        self._state: NDArray[np.float64] | None = None

    def push(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``[C, n]`` filtered, for the next ``[C, n]`` samples of the segment."""
        if values.shape[1] == 0:
            return values
        if self._state is None:
            rest = signal.sosfilt_zi(self.sections)  # [n_sections, 2]
            self._state = rest[:, None, :] * values[None, :, :1]
        native = functions()
        if native is not None:
            ours = np.array(values, dtype=np.float64, order="C")
            native.sections(
                address(ours),
                *ours.shape,
                address(self.sections),
                len(self.sections),
                address(self._state),
            )
            return ours
        out, self._state = signal.sosfilt(self.sections, values, axis=1, zi=self._state)
        return np.asarray(out, dtype=np.float64)


def zero_phase(sections: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[C, n]`` filtered forwards and backwards: no delay, but it uses future samples."""
    padding = min(values.shape[1] - 1, 3 * (2 * len(sections) + 1))
    out = signal.sosfiltfilt(sections, values, axis=1, padlen=max(padding, 0))
    return np.asarray(out, dtype=np.float64)
