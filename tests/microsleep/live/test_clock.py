"""The times of samples: LSL's as the sender stamped them, and the time of day where stamps say one."""

from __future__ import annotations

import time
from datetime import datetime

import numpy as np
import pytest

from memcell_eeg.live.clock import NoClock, PlayedClock, StreamClock, Times
from memcell_eeg.live.gaps import GapFinder


@pytest.mark.parametrize("second", [4000.0, 100.0])  # the sender's clock is set forward, or back
def test_stamps_are_the_senders_after_its_clock_was_set(second):
    gaps, clock = GapFinder(100.0, 0.2), StreamClock(lambda: 500.0, lambda: 0.0)
    told = []
    for first, arrived in ((500.0, 1.0), (second, 2.5), (second + 1.0, 3.5)):
        stamps = first + np.arange(100) / 100
        for part in gaps.push(np.zeros((1, 100)), stamps, arrived):
            clock.jumped(part.jumped)
            told.append((part.onset - 500.0, clock.at(part.onset - 500.0).lsl))
    onsets, lsl = zip(*told, strict=True)
    assert lsl == pytest.approx([500.0, second, second + 1.0])
    assert list(onsets) == sorted(onsets)
    assert onsets[2] < 10


def test_the_time_of_day_is_that_of_the_sample():
    now = 1000.0
    clock = StreamClock(lambda: 990.0, lambda: now)
    assert clock.saw(995.0) == ""
    times = clock.at(4.0)
    assert times.lsl == 994.0
    assert times.wall == pytest.approx(time.time() - 6.0, abs=0.5)
    assert datetime.fromisoformat(times.iso).timestamp() == pytest.approx(times.wall, abs=0.001)
    assert times.iso.endswith("+00:00")
    assert times.after(2.5).lsl == 996.5
    said = clock.saw(5.0)
    assert "995 s behind LSL's clock" in said
    assert clock.saw(6.0) == ""  # once
    assert clock.at(4.0).iso is None
    assert clock.at(4.0).lsl == 994.0


def test_a_recording_has_no_times_unless_it_is_played_into_outlets():
    assert NoClock().at(3.0) == NoClock().now() == Times()
    assert Times().after(1.0) == Times()
    played = PlayedClock(lambda: 7.0)
    assert played.at(1000.0).lsl == 7.0
    assert played.at(1000.0).wall == pytest.approx(time.time(), abs=0.5)
