"""Relative powers: spectra that are known, the gain, and silence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from memcell_eeg.features import relative
from memcell_eeg.features.windows import SignalWindow, WindowedFeatures

RATE = 100.0


def made(x, window=5.0, step=5.0):
    """Return ``[n_steps, C, 7]`` of a segment ``[C, n]``."""
    channels = tuple(f"C{i}" for i in range(len(x)))
    extractor = relative.RelativePowers(
        SignalWindow(channels=channels, rate=RATE, window=window, high=35.0)
    )
    out = WindowedFeatures([extractor], len(x), RATE, step, window).push(x)
    return out.reshape(len(out), len(x), 7)


def eeg(seconds=60.0, channels=2, seed=0):
    """Return noise whose spectrum falls as that of an EEG, about 30 uV."""
    random = np.random.default_rng(seed)
    x = np.cumsum(random.normal(size=(channels, round(seconds * RATE))), axis=1)
    sections = signal.butter(2, [0.5, 35], "bandpass", fs=RATE, output="sos")
    return 8 * signal.sosfilt(sections, x)


@pytest.mark.parametrize("window", [1.0, 3.0, 5.0, 12.0])
@pytest.mark.parametrize("gain", [0.5, 2.0, 20.0])
def test_the_gain_changes_nothing(gain, window) -> None:
    x = eeg()
    assert np.allclose(made(gain * x, window), made(x, window), atol=2e-4)


def test_bands_are_less_their_mean() -> None:
    out = made(eeg(channels=3))
    assert np.abs(out[..., :6].mean(axis=2)).max() < 1e-9


@pytest.mark.parametrize(
    ("hertz", "band"), [(1.25, 0), (3, 1), (6, 2), (9.5, 3), (13.5, 4), (19, 5)]
)
@pytest.mark.parametrize("window", [2.0, 5.0])
def test_a_sine_is_in_its_band_and_mobility_is_its_frequency(hertz, band, window) -> None:
    t = np.arange(round(20 * RATE)) / RATE
    out = made(20 * np.sin(2 * np.pi * hertz * t)[None], window)[-1, 0]
    assert np.argmax(out[:6]) == band
    # Of differences of samples, which is what mobility is made of.
    expected = RATE / np.pi * np.sin(np.pi * hertz / RATE)
    assert np.exp(out[6]) == pytest.approx(expected, rel=0.05)


def test_white_noise_is_alike_in_all_bands() -> None:
    out = made(np.random.default_rng(0).normal(size=(1, 300_000)) * 10)[1:]
    assert np.abs(np.log(np.exp(out[..., :6]).mean(axis=(0, 1)))).max() < 0.2
    # The root mean square frequency of differences of white noise: sqrt(2) of its spread.
    assert np.exp(out[..., 6]).mean() == pytest.approx(RATE * np.sqrt(2) / (2 * np.pi), rel=0.02)


def test_powers_are_those_of_scipys_welch() -> None:
    x = eeg(seconds=6.0, channels=1)
    out = made(x, window=6.0, step=6.0)[0, 0, :6]
    # 6 s hold two segments of 4 s, half overlapping, without a rest.
    taper = np.hanning(402)[1:-1]
    f, p = signal.welch(x[0], RATE, taper, noverlap=200, detrend=False)
    logs = np.log([p[(f >= a) & (f < b)].mean() for a, b in relative.BANDS.values()])
    assert np.allclose(out, logs - logs.mean(), atol=1e-4)


def test_all_of_the_window_counts() -> None:
    """A burst anywhere in a window of 5 s shows, its last second too."""
    for at in (0.5, 2.5, 4.5):
        x = eeg(seconds=5.0, channels=1)
        still = made(x)[0, 0, 3]
        t = np.arange(x.shape[1]) / RATE
        burst = np.abs(t - at) < 0.4
        x[0, burst] += 100 * np.sin(2 * np.pi * 9.5 * t[burst])
        assert made(x)[0, 0, 3] > still + 1


def test_silence_is_finite_and_in_the_middle() -> None:
    out = made(np.zeros((2, 2000)))
    assert np.abs(out[..., :6]).max() < 1e-9
    assert np.exp(out[..., 6]) == pytest.approx(relative.FLOOR_HZ)
