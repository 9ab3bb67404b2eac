"""Counts that are made of blocks: they are those of the whole, counted the plain way."""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from memcell_data.counts import KEPT, Amplitudes, Clips, Runs

CUTS = st.sets(st.integers(1, 99), max_size=8)


def pushed(counter, row, cuts=(), extremes=True):
    for a, b in pairwise([0, *sorted(c for c in cuts if c < len(row)), len(row)]):
        part = row[a:b]
        counter.push(part, *((part.min(), part.max()) if extremes else ()))
    return counter


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 14)), min_size=1, max_size=20),
    st.integers(2, 9),
    CUTS,
)
def test_runs_are_those_of_the_whole(runs, length, cuts) -> None:
    row = np.repeat(*np.array(runs, dtype=float).T.astype(int)).astype(float)
    lasting = [n for _, g in groupby(row) if (n := len(list(g))) >= length]
    counter = pushed(Runs(length), row, cuts, extremes=False)
    assert counter.share() == sum(lasting) / len(row)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=100), CUTS)
def test_clips_are_those_of_the_whole(values, cuts) -> None:
    row = np.array(values, dtype=float)
    at_an_end = (row[1:] == row.max()) | (row[1:] == row.min())
    expected = np.mean((row[1:] == row[:-1]) & at_an_end)
    assert pushed(Clips(), row, cuts).share() == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999), CUTS, st.floats(-4000, 4000), st.integers(0, 40))
def test_samples_far_from_the_median_are_counted(seed, cuts, offset, pops) -> None:
    random = np.random.default_rng(seed)
    row = random.normal(0, 20, 100)
    row[random.permutation(100)[:pops]] += random.choice([-1, 1]) * random.uniform(12e3, 90e3)
    row[50:] += offset  # an electrode's offset that moves
    counter = pushed(Amplitudes(10_000.0), row, cuts)
    middle, spread = counter.middle_and_spread()
    assert middle == np.median(row)
    assert spread == np.median(np.abs(row - middle))
    assert counter.outside(middle) == np.sum(np.abs(row - middle) > 10_000)
    assert (counter.low, counter.high) == (row.min(), row.max())


def test_a_first_block_far_from_the_rest_is_what_is_counted() -> None:
    """Before the electrodes are on, a channel may sit anywhere."""
    row = np.concatenate([np.full(200, 80_000.0), np.random.default_rng(0).normal(0, 20, 9800)])
    counter = pushed(Amplitudes(10_000.0), row, [100, 200, 300])
    assert counter.outside(counter.middle_and_spread()[0]) == 200


def test_the_median_of_a_night_is_that_of_a_part_of_it() -> None:
    random = np.random.default_rng(0)
    n, counter = 0, Amplitudes(10_000.0)
    while n < 20 * KEPT:
        # 50 Hz at 200 Hz: every second, fourth ... sample would see one phase alone.
        row = random.normal(300, 2, 5000) + 50 * np.sin(np.pi / 2 * np.arange(n, n + 5000) + 0.3)
        counter.push(row, row.min(), row.max())
        n += len(row)
    middle, spread = counter.middle_and_spread()
    assert abs(middle - 300) < 5
    assert 14 < spread < 49
    assert sum(len(part) for part in counter._kept) <= 3 * KEPT
