"""Stated rates against time stamps: a wrong rate is named, lost samples and jitter are not taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from memcell_eeg.live.gaps import GapFinder
from memcell_eeg.live.rate import RateWatch

RATE, GAP = 128.0, 0.2


def watched(stamps, chunk=13, live=True):
    """Return what is said, the lengths of gaps, all onsets, and the watch at the end."""
    finder, watch = GapFinder(RATE, GAP), RateWatch("amp", RATE)
    said, gaps, onsets = [], [], []
    for at in range(0, len(stamps), chunk):
        piece = stamps[at : at + chunk]
        arrived = at / RATE if live else None
        for part in finder.push(np.zeros((1, len(piece))), piece, arrived):
            if part.begins:
                gaps.append(part.missing)
                onsets.append(part.onset)
                said.append(watch.begins(part.stamps, part.early))
            else:
                watch.follows(part.stamps)
    return [line for line in said if line], gaps[1:], onsets, watch


@pytest.mark.parametrize("times", [10, 2, 1.5, 1.04])
def test_sender_that_is_too_fast_has_a_wrong_rate_and_no_negative_gap(times):
    said, gaps, onsets, watch = watched(7 + np.arange(20000) / (times * RATE))
    (line,) = said
    assert "stream 'amp' states a rate of 128 Hz" in line
    assert float(line.split(" give ")[1].split(" Hz")[0]) == pytest.approx(times * RATE, rel=0.02)
    assert "rate is wrong" in line
    assert min(gaps) >= 0
    assert onsets == sorted(onsets)
    assert watch.far == (times > 1.25)


@pytest.mark.parametrize("times", [0.9, 0.5, 0.1, 0.001])
def test_sender_that_is_too_slow_has_a_wrong_rate(times):
    """.001: stamps in milliseconds."""
    said, gaps, _, watch = watched(7 + np.arange(20000) / (times * RATE))
    (line,) = said
    assert float(line.split(" give ")[1].split(" Hz")[0]) == pytest.approx(times * RATE, rel=0.02)
    assert "rate is wrong" in line
    assert min(gaps) >= 0
    assert watch.far == (times < 0.8)


@pytest.mark.parametrize("jitter", [0.0, 0.02])
def test_lost_samples_are_gaps_and_no_wrong_rate(jitter):
    random = np.random.default_rng(0)
    stamps = 7 + np.arange(60 * 128) / RATE
    stamps = stamps + random.uniform(-jitter, jitter, len(stamps))
    kept = np.ones(len(stamps), bool)
    for at in range(400, len(stamps), 400):  # half a second is lost every three
        kept[at : at + 64] = False
    said, gaps, _, _ = watched(stamps[kept])
    assert said == []
    assert len(gaps) == 19
    assert gaps == pytest.approx([0.5] * 19, abs=0.1)


@pytest.mark.parametrize(
    ("stamps", "words"),
    [
        (np.full(4000, 9.0), "do not advance"),
        (9 - np.arange(4000) / RATE, "run backwards"),
        (
            9 + np.random.default_rng(1).uniform(-50, 50, 4000),
            "rate is wrong|back and forth|backwards",
        ),
    ],
)
def test_stamps_that_are_no_clock_are_named(stamps, words):
    said, gaps, onsets, watch = watched(stamps)
    assert len(said) == 1
    assert any(w in said[0] for w in words.split("|"))
    assert watch.far
    assert min(gaps) >= 0
    assert onsets == sorted(onsets)


@pytest.mark.parametrize("jump", [-3600.0, -1.0, 86400.0, 1.7e9])
def test_a_clock_that_is_set_makes_no_time_run_backwards_or_days_pass(jump):
    stamps = 50 + np.arange(2560) / RATE
    stamps[1280:] += jump
    said, gaps, onsets, _ = watched(stamps, chunk=16)
    assert said == []
    assert gaps == pytest.approx([16 / RATE], abs=0.01)
    assert onsets[1] == pytest.approx(60 + 16 / RATE, abs=0.01)


def test_a_gap_is_believed_where_the_samples_were_waited_for():
    finder = GapFinder(RATE, GAP)
    ones, stamps = np.ones((1, 128)), np.arange(128) / RATE
    list(finder.push(ones, stamps, 0.0))
    (part,) = finder.push(ones, stamps + 5000, 4999.0)
    assert part.missing == pytest.approx(4999.0)
    assert part.jumped == 0


def test_a_rate_that_is_right_again_is_known_after_a_minute():
    wrong = 7 + np.arange(2000) / (2 * RATE)
    right = wrong[-1] + np.arange(1, 70 * 128) / RATE
    said, _, _, watch = watched(np.concatenate([wrong, right]))
    assert len(said) == 1
    assert watch.wrong == ""
