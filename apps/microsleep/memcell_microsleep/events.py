"""Probabilities to events, and events to scores.

An event is a run of positive steps within one stretch. Detected events at most ``merge`` apart become
one and those shorter than ``min_duration`` are dropped; events longer than ``max_duration`` are counted
in pieces, so that one endless detection is not one hit (the SzCORE method, Dan et al. 2024, with a
microsleep's parameters instead of a seizure's). A detected event hits a true one when it overlaps it
after both its ends were moved out by ``tolerance``, or touches it; every event is matched at most once,
in order of time.

The package ``timescoring`` of SzCORE agrees wherever events stand against each other one to one. It also lets
one detection hit several true events, and several detections one: there it counts more hits and fewer
false alarms than this.
"""

from __future__ import annotations

from collections.abc import Sequence as ListOf
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.sequence import Sequence
from memcell_microsleep.config import MicrosleepConfig


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event in steps of its sequence.

    Args:
        first: Its first step.
        stop: The step after its last.
        onset: Seconds from the recording's start.
        duration: Seconds.
        continues: It is a later piece of a longer event.
    """

    first: int
    stop: int
    onset: float
    duration: float
    continues: bool = False

    @property
    def end(self) -> float:
        """Seconds from the recording's start."""
        return self.onset + self.duration


@dataclass(frozen=True, kw_only=True)
class EventRules:
    """How events are made and matched; all in seconds, 0 switches a rule off."""

    min_duration: float = 1.0
    max_duration: float = 15.0
    merge: float = 0.0
    tolerance: float = 0.5

    @classmethod
    def of(cls, config: MicrosleepConfig) -> EventRules:
        """Return the rules that the options ask for."""
        return cls(
            min_duration=config.min_duration,
            max_duration=config.max_duration,
            merge=config.merge,
            tolerance=config.tolerance,
        )

    def __str__(self) -> str:
        return (
            f"events from {self.min_duration:g} s, in pieces of {self.max_duration:g} s, merged "
            f"within {self.merge:g} s, matched one to one with a tolerance of {self.tolerance:g} s"
        )


def runs(
    positive: NDArray[np.bool_], sequence: Sequence, merge: float = 0.0, min_duration: float = 0.0
) -> list[Event]:
    """Return the runs of positive steps, never across a gap.

    Args:
        positive: ``[n_steps]``.
        sequence: Whose steps they are.
        merge: Runs of one stretch at most this far apart become one, s.
        min_duration: Shorter ones are dropped, s.
    """
    step, stretch = sequence.step_seconds, np.cumsum(sequence.starts)
    opens = positive & (np.r_[True, ~positive[:-1]] | sequence.starts)
    closes = positive & (np.r_[~positive[1:], True] | np.r_[sequence.starts[1:], True])
    spans: list[list[int]] = []
    for first, last in zip(np.flatnonzero(opens), np.flatnonzero(closes), strict=True):
        near = spans and stretch[first] == stretch[spans[-1][1] - 1]
        if near and (first - spans[-1][1]) * step <= merge + 1e-9:
            spans[-1][1] = int(last) + 1
        else:
            spans.append([int(first), int(last) + 1])
    return [
        Event(first=a, stop=b, onset=float(sequence.times[a]), duration=(b - a) * step)
        for a, b in spans
        if (b - a) * step >= min_duration - 1e-9
    ]


def pieces(events: ListOf[Event], max_duration: float, step: float) -> list[Event]:
    """Return the events, those longer than ``max_duration`` seconds in pieces of it (0: as they are)."""
    if max_duration == 0:
        return list(events)
    most = max(1, round(max_duration / step))
    out = []
    for event in events:
        for first in range(event.first, event.stop, most):
            stop = min(first + most, event.stop)
            onset = event.onset + (first - event.first) * step
            out.append(
                Event(
                    first=first,
                    stop=stop,
                    onset=onset,
                    duration=(stop - first) * step,
                    continues=first > event.first,
                )
            )
    return out


def match(
    true: ListOf[Event], detected: ListOf[Event], tolerance: float
) -> list[tuple[Event, Event]]:
    """Return pairs (true, detected), each event in at most one; both lists ascend.

    Both lists are disjoint intervals in order, so taking the earliest pair that overlaps gives as many
    pairs as any matching can.
    """
    pairs, i, j = [], 0, 0
    while i < len(true) and j < len(detected):
        t, d = true[i], detected[j]
        if d.end < t.onset - tolerance - 1e-9:
            j += 1
        elif d.onset > t.end + tolerance + 1e-9:
            i += 1
        else:
            pairs.append((t, d))
            i, j = i + 1, j + 1
    return pairs


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The events of one sequence.

    Args:
        true: True events.
        detected: Detected ones; one that lies mostly on unlabelled steps and hits nothing does not count.
        hits: Pairs of both.
        hours: Of labelled time.
        delays: True onset and seconds from it to the start of the first detected step (the alarm can
            sound one step later), of each hit that begins an event.
    """

    true: int
    detected: int
    hits: int
    hours: float
    delays: tuple[tuple[float, float], ...]


def count_events(sequence: Sequence, positive: NDArray[np.bool_], rules: EventRules) -> Counted:
    """Match the events of a sequence.

    Args:
        sequence: With targets; true events are the runs of positive targets.
        positive: ``[n_steps]`` decisions.
        rules: As `EventRules` says.
    """
    step = sequence.step_seconds
    true = pieces(runs(sequence.targets == 1, sequence), rules.max_duration, step)
    found = runs(positive, sequence, rules.merge, rules.min_duration)
    detected = pieces(found, rules.max_duration, step)
    pairs = match(true, detected, rules.tolerance)
    matched = {id(d) for _, d in pairs}
    counted = [
        d for d in detected if id(d) in matched or sequence.labelled[d.first : d.stop].mean() >= 0.5
    ]
    begun = [(t, d) for t, d in pairs if not (t.continues or d.continues)]
    return Counted(
        true=len(true),
        detected=len(counted),
        hits=len(pairs),
        hours=float(np.sum(sequence.labelled)) * step / 3600,
        delays=tuple((t.onset, d.onset - t.onset) for t, d in begun),
    )


def event_scores(
    sequences: ListOf[Sequence], positive: ListOf[NDArray[np.bool_]], rules: EventRules
) -> dict[str, float]:
    """Score decisions by event, pooled over sequences; see `count_events` and `scores_of`."""
    pairs = zip(sequences, positive, strict=True)
    return scores_of([count_events(s, state, rules) for s, state in pairs])


def scores_of(counts: ListOf[Counted]) -> dict[str, float]:
    """Score counted events, pooled.

    Returns:
        ``event_sensitivity``, ``event_precision``, ``event_f1``; ``false_alarms_per_hour`` of labelled
        time; ``onset_delay_s`` and ``onset_delay_p90_s``, median and 90 % quantile of the delays. nan
        where there is nothing to count.
    """
    n_true, n_detected = sum(c.true for c in counts), sum(c.detected for c in counts)
    hits, hours = sum(c.hits for c in counts), sum(c.hours for c in counts)
    delays = [delay for c in counts for _, delay in c.delays]
    total = n_true + n_detected
    return {
        "event_sensitivity": hits / n_true if n_true else np.nan,
        "event_precision": hits / n_detected if n_detected else np.nan,
        "event_f1": 2 * hits / total if total else np.nan,
        "false_alarms_per_hour": (n_detected - hits) / hours if hours else np.nan,
        "onset_delay_s": float(np.median(delays)) if delays else np.nan,
        "onset_delay_p90_s": float(np.quantile(delays, 0.9)) if delays else np.nan,
    }
