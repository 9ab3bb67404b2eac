"""Windows, band powers, correlations and their normalization."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memcell_eeg.features import bandpower, correlation
from memcell_eeg.features.normalize import CausalNormalizer, by_recording
from memcell_eeg.features.windows import MOST_ROWS, SignalWindow, WindowedFeatures, edges

RATE = 100.0


def made(extractor, x, window=2.0, step=0.2):
    """Return the features of a segment ``[C, n]``."""
    return WindowedFeatures([extractor], len(x), RATE, step, window).push(x)


def window_of(x):
    channels = tuple(str(i) for i in range(len(x)))
    return SignalWindow(channels=channels, rate=RATE, window=2.0, high=35.0)


def band_powers(x):
    return made(bandpower.BandPowers(window_of(x)), x)


def correlations(x):
    return made(correlation.Correlations(window_of(x)), x)


class Ends:
    """An extractor whose features are a window's first and last sample and its length."""

    names = ("first", "last", "samples")
    normalized = True
    delay = 0.0

    def __call__(self, samples):
        n = np.full(len(samples), samples.shape[2])
        return np.stack([samples[:, 0, 0], samples[:, 0, -1], n], axis=1).astype(np.float64)


def test_steps_end_where_they_should_and_a_tail_is_left_out() -> None:
    assert edges(65, RATE, 0.2).tolist() == [20, 40, 60]
    assert edges(19, RATE, 0.2).tolist() == []
    # A rate whose steps are no whole number of samples drifts by less than a sample.
    ends = edges(1280, 128, 0.2)
    assert len(ends) == 50
    assert np.abs(ends - np.arange(1, 51) * 25.6).max() <= 0.5


def test_a_window_is_the_past_and_only_the_past() -> None:
    x = np.arange(20.0 * (MOST_ROWS + 40))[None]
    ends = edges(x.shape[1], RATE, 0.2)
    seen = made(Ends(), x)
    assert len(seen) == len(ends) > MOST_ROWS
    assert seen[:, 1].tolist() == (ends - 1).tolist()
    assert seen[:, 0].tolist() == np.maximum(0, ends - 200).tolist()
    assert seen[:, 2].tolist() == np.minimum(ends, 200).tolist()


@pytest.mark.parametrize(
    ("frequency", "band"), [(2, "delta"), (6, "theta"), (10, "alpha"), (20, "beta")]
)
def test_a_sine_is_found_in_its_band(frequency: float, band: str) -> None:
    t = np.arange(1000) / RATE
    x = 10 * np.sin(2 * np.pi * frequency * t)[None]
    out = band_powers(x)
    named = dict(zip(bandpower.names(["O1"]), out[-1], strict=True))
    bands = {b: named[f"O1 {b}"] for b in bandpower.BANDS}
    assert max(bands, key=bands.__getitem__) == band
    # A sine of amplitude A has power A^2 / 2, all of it in this band.
    low, high = bandpower.BANDS[band]
    assert np.exp(bands[band]) * (high - low) == pytest.approx(50, rel=0.15)


def test_white_noise_has_the_same_density_in_every_band() -> None:
    x = np.random.default_rng(0).normal(size=(1, 60_000)) * 5
    out = band_powers(x)
    density = np.exp(out[10:, : len(bandpower.BANDS)]).mean(axis=0)
    assert np.allclose(density, 25 / (RATE / 2), rtol=0.1)


def test_the_ratios_are_what_their_names_say() -> None:
    x = np.random.default_rng(1).normal(size=(2, 2000))
    out = band_powers(x)
    named = dict(zip(bandpower.names(["O1", "O2"]), out.T, strict=True))
    for c in ("O1", "O2"):
        assert np.allclose(named[f"{c} theta/alpha"], named[f"{c} theta"] - named[f"{c} alpha"])
        p = {b: np.exp(named[f"{c} {b}"]) for b in bandpower.BANDS}
        slow = np.log((p["delta"] + p["theta"]) / (p["alpha"] + p["beta"]))
        assert np.allclose(named[f"{c} slow/fast"], slow)


def test_silence_is_finite() -> None:
    x = np.zeros((2, 400))
    assert np.isfinite(band_powers(x)).all()
    assert (correlations(x) == 0).all()


def test_correlations_are_numpys() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=(4, 900)) + random.normal(size=900)
    ends = edges(900, RATE, 0.2)
    out = correlations(x)
    assert correlation.names("abcd") == ("a~b", "a~c", "a~d", "b~c", "b~d", "c~d")
    for k in (0, 5, 9, 10, len(ends) - 1):
        expected = np.corrcoef(x[:, max(0, ends[k] - 200) : ends[k]])[np.triu_indices(4, 1)]
        assert np.allclose(np.tanh(out[k]), expected, atol=1e-6)


def test_equal_channels_have_a_finite_correlation() -> None:
    x = np.repeat(np.random.default_rng(3).normal(size=(1, 400)), 2, axis=0)
    out = correlations(x)
    assert np.allclose(out, np.arctanh(correlation.LARGEST))


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(1, 299), max_size=6), st.integers(0, 99))
def test_normalized_in_chunks_is_bit_equal_to_the_whole(cuts: set[int], seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(300, 4)) * 3 + 7
    whole = CausalNormalizer(100).push(x)
    maker = CausalNormalizer(100)
    bounds = [0, *sorted(cuts), 300]
    parts = [maker.push(x[a:b]) for a, b in pairwise(bounds)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_the_future_does_not_change_a_normalized_step() -> None:
    x = np.random.default_rng(0).normal(size=(300, 2))
    y = x.copy()
    y[200:] += 50
    one, other = CausalNormalizer(100).push(x), CausalNormalizer(100).push(y)
    assert np.array_equal(one[:200], other[:200])
    assert not np.array_equal(by_recording(x)[:200], by_recording(y)[:200])


def test_a_normalized_feature_is_centred_and_of_unit_spread() -> None:
    x = np.random.default_rng(0).normal(size=(6000, 3)) * [0.1, 1, 30] + [5, -2, 100]
    settled = CausalNormalizer(1500).push(x)[3000:]
    assert np.abs(settled.mean(axis=0)).max() < 0.15
    assert np.allclose(settled.std(axis=0), 1, atol=0.12)


def test_outliers_are_clipped_and_move_the_mean_little() -> None:
    x = np.random.default_rng(0).normal(size=(2000, 1))
    y = x.copy()
    y[1000] = 1e6
    out = CausalNormalizer(1500).push(y)
    assert out[1000, 0] == 5.0
    assert np.abs(out[1001:] - CausalNormalizer(1500).push(x)[1001:]).max() < 0.05


def test_the_documented_equation_by_hand() -> None:
    out = CausalNormalizer(100).push(np.array([[2.0], [3.0], [1.0]]))[:, 0]
    mean, spread = 2.0, 1.0
    spread += (0 - spread) / 25
    assert out[0] == 0
    assert out[1] == pytest.approx((3 - mean) / spread)
    pull = 1.0
    mean += pull / 2
    spread += (np.sqrt(np.pi / 2) * pull - spread) / 26
    assert out[2] == pytest.approx((1 - mean) / spread)


def test_a_constant_feature_stays_0() -> None:
    assert (CausalNormalizer(10).push(np.full((500, 1), 3.0)) == 0).all()
