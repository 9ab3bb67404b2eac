"""Event scores against SzCORE's own package, under the parameters of a microsleep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from memcell.sequences.time_series import TimeSeries
from memcell_eeg.scores.events import EventRules, count_events, runs

scoring = pytest.importorskip("timescoring.scoring", reason="timescoring is not installed")
annotations = pytest.importorskip("timescoring.annotations")

STEP, N = 0.2, 1500
RULES = EventRules()  # 1 s at least, pieces of 15 s, no merging, .5 s of tolerance


def sequence(spans):
    targets = np.zeros(N, dtype=np.int64)
    for a, b in spans:
        targets[a:b] = 1
    features = np.zeros((N, 1), dtype=np.float32)
    return TimeSeries(name="a", subject="a", features=features, targets=targets, step_seconds=STEP)


def decided(spans):
    return sequence(spans).targets == 1


def szcore(true, found):
    """Return hits among true events, true events and false alarms, as the package counts them."""
    s = sequence(true)
    kept = runs(decided(found), s, min_duration=RULES.min_duration)
    parameters = scoring.EventScoring.Parameters(
        toleranceStart=RULES.tolerance,
        toleranceEnd=RULES.tolerance,
        minOverlap=0,
        maxEventDuration=RULES.max_duration,
        minDurationBetweenEvents=0,
    )

    def annotation(events):
        spans = [(e.onset, e.onset + e.duration) for e in events]
        return annotations.Annotation(spans, 10, N * 2)

    out = scoring.EventScoring(annotation(runs(decided(true), s)), annotation(kept), parameters)
    return out.tp, out.refTrue, out.fp


@st.composite
def far_apart(draw):
    """True and detected events, each near one of the others at most; lengths up to 14 s."""
    true, found, at = [], [], 10
    while at < N - 200:
        length = draw(st.integers(5, 70))
        kind = draw(st.sampled_from(["hit", "missed", "false", "nothing"]))
        if kind in ("hit", "missed"):
            true.append((at, at + length))
        if kind == "false":
            found.append((at, at + length))
        if kind == "hit":
            first = at + draw(st.integers(-20, length - 1))
            found.append((max(first, 0), first + draw(st.integers(5, 50))))
        at += length + draw(st.integers(80, 160))
    return true, found


@settings(max_examples=100, deadline=None)
@given(far_apart())
def test_one_against_one_agrees_with_szcore(spans) -> None:
    true, found = spans
    mine = count_events(sequence(true), decided(found), RULES)
    hits, n_true, false = szcore(true, found)
    assert (mine.hits, mine.true, mine.detected - mine.hits) == (hits, n_true, false)


def test_long_events_are_split_alike() -> None:
    true, found = [(100, 400)], [(100, 400)]  # 60 s
    mine = count_events(sequence(true), decided(found), RULES)
    assert (mine.hits, mine.true, mine.detected) == (4, 4, 4)
    assert szcore(true, found) == (4, 4, 0)


spans = st.lists(st.tuples(st.integers(0, N - 60), st.integers(5, 50)), max_size=12).map(
    lambda pairs: [(a, a + n) for a, n in pairs]
)


@settings(max_examples=100, deadline=None)
@given(spans, spans)
def test_never_kinder_than_szcore(true, found) -> None:
    """One detection over many true events is one hit here, and one for each of them there."""
    s = sequence(true)
    longest = max(
        (e.duration for e in [*runs(decided(true), s), *runs(decided(found), s)]), default=0
    )
    assume(longest <= RULES.max_duration)  # it would count a tail that is too short to be an event
    mine = count_events(s, decided(found), RULES)
    hits, n_true, false = szcore(true, found)
    assert mine.true == n_true
    assert mine.hits <= hits
    assert mine.detected - mine.hits == false


def test_its_own_parameters_would_hide_false_alarms() -> None:
    """50 detections in the pauses between 50 events: all wrong, and with a seizure's parameters all right."""
    true = [(20 * k, 20 * k + 5) for k in range(50)]
    found = [(20 * k + 10, 20 * k + 15) for k in range(50)]
    mine = count_events(sequence(true), decided(found), RULES)
    assert mine.hits == 0
    assert mine.detected == 50
    assert szcore(true, found) == (0, 50, 50)
    usual = scoring.EventScoring(
        annotations.Annotation(decided(true), 5), annotations.Annotation(decided(found), 5)
    )
    assert usual.sensitivity == 1
    assert usual.fp == 0
