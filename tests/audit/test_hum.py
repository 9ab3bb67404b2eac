"""Hum of known size: what of it reaches the bands, and whether it is named."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from memcell_data.quality.hum import Hum
from memcell_eeg.signal.clean import CleanSignal, clean
from memcell_eeg.signal.outliers import OutlierFilter

RATES = (100, 102.4, 125, 128, 150, 180, 200, 250, 256, 300, 400, 500, 512, 1000, 2048)


def in_band(y, low=0.5, high=8.0, rate=100.0):
    """Return the rms of ``[n]`` between two frequencies, by its spectrum."""
    lines = np.fft.rfft(y * np.hanning(len(y)))
    f = np.fft.rfftfreq(len(y), 1 / rate)
    inside = (f >= low) & (f < high)
    return np.sqrt(
        2 * (np.abs(lines[inside]) ** 2).sum() / (np.hanning(len(y)) ** 2).sum() / len(y)
    )


@pytest.mark.parametrize("hum", [50.0, 60.0, 49.9, 150.0])
@pytest.mark.parametrize("size", [500.0, 5_000.0])
def test_hum_of_any_size_reaches_no_band_whatever_the_rate(pipeline_of, hum, size) -> None:
    pipeline = pipeline_of()
    for rate in RATES:
        t = np.arange(int(8 * rate)) / rate
        alias = abs(hum - rate * round(hum / rate))
        if alias < 35:  # no filter can take away what the amplifier has folded into the band
            continue
        x = size * np.sin(2 * np.pi * hum * t + 0.3)[None]
        assert in_band(CleanSignal(pipeline, rate).push(x)[0][200:-200]) < 1e-3 * size, rate
        assert in_band(clean(pipeline_of(phase="zero"), x, rate)[0][200:-200]) < 1e-3 * size, rate


@pytest.mark.parametrize("hum", [16.7, 50.0, 49.9, 60.0, 100.0, 150.0])
def test_no_sample_of_a_sine_is_an_outlier(hum) -> None:
    for rate in RATES:
        t = np.arange(int(1.5 * rate)) / rate
        for phase in (0.0, 0.5, 1.9):
            x = np.outer([400.0, 3_000.0], np.sin(2 * np.pi * hum * t + phase))
            assert np.array_equal(OutlierFilter(500, rate).push(x), x), rate


@pytest.mark.parametrize("rate", [100.0, 256.0, 1000.0])
def test_gross_samples_are_still_replaced_with_hum_and_without(rate) -> None:
    random = np.random.default_rng(0)
    t = np.arange(int(20 * rate)) / rate
    plain = 20 * random.normal(size=len(t)) + 800
    at = np.arange(150, len(t) - 5, 97)
    for size in (0.0, 100.0, 600.0):
        x = plain + size * np.sin(2 * np.pi * 50.1 * t)
        spiked = x.copy()
        spiked[at] += random.choice([-1, 1], len(at)) * 12_000
        cleaned = OutlierFilter(500, rate).push(spiked[None])[0]
        assert np.abs(cleaned - x).max() < 2.5 * size + 150
        rest = np.setdiff1d(np.arange(len(t)), at)
        assert np.array_equal(cleaned[rest], spiked[rest])


def test_pieces_change_no_bit_of_it() -> None:
    random = np.random.default_rng(3)
    t = np.arange(4000) / 256
    x = 700 * np.sin(2 * np.pi * 50 * t) + random.normal(size=(2, 4000)) * 30
    x[:, random.integers(0, 4000, 60)] += 9_000
    whole = OutlierFilter(500, 256.0).push(x)
    for _ in range(20):
        cuts = np.unique(random.integers(1, 4000, random.integers(1, 200)))
        flow = OutlierFilter(500, 256.0)
        parts = [flow.push(x[:, a:b]) for a, b in pairwise([0, *cuts.tolist(), 4000])]
        assert np.array_equal(np.concatenate(parts, axis=1), whole)


@pytest.mark.parametrize("rate", [128.0, 200.0, 500.0])
@pytest.mark.parametrize(("hum", "size"), [(50.0, 500.0), (60.0, 80.0), (50.2, 5_000.0)])
def test_a_strong_hum_is_named_with_its_frequency_and_size(rate, hum, size, eeg_of) -> None:
    random = np.random.default_rng(1)
    n = int(60 * rate)
    t = np.arange(n) / rate
    quiet = np.stack([eeg_of(random, n, 0.5, 1.5, rate), eeg_of(random, n, 0.5, 1.5, rate)])
    loud = quiet + np.array([[size], [0.0]]) * np.sin(2 * np.pi * hum * t + 1.0)
    found = Hum(range(2), rate)
    for first in range(0, n, 777):
        found.push(loud[:, first : first + 777])
    line, none = found.lines()
    assert none is None
    assert line.frequency == pytest.approx(hum, abs=0.1)
    assert line.amplitude == pytest.approx(size, rel=0.05)
    assert line.what == f"mains hum of {line.frequency:.3g} Hz"


def test_muscles_are_no_hum() -> None:
    random = np.random.default_rng(1)
    found = Hum(range(1), 256.0)
    found.push(200 * random.normal(size=(1, 256 * 60)))
    assert found.lines() == [None]
