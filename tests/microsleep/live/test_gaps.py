"""Gaps, jitter, drift and missing samples, from stamps alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcell_eeg.live.gaps import GapFinder

RATE, GAP = 100.0, 0.2


def stamps_of(n, start=5.0):
    return start + np.arange(n) / RATE


def cut(finder, stamps, sizes=None, values=None):
    """Return the segments: (onset, samples, missing)."""
    values = np.arange(len(stamps), dtype=float)[None] if values is None else values
    found, at = [], 0
    for size in sizes or [len(stamps)]:
        for part in finder.push(values[:, at : at + size], stamps[at : at + size]):
            if part.begins:
                found.append([part.onset, [], part.missing])
            found[-1][1].extend(part.values[0].tolist())
        at += size
    assert at == len(stamps)
    return found


def test_without_gaps_there_is_one_segment_at_exact_times():
    finder = GapFinder(RATE, GAP)
    ((onset, samples, missing),) = cut(finder, stamps_of(500))
    assert (onset, len(samples), missing) == (5.0, 500, 0.0)
    assert finder.offset == 0.0


@given(st.data())
def test_jitter_within_the_rule_is_no_gap(data):
    random = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    bursts = np.repeat(random.uniform(-0.09, 0.09, 50), 10)
    finder = GapFinder(RATE, GAP)
    assert len(cut(finder, stamps_of(500) + bursts, [10] * 50)) == 1
    assert finder.jitter < GAP


@given(st.lists(st.integers(1, 60), min_size=1, max_size=20), st.integers(0, 3))
def test_gaps_are_found_wherever_pieces_end(sizes, n_gaps):
    n = sum(sizes)
    places = sorted(np.random.default_rng(n).integers(1, max(2, n), n_gaps).tolist())
    stamps = stamps_of(n)
    for place in places:
        stamps[place:] += 1.5
    found = cut(GapFinder(RATE, GAP), stamps, sizes)
    real = sorted({p for p in places if p < n})
    assert [len(s) for _, s, _ in found] == np.diff([0, *real, n]).tolist()
    assert [sample for _, samples, _ in found for sample in samples] == list(range(n))
    for (onset, _, missing), first in zip(found[1:], real, strict=True):
        assert onset == pytest.approx(stamps[first])
        assert missing == pytest.approx(1.5 * places.count(first))


def test_a_clock_that_is_set_back_is_a_gap():
    stamps = stamps_of(100)
    stamps[60:] -= 30
    found = cut(GapFinder(RATE, GAP), stamps)
    assert [len(s) for _, s, _ in found] == [60, 40]
    assert found[1][2] == 0, "no gap has a negative length"


def test_two_clocks_that_drift_apart_are_followed():
    stamps = 5 + np.arange(600 * 100) / RATE * (1 + 2e-3)  # 1.2 s in ten minutes
    finder = GapFinder(RATE, GAP)
    assert len(cut(finder, stamps, [10] * 6000)) == 1
    assert finder.offset == pytest.approx(1.2, abs=0.05)


def test_samples_that_are_no_numbers_are_cut_out_and_begin_a_segment():
    values = np.vstack([np.arange(50.0), np.arange(50.0)])
    values[1, 20:23] = np.nan
    values[0, 0] = np.inf
    found = cut(GapFinder(RATE, GAP), stamps_of(50), [7] * 7 + [1], values)
    assert [s for _, s, _ in found] == [list(range(1, 20)), list(range(23, 50))]
    assert found[1][0] == pytest.approx(5.23)
    assert found[1][2] == pytest.approx(0.03)


def test_who_knows_of_a_gap_can_say_so():
    finder = GapFinder(RATE, GAP)
    cut(finder, stamps_of(10))
    finder.cut()
    ((onset, samples, missing),) = cut(finder, stamps_of(10, 5.15))
    assert (onset, len(samples)) == (5.15, 10)
    assert missing == pytest.approx(0.05)


def test_a_segment_begins_where_its_stamp_says_whatever_drifted_before():
    stamps = 5 + np.arange(6000) / RATE * 1.002
    stamps[5000:] += 3
    finder = GapFinder(RATE, GAP)
    found = cut(finder, stamps, [10] * 600)
    assert [onset for onset, _, _ in found] == [5.0, stamps[5000]]
    assert found[1][2] == pytest.approx(3, abs=0.05)
