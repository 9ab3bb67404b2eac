"""Made-up nights: wake and sleep as spectra that nobody would mistake for each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Interval
from memcell_eeg.features.sleep_powers import BANDS

#: uV^2/Hz in delta, theta, alpha and beta.
WAKE, SLEEP = (5.0, 3.0, 6.0, 1.0), (120.0, 9.0, 2.0, 0.1)


def noise(powers, rate, seconds, seed):
    """Return ``[n]`` uV of Gaussian noise of these densities in the bands, and a little above them."""
    n = round(rate * seconds)
    f = np.fft.rfftfreq(n, 1 / rate)
    density = np.full(len(f), 0.01)
    for (low, high), power in zip(BANDS.values(), powers, strict=True):
        density[(f >= low) & (f < high)] = power
    random = np.random.default_rng(seed)
    lines = random.normal(size=len(f)) + 1j * random.normal(size=len(f))
    return np.fft.irfft(lines * np.sqrt(density * rate * n / 4), n)


@pytest.fixture(scope="session")
def night_of():
    """Write an EDF+ of 4 minutes of wake and 4 of sleep, with a hypnogram of 30 s in its annotations."""

    def write(
        path: Path, channel="EEG C3-A1", rate=100, seed=0, gain=1.0, labelled=True, flat=False
    ) -> Path:
        values = np.concatenate([noise(WAKE, rate, 240, seed), noise(SLEEP, rate, 240, seed + 1)])
        if flat:
            values[:] = 7.0
        stages = [
            Interval(onset=30.0 * k, duration=30.0, label=f"Sleep stage {'W' if k < 8 else '2'}")
            for k in range(16)
        ]
        track = Track(name=channel, values=gain * values, rate=rate, physical=(-900.0, 900.0))
        write_edf(path, [track], annotations=stages if labelled else [])
        return path

    return write
