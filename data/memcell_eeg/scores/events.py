"""Events from probabilities, and scores by event.

An event is a run of positive steps within one segment. Detected events at most ``merge`` apart become
one and those shorter than ``min_duration`` are dropped; events longer than ``max_duration`` are counted
in parts, so that one endless detection is not one hit (the SzCORE method, Dan et al. 2024, with a
microsleep's parameters instead of a seizure's). A part shorter than ``min_duration`` is no event, neither
a true one nor a detected one: what a gap, time without a label or the cut at ``max_duration`` leaves of an
event may be too short for any detection to hit.

- **Hits.** A detected event hits a true one when it overlaps it after both its ends were moved out by
  ``tolerance``, or touches it; every event is matched at most once, in order of time. A detection that
  runs on through time without a label, from one true event to the next, may hit both.
- **False alarms** are detected events outside every true event, parts that are too short to be counted
  included, by more than ``tolerance``. A second detection in a true event is neither a hit nor a false alarm.
- **Delays.** A detection, before it is cut into parts, belongs to the true event that it overlaps most,
  or to the nearest within ``tolerance`` where it overlaps none; of two the earlier. The delay of a true
  event is that of the first detection that belongs to it.

The package ``timescoring`` of SzCORE counts the same false alarms. It also lets one detection hit several
true events: there it counts more hits than this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import TimeSeries
from memcell_eeg.config import EegConfig

#: Seconds that differ by less are the same: they are sums of steps.
SAME = 1e-9


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event in steps of its sequence.

    Args:
        first: Its first step.
        stop: The step after its last.
        onset: Seconds from the recording's start.
        duration: Seconds.
        continues: It is a later part of a longer event.
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
    """Rules for forming and matching events; in seconds, 0 disables a rule."""

    min_duration: float = 1.0
    max_duration: float = 15.0
    merge: float = 0.0
    tolerance: float = 0.5

    @classmethod
    def of(cls, config: EegConfig) -> EventRules:
        """Return the rules of the options."""
        return cls(
            min_duration=config.min_duration,
            max_duration=config.max_duration,
            merge=config.merge,
            tolerance=config.tolerance,
        )

    def __str__(self) -> str:
        cut = f", in parts of {self.max_duration:g} s" if self.max_duration else ""
        return (
            f"events from {self.min_duration:g} s{cut}, merged within {self.merge:g} s, matched one to one "
            f"with a tolerance of {self.tolerance:g} s"
        )


def runs(
    positive: NDArray[np.bool_], sequence: TimeSeries, merge: float = 0.0, min_duration: float = 0.0
) -> list[Event]:
    """Return the runs of positive steps, never across a gap.

    Args:
        positive: ``[n_steps]``.
        sequence: Whose steps they are.
        merge: Runs of one segment at most this far apart become one, s.
        min_duration: Shorter ones are dropped, s.
    """
    step, segment = sequence.step_seconds, np.cumsum(sequence.starts)
    opens = positive & (np.r_[True, ~positive[:-1]] | sequence.starts)
    closes = positive & (np.r_[~positive[1:], True] | np.r_[sequence.starts[1:], True])
    spans: list[list[int]] = []
    for first, last in zip(np.flatnonzero(opens), np.flatnonzero(closes), strict=True):
        near = spans and segment[first] == segment[spans[-1][1] - 1]
        if near and (first - spans[-1][1]) * step <= merge + SAME:
            spans[-1][1] = int(last) + 1
        else:
            spans.append([int(first), int(last) + 1])
    return [
        Event(first=a, stop=b, onset=float(sequence.times[a]), duration=(b - a) * step)
        for a, b in spans
        if (b - a) * step >= min_duration - SAME
    ]


def split_long(
    events: Sequence[Event], max_duration: float, step: float, min_duration: float = 0.0
) -> list[Event]:
    """Return the events, those longer than ``max_duration`` seconds split (0: not split).

    Events and parts shorter than ``min_duration`` seconds are left out.
    """
    if max_duration == 0:
        return [e for e in events if e.duration >= min_duration - SAME]
    most = max(1, round(max_duration / step))
    out = []
    for event in events:
        for first in range(event.first, event.stop, most):
            stop = min(first + most, event.stop)
            onset = event.onset + (first - event.first) * step
            if (stop - first) * step < min_duration - SAME:
                continue
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
    true: Sequence[Event], detected: Sequence[Event], tolerance: float
) -> list[tuple[Event, Event]]:
    """Return pairs (true, detected), each event in at most one; both lists ascend.

    Both lists are disjoint intervals in order, so taking the earliest pair that overlaps gives as many
    pairs as any matching can.
    """
    pairs, i, j = [], 0, 0
    while i < len(true) and j < len(detected):
        t, d = true[i], detected[j]
        if d.end < t.onset - tolerance - SAME:
            j += 1
        elif d.onset > t.end + tolerance + SAME:
            i += 1
        else:
            pairs.append((t, d))
            i, j = i + 1, j + 1
    return pairs


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Counted events of one sequence.

    Args:
        true: True events.
        hits: Those of them that were detected.
        detected: Hits and false alarms; a false alarm that lies mostly on unlabelled steps does not count.
        hours: Of labelled time.
        delays: Onset of each true event to which a detection belongs, and seconds from it to the start of
            the first detected step (the alarm can sound one step later).
    """

    true: int
    hits: int
    detected: int
    hours: float
    delays: tuple[tuple[float, float], ...]


def count_events(sequence: TimeSeries, positive: NDArray[np.bool_], rules: EventRules) -> Counted:
    """Match the events of a sequence.

    Args:
        sequence: With targets; true events are the runs of positive targets.
        positive: ``[n_steps]`` decisions.
        rules: As `EventRules` says.
    """
    step, least = sequence.step_seconds, rules.min_duration
    spans = runs(sequence.targets == 1, sequence)
    true = split_long(spans, rules.max_duration, step, least)
    found = runs(positive, sequence, rules.merge, least)
    detected = split_long(found, rules.max_duration, step, least)
    matchable = _cut_without_label(detected, spans, sequence)
    hits = len(match(true, matchable, rules.tolerance))
    alarms = sum(
        owner is None and bool(sequence.labelled[d.first : d.stop].mean() >= 0.5)
        for d, owner in zip(detected, _owners(detected, spans, rules.tolerance), strict=True)
    )
    onsets: dict[int, float] = {}  # of the first detection of each true event
    for d, owner in zip(found, _owners(found, spans, rules.tolerance), strict=True):
        if owner is not None:
            onsets.setdefault(owner, d.onset)
    return Counted(
        true=len(true),
        hits=hits,
        detected=hits + alarms,
        hours=float(np.sum(sequence.labelled)) * step / 3600,
        delays=tuple(
            (spans[k].onset, onset - spans[k].onset)
            for k, onset in sorted(onsets.items())
            if spans[k].duration >= least - SAME
        ),
    )


def _owners(
    detected: Sequence[Event], spans: Sequence[Event], tolerance: float
) -> Iterator[int | None]:
    """Yield for each detected event the index of its true event, or None.

    It is the one that it overlaps most, else the nearest within the tolerance; of two the earlier.
    """
    onsets = np.array([t.onset for t in spans])
    ends = np.array([t.end for t in spans])
    first = np.searchsorted(ends, [d.onset - tolerance - SAME for d in detected])
    stop = np.searchsorted(onsets, [d.end + tolerance + SAME for d in detected], side="right")
    for d, k, end in zip(detected, first.tolist(), stop.tolist(), strict=True):
        if end - k < 2:  # most have one or none near them
            yield k if k < end else None
            continue
        # seconds that both share; where they share none, minus the seconds between them
        shared = np.minimum(ends[k:end], d.end) - np.maximum(onsets[k:end], d.onset)
        yield k + int(np.flatnonzero(shared >= shared.max() - SAME)[0])


def _cut_without_label(
    detected: Sequence[Event], spans: Sequence[Event], sequence: TimeSeries
) -> list[Event]:
    """Return detected events, cut where one runs through unlabelled steps from a true event to the next."""
    known = np.concatenate([[0], np.cumsum(sequence.labelled)])
    cuts = [
        b.first
        for a, b in pairwise(spans)
        if a.stop < b.first and known[a.stop] == known[b.first] and not _gap(sequence, a, b)
    ]
    out = []
    for d in detected:
        edges = [d.first, *(c for c in cuts if d.first < c < d.stop), d.stop]
        for first, stop in pairwise(edges):
            onset = d.onset + (first - d.first) * sequence.step_seconds
            duration = (stop - first) * sequence.step_seconds
            out.append(replace(d, first=first, stop=stop, onset=onset, duration=duration))
    return out


def _gap(sequence: TimeSeries, a: Event, b: Event) -> bool:
    return bool(sequence.starts[a.stop : b.first + 1].any())


def event_scores(
    sequences: Sequence[TimeSeries], positive: Sequence[NDArray[np.bool_]], rules: EventRules
) -> dict[str, float]:
    """Score decisions by event, pooled over sequences; see `count_events` and `scores_of`."""
    pairs = zip(sequences, positive, strict=True)
    return scores_of([count_events(s, state, rules) for s, state in pairs])


def scores_of(counts: Sequence[Counted]) -> dict[str, float]:
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
