"""Flat and saturated samples: found where they are, however the samples are cut, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from memcell_data.quality.still import IS_FLAT, IS_SATURATED, StillSamples, runs

RATE = 100


def marks(row, cuts=(), rate=RATE, **options):
    still = StillSamples(rate, **options)
    return np.concatenate([*(still.push(part) for part in np.split(row, cuts)), still.end()])


def eeg(seconds=30, step=0.0, seed=0):
    """Pink noise of 15 uV, stored in steps of so many uV."""
    n = round(seconds * RATE)
    random = np.random.default_rng(seed)
    spectrum = random.normal(size=n // 2 + 1) + 1j * random.normal(size=n // 2 + 1)
    spectrum /= np.maximum(1, np.arange(n // 2 + 1)) ** 0.5
    row = np.fft.irfft(spectrum, n)
    row *= 15 / row.std()
    return np.round(row / step) * step if step else row


DEAD = {
    "zeros": lambda n, x: np.zeros(n),
    "stuck": lambda n, x: np.full(n, x),
    "dithers": lambda n, x: x + 0.1 * np.random.default_rng(1).integers(-1, 2, n),
    "dithers in two steps": lambda n, x: x + 0.1 * np.random.default_rng(1).integers(0, 2, n),
    "ramp": lambda n, x: np.linspace(x, x + 40, n),
    "ramp in steps": lambda n, x: np.round(np.linspace(x, x + 40, n) / 0.1) * 0.1,
    "32 bit floats": lambda n, x: np.linspace(x, x + 40, n).astype(np.float32).astype(float),
}


@pytest.mark.parametrize("kind", DEAD)
@pytest.mark.parametrize("cuts", [(), (1500,), tuple(range(7, 3000, 7))])
def test_a_dead_electrode_is_found_where_it_is(kind, cuts) -> None:
    row = eeg()
    row[1000:1600] = DEAD[kind](600, 12.3)
    ((first, stop),) = runs(marks(row, cuts) == IS_FLAT)
    assert abs(first - 1000) <= 1
    assert abs(stop - 1600) <= 1


@pytest.mark.parametrize("where", [slice(0, 500), slice(2500, 3000)])
def test_padding_at_start_and_end(where) -> None:
    row = eeg()
    row[where] = 0.0
    assert runs(marks(row) == IS_FLAT) == [(where.start, where.stop)]


@pytest.mark.parametrize("step", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_an_eeg_is_never_flat_in_whatever_steps_it_is_stored(step, seed) -> None:
    assert not marks(eeg(120, step, seed)).any()


def test_an_alpha_of_one_bit_is_no_dead_electrode() -> None:
    t = np.arange(3000) / RATE
    assert not marks(np.where(np.sin(2 * np.pi * 10.3 * t) > 0, 20.0, -20.0)).any()


def test_a_rest_of_less_than_a_second_is_signal() -> None:
    row = eeg()
    row[1000:1099] = 3.0
    assert not marks(row).any()
    row[1000:1100] = 3.0
    assert runs(marks(row) == IS_FLAT) == [(1000, 1100)]


def test_between_two_beats_of_a_heart_a_channel_may_dither() -> None:
    row = eeg()
    row[1000:1600] = DEAD["dithers"](600, 0.0)
    assert not marks(row, dither=False).any()
    row[1000:1600] = 0.0
    assert runs(marks(row, dither=False) == IS_FLAT) == [(1000, 1600)]


@pytest.mark.parametrize("cuts", [(), tuple(range(3, 3000, 11))])
def test_an_amplifier_at_its_limit(cuts) -> None:
    row = eeg()
    row[1000:1030], row[2000:2300] = 400.0, -400.0
    found = np.clip(row, -200, 200)
    assert runs(marks(found, cuts) == IS_SATURATED) == [(1000, 1030), (2000, 2300)]


def test_a_rest_within_the_range_is_not_the_limit() -> None:
    row = eeg()
    row[500], row[600] = 200.0, -200.0
    row[1000:1030] = 60.0
    assert not marks(row).any()


def test_peaks_of_one_bit_rest_at_the_limit_by_chance() -> None:
    t = np.arange(3000) / RATE
    assert not marks(np.where(np.sin(2 * np.pi * 1.3 * t) > 0, 200.0, -200.0)).any()


def test_missing_samples_are_neither() -> None:
    row = eeg()
    row[1000:1600] = np.nan
    assert not marks(row).any()


def test_samples_are_held_back_for_a_second_at_most() -> None:
    still, row = StillSamples(RATE), eeg()
    given = 0
    for at in range(0, len(row), 30):
        given += len(still.push(row[at : at + 30]))
        assert given >= at + 30 - RATE + 1
