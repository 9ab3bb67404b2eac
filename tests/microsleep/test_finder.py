"""Events found piece by piece are those found in the whole."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.sequences.time_series import TimeSeries
from memcell_eeg.scores.detector import EventDetector
from memcell_eeg.scores.events import EventRules, runs


@pytest.mark.parametrize("merge", [0.0, 0.5, 5.0])
@pytest.mark.parametrize("shortest", [0.0, 1.0])
def test_any_cutting_finds_the_events_of_the_whole(merge, shortest) -> None:
    random = np.random.default_rng(3)
    rules = EventRules(min_duration=shortest, merge=merge)
    for _ in range(60):
        n = int(random.integers(1, 200))
        p = random.random(n) ** 2
        p[np.repeat(random.random(-(-n // 7)) < 0.4, 7)[:n]] = 0.9
        breaks = tuple(sorted({int(b) for b in random.integers(1, n + 1, 3) if b < n}))
        times = 0.2 * np.arange(n) + 10.0 * np.cumsum(np.isin(np.arange(n), breaks))
        sequence = TimeSeries(
            name="x",
            subject="x",
            features=np.zeros((n, 1), dtype=np.float32),
            targets=np.zeros(n, dtype=np.int64),
            breaks=breaks,
            step_seconds=0.2,
            step_times=times,
        )
        whole = runs(p >= 0.5, sequence, merge, shortest)
        finder = EventDetector(0.5, 0.2, rules)
        cuts = np.unique(random.integers(0, n + 1, random.integers(0, 30)))
        for part in np.split(np.arange(n), cuts):
            finder.push(p[part], times[part], sequence.starts[part])
        found = finder.end()
        assert [e.onset for e in found] == [e.onset for e in whole]
        assert [e.duration for e in found] == pytest.approx([e.duration for e in whole])
        assert [e.highest for e in found] == [p[e.first : e.stop].max() for e in whole]
        assert [e.mean for e in found] == pytest.approx([p[e.first : e.stop].mean() for e in whole])


def test_a_recording_without_an_event() -> None:
    finder = EventDetector(0.5, 0.2, EventRules())
    assert finder.end() == []
