"""The relative powers of a signal: those of a known spectrum, whatever its gain, rate and channels."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.datasets.sleep_night import RELATIVE
from memcell_eeg.config import EegConfig
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.sleep_powers import BANDS, WakeSleepPowers
from memcell_eeg.features.spectra import BandDensities, relative
from memcell_eeg.features.windows import SignalWindow
from memcell_eeg.signal.channels import ChannelChoice

#: uV^2/Hz in each band, far apart.
POWERS = np.array([60.0, 7.0, 3.0, 0.4])


def signal_of(powers, rate, seconds, seed=0):
    """Return ``[n]`` uV of Gaussian noise whose spectral density is ``powers`` in the bands, 0 elsewhere."""
    n = round(rate * seconds)
    frequencies = np.fft.rfftfreq(n, 1 / rate)
    density = np.zeros(len(frequencies))
    for (low, high), power in zip(BANDS.values(), powers, strict=True):
        density[(frequencies >= low) & (frequencies < high)] = power
    random = np.random.default_rng(seed)
    lines = random.normal(size=len(frequencies)) + 1j * random.normal(size=len(frequencies))
    # E|X_k|^2 = S(f) rate n / 2 for a one-sided density S
    return np.fft.irfft(lines * np.sqrt(density * rate * n / 4), n)


def window(rate=100.0, seconds=30.0, channels=("Pz",)):
    return SignalWindow(channels=channels, rate=rate, window=seconds, high=45.0)


@pytest.mark.parametrize("rate", [100.0, 128.0])
def test_powers_are_densities_in_microvolts_squared_per_hertz(rate):
    x = signal_of(POWERS, rate, 600).astype(np.float32)
    found = BandDensities(rate, len(x), BANDS)(x[None, None])[0, 0]
    # a line at an edge is spread over 1/2 Hz: theta gains from its louder neighbour
    assert found[[0, 2, 3]] == pytest.approx(POWERS[[0, 2, 3]], rel=0.1)
    assert found[1] == pytest.approx(POWERS[1], rel=0.35)


def test_features_are_the_relative_logarithms_of_a_known_spectrum():
    """What the data set's loader makes of these powers, the extractor makes of the signal."""
    extractor = WakeSleepPowers(window())
    assert extractor.names == RELATIVE
    logs = np.log(POWERS)
    x = np.stack([signal_of(POWERS, 100.0, 30, seed=k) for k in range(40)])[:, None]
    found = extractor(x.astype(np.float32)).mean(axis=0)
    assert found == pytest.approx(logs - logs.mean(), abs=0.2)
    assert relative(POWERS) == pytest.approx(logs - logs.mean(), abs=1e-4)


@pytest.mark.parametrize("gain", [0.5, 0.7, 1.5, 2.0, 10.0])
def test_gain_changes_nothing(gain):
    extractor = WakeSleepPowers(window(seconds=10.0))
    x = signal_of(POWERS, 100.0, 10)[None, None].astype(np.float32)
    assert extractor(x * np.float32(gain)) == pytest.approx(extractor(x), abs=1e-4)


def test_rate_changes_little():
    slow, fast = (
        np.mean(
            [
                WakeSleepPowers(window(rate, 10.0))(
                    signal_of(POWERS, rate, 10, seed=k)[None, None].astype(np.float32)
                )[0]
                for k in range(60)
            ],
            axis=0,
        )
        for rate in (50.0, 100.0)
    )
    assert slow == pytest.approx(fast, abs=0.15)


def test_features_are_the_mean_over_the_channels():
    channels = [
        np.stack([signal_of(POWERS * k, 100.0, 10, seed=s)]).astype(np.float32)
        for s, k in enumerate(([1, 1, 1, 1], [1, 3, 1, 1]))
    ]
    one = WakeSleepPowers(window(seconds=10.0))
    both = WakeSleepPowers(window(seconds=10.0, channels=("Pz", "Oz")))
    together = both(np.stack(channels, axis=1)[0][None])
    apart = (one(channels[0][None]) + one(channels[1][None])) / 2
    assert together == pytest.approx(apart)
    assert together.shape == (1, 4)


def pipeline():
    config = EegConfig(
        features=("sleep_powers",), step=5.0, window=10.0, normalization="none", split_gap=10.0
    )
    return Pipeline.of(config, ChannelChoice(names=("Pz",), eeg=("Pz",), reason=""), 100.0)


def test_a_slower_recording_is_worked_on_at_its_own_rate_and_that_is_said():
    said = []
    assert pipeline().at(200.0, "night", said.append) == pipeline()
    assert said == []
    assert pipeline().at(50.0, "night", said.append).rate == 50.0
    assert "50 Hz" in said[0]


def test_a_recording_that_is_too_slow_is_refused():
    with pytest.raises(
        DataError,
        match=r"night has 40 Hz and the run works at 100 Hz; its features need 50 Hz or more",
    ):
        pipeline().at(40.0, "night")
