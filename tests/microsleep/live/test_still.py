"""A live channel that goes dead: held back while nobody knows, cut out once it is known, else never late."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from memcell_data.quality.still import GOOD, StillSamples
from memcell_eeg.live import run
from memcell_eeg.live.channels import LiveChannels
from memcell_eeg.live.source import SampleChunk
from memcell_eeg.live.still import StillWatch
from memcell_microsleep.app import MICROSLEEP

RATE = 128


def eeg(seconds=20, seed=0):
    return np.random.default_rng(seed).normal(0, 20, (2, round(RATE * seconds)))


def passed_on(values, size):
    watch, out, stamps = StillWatch(("O1", "O2"), RATE), [], []
    late, began = 0, []
    for at in range(0, values.shape[1], size):
        part = slice(at, min(at + size, values.shape[1]))
        got = watch.push(values[:, part], np.arange(part.start, part.stop) / RATE)
        out.append(got.values)
        stamps.append(got.stamps)
        began += [got.dead] if got.began else []
        late = max(late, part.stop - sum(v.shape[1] for v in out))
    got = watch.end()
    return (
        np.concatenate([*out, got.values], axis=1),
        np.concatenate([*stamps, got.stamps]),
        late,
        began,
    )


@pytest.mark.parametrize("size", [1, 7, 16, 500])
def test_signal_is_passed_on_at_once_as_it_is(size) -> None:
    values = eeg()
    out, stamps, late, began = passed_on(values, size)
    assert np.array_equal(out, values)
    assert np.array_equal(stamps, np.arange(values.shape[1]) / RATE)
    assert (late, began) == (0, [])


@pytest.mark.parametrize("size", [1, 7, 16, 500])
def test_a_dead_channel_is_cut_out_but_for_a_tenth_of_a_second(size) -> None:
    values = eeg()
    values[0, 640:1920] = 3.0
    out, stamps, late, began = passed_on(values, size)
    assert np.array_equal(stamps, np.arange(values.shape[1]) / RATE)
    lost = np.flatnonzero(np.isnan(out).any(axis=0))
    assert 640 <= lost[0] <= 640 + round(0.1 * RATE) + 1
    assert lost[-1] == 1919
    assert len(lost) == lost[-1] - lost[0] + 1
    kept = ~np.isnan(out).any(axis=0)
    assert np.array_equal(out[:, kept], values[:, kept])
    assert late < RATE
    assert began == [("O1",)]


def test_a_rest_that_is_none_comes_late_and_whole() -> None:
    values = eeg()
    values[1, 640 : 640 + RATE - 5] = 3.0
    out, _, late, began = passed_on(values, 8)
    assert np.array_equal(out, values)
    assert (0 < late < RATE, began) == (True, [])


class Played:
    """A live source that gives what it is told."""

    name, rate, zero, described, trusted = "played", float(RATE), 0.0, "played", False

    def __init__(self, values, channels):
        self.values, self.channels = values, channels

    def items(self, stop):
        for at in range(0, self.values.shape[1], 16):
            part = slice(at, at + 16)
            stamps = np.arange(at, at + self.values[:, part].shape[1]) / RATE
            yield SampleChunk(
                values=self.values[:, part],
                stamps=stamps,
                arrived=time.perf_counter(),
                begins=at == 0,
            )

    def close(self):
        pass


def test_no_alarm_comes_of_a_dead_channel(asked_of, capsys, monkeypatch) -> None:
    """Everything is positive at a threshold of 0: the one alarm ends where the channel dies."""
    values = eeg(40)
    values[0, 20 * RATE : 30 * RATE] = 0.0
    channels = LiveChannels.of(("O1", "O2"), ("O1", "O2"))
    monkeypatch.setattr(run, "opened", lambda *_: Played(values, channels))
    made = asked_of(lsl="played", lines="steps", threshold=0.0, refractory=0.0)
    assert run.stream(made.asked, MICROSLEEP) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (flat,) = [line for line in lines if line["kind"] == "flat"]
    assert flat["channels"] == ["O1"]
    assert 20 <= flat["onset"] <= 20.12
    steps = [line["onset"] for line in lines if line["kind"] == "step"]
    assert not [s for s in steps if 20.0 < s < 30.0]
    alarms = [line["onset"] for line in lines if line["kind"] == "alarm"]
    assert len(alarms) == 2
    assert alarms[1] >= 30


def test_marks_that_are_pending_are_those_that_come() -> None:
    row = eeg()[0, :400]
    row[100:300] = 0.0
    still = StillSamples(RATE)
    still.push(row[:260])
    assert (still.pending != GOOD).sum() > 100
