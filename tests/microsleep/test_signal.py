"""Outliers, resampling, filters: what they do, and that chunks change nothing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as scipy_signal

from memcell_eeg.signal import filters, resample
from memcell_eeg.signal.outliers import OutlierFilter

FIRST = 5  # the outlier filter asks for five samples in the first chunk


@st.composite
def chunks(draw: st.DrawFn, n: int = 400) -> list[slice]:
    cuts = sorted(draw(st.sets(st.integers(FIRST, n - 1), max_size=8)))
    edges = [0, *cuts, n]
    return [slice(a, b) for a, b in pairwise(edges)]


def values(seed: int, n: int = 400, channels: int = 3) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(channels, n)) * 20 + 4000
    made[1, 77] += 9000
    return made


def pushed(maker, x: np.ndarray, parts: list[slice]) -> np.ndarray:
    return np.concatenate([maker.push(x[:, p]) for p in parts], axis=1)


@settings(max_examples=60, deadline=None)
@given(
    chunks(), st.integers(0, 99), st.sampled_from([(128, 100), (200, 100), (100, 128), (160, 100)])
)
def test_resampled_in_chunks_is_bit_equal_to_the_whole(parts, seed, rates) -> None:
    x = values(seed)
    whole = resample.CausalResampler(*rates).push(x)
    assert np.array_equal(pushed(resample.CausalResampler(*rates), x, parts), whole)
    assert whole.shape[1] == int(np.ceil(x.shape[1] * rates[1] / rates[0]))


@settings(max_examples=40, deadline=None)
@given(chunks(), st.integers(0, 99))
def test_filtered_in_chunks_is_bit_equal_to_the_whole(parts, seed) -> None:
    x, sections = values(seed), filters.band_pass(0.5, 35, 100)
    whole = filters.CausalFilter(sections).push(x)
    assert np.array_equal(pushed(filters.CausalFilter(sections), x, parts), whole)


@settings(max_examples=40, deadline=None)
@given(chunks(), st.integers(0, 99))
def test_outliers_in_chunks_are_bit_equal_to_the_whole(parts, seed) -> None:
    x = values(seed)
    whole = OutlierFilter(500).push(x)
    assert np.array_equal(pushed(OutlierFilter(500), x, parts), whole)
    assert not np.array_equal(whole, x)


def test_an_outlier_is_replaced_and_nothing_else() -> None:
    x = values(0)
    cleaned = OutlierFilter(500).push(x)
    changed = np.argwhere(cleaned != x)
    assert changed.tolist() == [[1, 77]]
    assert abs(cleaned[1, 77] - 4000) < 100


def test_outlier_filter_passes_a_jump_after_two_samples() -> None:
    x = np.zeros((1, 40))
    x[:, 20:] = 3000
    assert np.flatnonzero(OutlierFilter(500).push(x)[0] != x[0]).tolist() == [20, 21]


def test_limit_0_believes_everything() -> None:
    x = values(3)
    assert OutlierFilter(0).push(x) is x


@pytest.mark.parametrize("rates", [(128, 100), (200, 100), (500, 100), (100, 160)])
def test_a_sine_comes_out_late_by_the_stated_delay(rates) -> None:
    source, target = rates
    t = np.arange(source * 8) / source
    out = resample.CausalResampler(source, target).push(np.sin(2 * np.pi * 6 * t)[None])[0]
    late = np.arange(len(out)) / target - resample.delay(source, target)
    settled = slice(2 * target, None)
    assert np.allclose(out[settled], np.sin(2 * np.pi * 6 * late)[settled], atol=5e-3)


def test_zero_phase_resampling_has_no_delay() -> None:
    t = np.arange(128 * 8) / 128
    out = resample.zero_phase(np.sin(2 * np.pi * 6 * t)[None], 128, 100)[0]
    expected = np.sin(2 * np.pi * 6 * np.arange(len(out)) / 100)
    assert np.allclose(out[100:-100], expected[100:-100], atol=5e-3)


def test_resampling_takes_away_what_would_alias() -> None:
    t = np.arange(200 * 8) / 200
    out = resample.CausalResampler(200, 100).push(np.sin(2 * np.pi * 70 * t)[None])[0]
    assert np.abs(out[100:]).max() < 0.02


def test_an_offset_does_not_ring() -> None:
    sections = filters.band_pass(0.5, 35, 100)
    resampled = resample.CausalResampler(128, 100).push(np.full((1, 1280), 4000.0))
    assert np.abs(filters.CausalFilter(sections).push(resampled)).max() < 0.1


def test_the_band_pass_passes_its_band() -> None:
    sections = filters.band_pass(0.5, 35, 100)
    _, gain = scipy_signal.sosfreqz(sections, worN=[0.05, 6, 49], fs=100)
    assert np.abs(gain[0]) < 0.02
    assert np.abs(gain[1]) == pytest.approx(1, abs=0.01)
    assert np.abs(gain[2]) < 0.02


def test_a_high_edge_beyond_the_rate_is_left_to_the_resampler() -> None:
    _, gain = scipy_signal.sosfreqz(filters.band_pass(0.5, 35, 64), worN=[28], fs=64)
    assert np.abs(gain[0]) == pytest.approx(1, abs=0.01)
