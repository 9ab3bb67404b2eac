"""Events against a brute force that knows no array: sets of steps and exact fractions of a second."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from memcell.sequences.time_series import TimeSeries
from memcell_eeg.scores.events import EventRules, count_events, event_scores

STEP = Fraction(1, 5)


def sequence(targets, breaks=(), lost=()):
    """Return a sequence; ``lost`` are the steps that are missing at each break."""
    n = len(targets)
    at = np.arange(n)
    for b, k in zip(breaks, lost, strict=True):
        at[b:] += k
    return TimeSeries(
        name="a",
        subject="a",
        features=np.zeros((n, 1), dtype=np.float32),
        targets=np.asarray(targets, dtype=np.int64),
        breaks=tuple(breaks),
        step_seconds=float(STEP),
        step_times=at * float(STEP),
    )


class Brute:
    """The same counts from lists of (first step, stop) alone."""

    def __init__(self, targets, positive, breaks, lost, rules) -> None:
        self.targets, self.positive, self.breaks = list(targets), list(positive), set(breaks)
        self.shift = [
            sum(k for b, k in zip(breaks, lost, strict=True) if b <= i) for i in range(len(targets))
        ]
        self.least, self.most, self.merge, self.tolerance = (
            Fraction(str(v))
            for v in (rules.min_duration, rules.max_duration, rules.merge, rules.tolerance)
        )

    def onset(self, first):
        return (first + self.shift[first]) * STEP

    def runs(self, marks, merge=Fraction(0)):
        out, n = [], len(marks)
        for i in range(n):
            if not marks[i]:
                continue
            if (
                out
                and (i - out[-1][1]) * STEP <= merge
                and not any(b in self.breaks for b in range(out[-1][1], i + 1))
            ):
                out[-1][1] = i + 1
            else:
                out.append([i, i + 1])
        return [tuple(r) for r in out]

    def long_enough(self, events):
        return [(a, b) for a, b in events if (b - a) * STEP >= self.least]

    def pieces(self, events):
        if not self.most:
            return self.long_enough(events)
        size = max(1, round(self.most / STEP))
        cut = [(i, min(i + size, b)) for a, b in events for i in range(a, b, size)]
        return self.long_enough(cut)

    def apart(self, x, y):
        """Return seconds between two events; negative where they overlap, by how much."""
        (a, b), (c, d) = x, y
        starts, ends = (
            [self.onset(a), self.onset(c)],
            [
                self.onset(a) + (b - a) * STEP,
                self.onset(c) + (d - c) * STEP,
            ],
        )
        return max(starts) - min(ends)

    def near(self, x, y):
        return self.apart(x, y) <= self.tolerance

    def owner(self, detection, spans):
        best = None
        for span in spans:
            if self.near(detection, span) and (
                best is None or self.apart(detection, span) < self.apart(detection, best)
            ):
                best = span
        return best

    def counted(self):
        spans = self.runs([y == 1 for y in self.targets])
        true = self.pieces(spans)
        found = self.long_enough(self.runs(self.positive, self.merge))
        detected = self.pieces(found)
        alarms = [
            d
            for d in detected
            if not any(self.near(d, t) for t in spans)
            and 2 * sum(self.targets[i] >= 0 for i in range(*d)) >= d[1] - d[0]
        ]
        # where unlabelled steps alone lie between two true events, a detection through them is two
        between = [
            c
            for (_, b), (c, _) in pairwise(spans)
            if b < c
            and all(self.targets[i] < 0 for i in range(b, c))
            and not any(i in self.breaks for i in range(b, c + 1))
        ]
        segments = []
        for a, b in detected:
            edges = [a, *(c for c in between if a < c < b), b]
            segments += list(pairwise(edges))
        delays = {}
        for d in found:
            t = self.owner(d, spans)
            if t is not None and (t[1] - t[0]) * STEP >= self.least and t not in delays:
                delays[t] = self.onset(d[0]) - self.onset(t[0])
        return len(true), self.most_pairs(true, segments), len(alarms), sorted(delays.items())

    def most_pairs(self, true, segments):
        """Return the largest number of pairs, by augmenting paths."""
        taken = {}

        def found(i, seen):
            for j, s in enumerate(segments):
                if j not in seen and self.near(true[i], s):
                    seen.add(j)
                    if j not in taken or found(taken[j], seen):
                        taken[j] = i
                        return True
            return False

        return sum(found(i, set()) for i in range(len(true)))


def drawn(random):
    """Return targets, decisions, breaks, lost steps and rules, at random."""
    n = int(random.integers(30, 260))

    def segments(values, mean):
        out = []
        while len(out) < n:
            out += [int(random.choice(values))] * int(1 + random.geometric(1 / mean))
        return np.array(out[:n])

    targets = segments([-1, 0, 0, 0, 1, 1], random.choice([3, 8, 30]))
    positive = segments([0, 0, 1], random.choice([2, 6, 25])) == 1
    if random.random() < 0.5:
        positive |= targets == 1
    breaks = sorted(
        random.choice(np.arange(1, n), size=random.integers(0, 4), replace=False).tolist()
    )
    lost = [int(k) for k in random.integers(1, 12, len(breaks))]
    rules = EventRules(
        min_duration=float(random.choice([0.0, 0.4, 1.0, 1.3])),
        max_duration=float(random.choice([0.0, 3.0, 15.0])),
        merge=float(random.choice([0.0, 0.4, 1.0])),
        tolerance=float(random.choice([0.0, 0.5, 2.0])),
    )
    return targets, positive, breaks, lost, rules


@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_brute_force(seed) -> None:
    random = np.random.default_rng(seed)
    for _ in range(300):
        targets, positive, breaks, lost, rules = drawn(random)
        made = count_events(sequence(targets, breaks, lost), positive, rules)
        brute = Brute(targets, positive, breaks, lost, rules)
        true, hits, alarms, delays = brute.counted()
        assert (made.true, made.hits, made.detected - made.hits) == (true, hits, alarms)
        expected = [(float(brute.onset(t[0])), float(d)) for t, d in delays]
        assert len(made.delays) == len(expected)
        assert np.allclose(np.array(made.delays), np.array(expected), atol=1e-9)


def state(n, *spans):
    out = np.zeros(n, dtype=bool)
    for a, b in spans:
        out[a:b] = True
    return out


def scored(targets, positive, breaks=(), lost=(), **rules):
    return event_scores([sequence(targets, breaks, lost)], [positive], EventRules(**rules))


def test_a_perfect_detector_finds_every_event_and_nothing_else() -> None:
    random = np.random.default_rng(7)
    for _ in range(300):
        targets, _, breaks, lost, rules = drawn(random)
        rules = EventRules(min_duration=rules.min_duration, max_duration=rules.max_duration)
        made = count_events(sequence(targets, breaks, lost), targets == 1, rules)
        assert made.hits == made.true == made.detected
        assert all(abs(delay) < 1e-9 for _, delay in made.delays)


@pytest.mark.parametrize("kind", ["gap", "unlabelled"])
def test_event_shortened_below_minimum_is_no_event(kind) -> None:
    """3 s of an event, then a gap or a scored-out second, then .4 s that no detection can hit."""
    y = np.zeros(100, dtype=int)
    y[20:35] = 1
    if kind == "gap":
        y[35:37] = 1
        found = scored(y, y == 1, breaks=(35,), lost=(5,))
    else:
        y[35:40], y[40:42] = -1, 1
        found = scored(y, state(100, (20, 42)))
    assert found["event_sensitivity"] == found["event_precision"] == 1.0
    assert found["false_alarms_per_hour"] == 0


def test_a_detection_through_a_scored_out_second_hits_both_sides() -> None:
    y = np.zeros(100, dtype=int)
    y[20:40] = 1
    y[30:35] = -1
    found = scored(y, state(100, (20, 40)))
    assert found["event_sensitivity"] == found["event_precision"] == 1.0


def test_a_tail_beyond_the_longest_piece_is_no_event() -> None:
    y = state(300, (50, 126))  # 15.2 s
    made = count_events(sequence(y), y, EventRules())
    assert (made.true, made.hits, made.detected) == (1, 1, 1)
    alone = count_events(sequence(np.zeros(300, dtype=int)), y, EventRules())
    assert alone.detected == 1


def test_three_detections_in_one_event_are_no_false_alarm() -> None:
    y = state(300, (50, 110))
    found = scored(y.astype(int), state(300, (52, 60), (70, 78), (90, 99)))
    assert found["false_alarms_per_hour"] == 0
    assert found["event_precision"] == found["event_sensitivity"] == 1.0
    assert found["onset_delay_s"] == pytest.approx(0.4)


def test_a_delay_belongs_to_the_event_that_is_overlapped() -> None:
    """An event ends .4 s before the next one, which is detected to the step."""
    y = state(300, (50, 65), (67, 90))
    made = count_events(sequence(y.astype(int)), state(300, (67, 90)), EventRules())
    assert made.delays == ((pytest.approx(13.4), pytest.approx(0)),)
