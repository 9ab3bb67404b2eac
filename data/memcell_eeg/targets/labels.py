"""Targets of the steps from an expert's intervals.

In this order: positive intervals at most ``merge`` apart become one (touching ones always do); those
shorter than ``blink`` become negative; those
from ``blink`` to ``min_duration`` lose their label, for they are neither, and so do short ones that touch
time without a class (labelled so, not labelled at all, or beyond the recording's edge), for nobody knows how
long they are (a microsleep that both sides show for .3 s and one side for 2 s is no blink). A positive mark
without a duration is refused: it would vanish. Long ones stay (sleep is no wake): ``max_duration`` concerns
the counting of events (`memcell_eeg.scores.events`). Which labels are positive and negative says the protocol
(`memcell_eeg.targets.protocols`), before all this.
Where intervals overlap, positive wins over every other label, and a label that is neither positive
nor negative wins over negative.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.sequences.time_series import UNLABELLED
from memcell_data.recording import Labels
from memcell_eeg.config import EegConfig
from memcell_eeg.targets.intervals import SAME, coverage, union
from memcell_eeg.targets.protocols import LabelProtocol

NEGATIVE, POSITIVE = 0, 1

_Pairs = list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class LabelRules:
    """Rules that turn intervals into targets.

    Args:
        any_part: A step is positive when any of it is; otherwise when half of it is.
        blink: Positive intervals shorter than this are negative, s.
        min_duration: Positive intervals from ``blink`` to this are unlabelled, s.
        merge: Positive intervals this close together are one, s.
        protocol: Which labels are positive and negative; None for what the labels say themselves.
    """

    any_part: bool = False
    blink: float = 0.45
    min_duration: float = 1.0
    merge: float = 0.0
    protocol: LabelProtocol | None = None

    @classmethod
    def of(cls, config: EegConfig) -> LabelRules:
        """Return the rules that the options ask for; the protocol depends on the data set's labels."""
        return cls(
            any_part=config.step_rule == "any",
            blink=config.blink,
            min_duration=config.min_duration,
            merge=config.merge,
        )

    def __str__(self) -> str:
        parts = [f"a step is positive when {'any part' if self.any_part else 'half'} of it is"]
        if self.blink:
            parts.append(
                f"positive under {self.blink:g} s is negative (unlabelled next to time without a "
                f"class), up to {self.min_duration:g} s unlabelled"
            )
        elif self.min_duration:
            parts.append(f"positive under {self.min_duration:g} s is unlabelled")
        return "; ".join([*parts, f"merged within {self.merge:g} s"])


def targets(
    labels: Labels, starts: NDArray[np.float64], step: float, rules: LabelRules
) -> NDArray[np.int64]:
    """Return ``[n_steps]``: 1 positive, 0 negative, `UNLABELLED` (-1) neither.

    Args:
        labels: Intervals in seconds from the recording's start.
        starts: ``[n_steps]`` start of each step, the same seconds.
        step: Seconds.
        rules: As `LabelRules` says.

    Raises:
        DataError: A positive label has no duration.
    """
    if rules.protocol is not None:
        labels = rules.protocol.apply(labels)
    check_marks(labels, "labels")
    positive, blinks, other = _classified(labels, rules, _uncovered(labels, starts, step))
    # Seconds of each step by class, the strongest first: each hides what lies beneath it.
    seconds: list[NDArray[np.float64]] = []
    above: _Pairs = []
    for spans in (positive, other, [*blinks, *_spans(labels, labels.negative)]):
        hidden = coverage(union(above), starts, step)
        above += spans
        seconds.append(coverage(union(above), starts, step) - hidden)
    of_positive, of_other, of_negative = seconds
    rest = step - of_positive - of_other - of_negative
    if labels.background in labels.positive:
        of_positive = of_positive + rest
    elif labels.background in labels.negative:
        of_negative = of_negative + rest
    else:
        of_other = of_other + rest
    enough = SAME if rules.any_part else step / 2 - SAME
    out = np.where(of_negative > of_other + SAME, NEGATIVE, UNLABELLED)
    return np.where(of_positive >= enough, POSITIVE, out).astype(np.int64)


def check_marks(labels: Labels, name: str) -> None:
    """Refuse positive labels without a duration, whose extent is unknown.

    One that lies inside a longer positive label marks its time once more, and is let through.

    Args:
        labels: Under the protocol that decides what is positive.
        name: The recording's, or its label file's.

    Raises:
        DataError: Says how many there are, and what to type.
    """
    spans = _spans(labels, labels.positive)
    marks = [
        i
        for i in labels.intervals
        if i.duration <= 0
        and i.label in labels.positive
        and not any(b > a and a - SAME <= i.onset <= b + SAME for a, b in spans)
    ]
    if marks:
        raise DataError(
            f"{name}: {len(marks)} labels '{marks[0].label}' (the first at {marks[0].onset:g} s) have no "
            "duration, so the time that they cover is unknown: type --data.mark-duration SECONDS for how "
            "long each lasts from its onset, or write durations"
        )


def _uncovered(labels: Labels, starts: NDArray[np.float64], step: float) -> _Pairs:
    """Return spans whose class is unknown though no label says so.

    They lie before and after the recording, where labels were clipped, and between labels where such time has
    no class.
    """
    if len(starts) == 0:
        return []
    first, last = float(starts[0]), float(starts[-1]) + step
    outside = [(-np.inf, 0.0), (last, np.inf)]
    if labels.background in labels.positive | labels.negative:
        return outside
    covered = union((i.onset, i.onset + i.duration) for i in labels.intervals).ravel().tolist()
    edges = [first, *covered, last]
    between = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > SAME]
    return [*outside, *between]


def _classified(
    labels: Labels, rules: LabelRules, uncovered: _Pairs
) -> tuple[_Pairs, _Pairs, _Pairs]:
    """Return the positive spans that count, the blinks, and the spans without a class."""
    words = {i.label for i in labels.intervals} - labels.positive - labels.negative
    stay: _Pairs = []
    blinks: _Pairs = []
    unknown = _spans(labels, words)
    other = list(unknown)
    for start, stop in union(_spans(labels, labels.positive), rules.merge).tolist():
        length = stop - start + SAME
        if length < rules.blink and not _touches(start, stop, [*unknown, *uncovered]):
            blinks.append((start, stop))
        elif length < rules.min_duration:
            other.append((start, stop))
        else:
            stay.append((start, stop))
    return stay, blinks, other


def _touches(start: float, stop: float, spans: _Pairs) -> bool:
    return any(a <= stop + SAME and b >= start - SAME for a, b in spans)


def _spans(labels: Labels, words: Set[str]) -> _Pairs:
    """Return (from, to) of every interval with one of the labels."""
    return [(i.onset, i.onset + i.duration) for i in labels.intervals if i.label in words]
