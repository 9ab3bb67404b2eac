"""Events: how they are made, matched and counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from memcell.sequences.time_series import TimeSeries
from memcell_eeg.scores.events import Event, EventRules, event_scores, match, runs, split_long

STEP = 0.2
OFF = EventRules(min_duration=0, max_duration=0, merge=0, tolerance=0)


def sequence(targets, breaks=(), times=None):
    n = len(targets)
    return TimeSeries(
        name="a",
        subject="a",
        features=np.zeros((n, 1), dtype=np.float32),
        targets=np.asarray(targets, dtype=np.int64),
        breaks=breaks,
        step_seconds=STEP,
        step_times=times,
    )


def state(n, *spans):
    out = np.zeros(n, dtype=bool)
    for a, b in spans:
        out[a:b] = True
    return out


def steps(events):
    return [(e.first, e.stop) for e in events]


def test_runs_merge_and_drop() -> None:
    s, x = sequence([0] * 40), state(40, (0, 3), (5, 12), (30, 31), (39, 40))
    assert steps(runs(x, s)) == [(0, 3), (5, 12), (30, 31), (39, 40)]
    assert steps(runs(x, s, merge=0.4)) == [(0, 12), (30, 31), (39, 40)]
    assert steps(runs(x, s, min_duration=1.0)) == [(5, 12)]


def test_an_event_never_spans_a_gap() -> None:
    times = np.r_[STEP * np.arange(10), 100 + STEP * np.arange(10)]
    s = sequence([1] * 20, breaks=(10,), times=times)
    found = runs(s.targets == 1, s, merge=1000)
    assert steps(found) == [(0, 10), (10, 20)]
    assert found[1].onset == 100


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.sets(st.integers(1, 59), max_size=4))
def test_runs_cover_what_is_positive(positive, breaks) -> None:
    x = np.array(positive)
    s = sequence([0] * len(x), breaks=tuple(sorted(b for b in breaks if b < len(x))))
    covered = state(len(x), *steps(runs(x, s)))
    assert np.array_equal(covered, x)


def test_long_events_are_counted_in_pieces() -> None:
    whole = runs(state(200, (10, 170)), sequence([0] * 200))
    cut = split_long(whole, 15.0, STEP)
    assert steps(cut) == [(10, 85), (85, 160), (160, 170)]
    assert [e.continues for e in cut] == [False, True, True]
    assert cut[1].onset == pytest.approx(17.0)
    assert split_long(whole, 0, STEP) == whole


def test_one_endless_detection_is_not_many_hits() -> None:
    """50 true events under one detection: with pieces of 15 s it hits as often as it has pieces."""
    targets = ([1] * 10 + [0] * 10) * 50
    s = sequence(targets)
    everything = [np.ones(1000, dtype=bool)]
    assert event_scores([s], everything, OFF)["event_sensitivity"] == pytest.approx(1 / 50)
    scored = event_scores([s], everything, EventRules())
    assert scored["event_sensitivity"] == pytest.approx(14 / 50)


def events(pairs):
    return [Event(first=a, stop=a + d, onset=a * STEP, duration=d * STEP) for a, d in pairs]


@st.composite
def disjoint(draw):
    out, at = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=9)):
        out.append((at + gap, length))
        at += gap + length
    return out


@settings(max_examples=200)
@given(disjoint(), disjoint(), st.sampled_from([0.0, 0.5, 2.0]))
def test_the_matching_is_one_to_one_and_no_other_is_larger(true, found, tolerance) -> None:
    t, d = events(true), events(found)
    pairs = match(t, d, tolerance)
    assert len({id(a) for a, _ in pairs}) == len({id(b) for _, b in pairs}) == len(pairs)
    near = np.array(
        [
            [b.end >= a.onset - tolerance - 1e-9 and b.onset <= a.end + tolerance + 1e-9 for b in d]
            for a in t
        ],
        dtype=int,
    ).reshape(len(t), len(d))
    assert all(near[t.index(a), d.index(b)] for a, b in pairs)
    if t and d:
        best = int(np.sum(maximum_bipartite_matching(csr_matrix(near)) >= 0))
        assert len(pairs) == best


def test_the_counts_by_hand() -> None:
    n = 18_000  # one hour
    truth = np.zeros(n, dtype=np.int64)
    for a, b in ((100, 110), (1000, 1020), (5000, 5010), (9000, 9010)):
        truth[a:b] = 1
    found = state(
        n,
        (104, 120),  # .8 s late
        (1022, 1030),  # .4 s after its end: within the tolerance
        (5013, 5020),  # .6 s after: a false alarm
        (7000, 7010),  # a false alarm
        (8000, 8003),  # too short to be an event
    )
    scored = event_scores([sequence(truth)], [found], EventRules())
    assert scored["event_sensitivity"] == 2 / 4
    assert scored["event_precision"] == 2 / 4
    assert scored["event_f1"] == 0.5
    assert scored["false_alarms_per_hour"] == pytest.approx(2)
    assert scored["onset_delay_s"] == pytest.approx((0.8 + 4.4) / 2)


def test_a_detection_on_unlabelled_steps_is_not_counted() -> None:
    truth = np.r_[np.zeros(50), -np.ones(50), np.zeros(50)].astype(int)
    scored = event_scores([sequence(truth)], [state(150, (60, 90), (120, 130))], EventRules())
    assert scored["false_alarms_per_hour"] == pytest.approx(1 / (100 * STEP / 3600))


def test_scores_without_events_are_nan() -> None:
    scored = event_scores([sequence([0] * 50)], [state(50)], EventRules())
    assert np.isnan(scored["event_sensitivity"])
    assert np.isnan(scored["event_precision"])
    assert np.isnan(scored["event_f1"])
    assert scored["false_alarms_per_hour"] == 0
