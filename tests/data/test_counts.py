"""Counts that are made of blocks: they are those of the whole, counted the plain way."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from memcell_data.quality.counts import KEPT, Amplitudes, Clips

CUTS = st.sets(st.integers(1, 99), max_size=8)


def pushed(counter, row, cuts=(), extremes=True):
    for a, b in pairwise([0, *sorted(c for c in cuts if c < len(row)), len(row)]):
        part = row[a:b]
        counter.push(part, *((part.min(), part.max()) if extremes else ()))
    return counter


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=100), CUTS)
def test_clips_are_those_of_the_whole(values, cuts) -> None:
    row = np.array(values, dtype=float)
    at_an_end = (row[1:] == row.max()) | (row[1:] == row.min())
    expected = np.mean((row[1:] == row[:-1]) & at_an_end)
    assert pushed(Clips(), row, cuts).share() == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999), CUTS, st.floats(-40_000, 40_000), st.integers(0, 40))
def test_samples_far_from_the_median_of_their_second_are_counted(seed, cuts, offset, pops) -> None:
    random = np.random.default_rng(seed)
    row = random.normal(0, 20, 104)
    row[random.permutation(100)[:pops]] += random.choice([-1, 1]) * random.uniform(12e3, 90e3)
    row[50:] += offset  # an electrode's offset that moves
    counter = pushed(Amplitudes(10_000.0, 20), row, cuts)
    counter.finish()
    seconds = [row[a : a + 20] for a in range(0, 104, 20)]
    away = [np.abs(s - np.median(s)) for s in seconds]
    assert counter.outside == sum(int(np.sum(a > 10_000)) for a in away)
    assert counter.middle == np.median([np.median(s) for s in seconds])
    assert counter.spread == np.median([np.median(a) for a in away])
    assert (counter.low, counter.high) == (row.min(), row.max())


def test_a_drift_is_far_from_nothing() -> None:
    row = np.random.default_rng(0).normal(0, 20, 60_000) + np.linspace(0, 90_000, 60_000)
    counter = pushed(Amplitudes(10_000.0, 100), row)
    assert counter.outside == 0
    assert 88_000 < counter.drift < 90_000
    assert 13 < counter.spread < 60


def test_the_median_of_a_night_is_that_of_a_part_of_it() -> None:
    random = np.random.default_rng(0)
    n, counter = 0, Amplitudes(10_000.0, 20)
    while n < 20 * KEPT * 20:
        row = random.normal(300, 2, 5000) + 50 * np.sin(np.pi / 2 * np.arange(n, n + 5000) + 0.3)
        counter.push(row, row.min(), row.max())
        n += len(row)
    counter.finish()
    assert abs(counter.middle - 300) < 5
    assert 14 < counter.spread < 49
    assert sum(part.shape[1] for part in counter._kept) <= 3 * KEPT
