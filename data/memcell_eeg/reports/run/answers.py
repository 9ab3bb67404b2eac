"""The answer of a run in plain words: how good, against what, and what memory did."""

from __future__ import annotations

import math
from collections.abc import Iterator

from memcell.reports import Html, paragraph, strong
from memcell.reports.numbers import count, number, percent
from memcell_eeg.reports.run.held import Run, Scored
from memcell_eeg.reports.run.phrasing import confusion_of, name_of, open_question, paired, short
from memcell_eeg.reports.tables_in import value

_FOUR = ("true_negative", "false_positive", "false_negative", "true_positive")


def best_baseline(run: Run) -> Scored | None:
    """Return the best of what needs no network and could be used."""
    there = [
        r for r in run.rows
        if r.kind != "network" and "not deployable" not in r.name and not math.isnan(r.get(run.main_score))
    ]  # fmt: skip
    return max(there, key=lambda r: r.get(run.main_score), default=None)


def answers(run: Run) -> Iterator[Html]:
    """Return the answer, a paragraph each: how good, against what, and what memory did."""
    own = run.own
    if own is None:
        yield paragraph(
            "This run has no scores yet: it was not finished, or its scores cannot be read. What is here is "
            "shown below.", kind="verdict",
        )  # fmt: skip
        return
    yield paragraph(*_how_good(run, own), kind="verdict")
    if events := _events(run, own):
        yield paragraph(*events, kind="verdict")
    yield paragraph(*_against(run, own), kind="verdict")
    if run.other is not None:
        yield paragraph(*_memory(run, own, run.other), kind="verdict")


def _how_good(run: Run, own: Scored) -> Iterator[str]:
    score = own.get(run.main_score)
    yield strong(f"{name_of(run.main_score).capitalize()} {number(score)}")
    if run.main_score in own.intervals:
        low, high = own.intervals[run.main_score]
        yield f" (95 % interval over subjects {number(low)} to {number(high)})"
    if run.main_score == "balanced_accuracy":
        yield ", where .5 is guessing"
    yield f", for the network {short(own)}."
    found = confusion_of(run, own)
    if found is not None:
        tn, fp, fn, tp = (value(found, n) for n in _FOUR)
        if tp + fn and tn + fp:
            yield (
                f" It called {percent(tp / (tp + fn))} of the positive test steps positive "
                f"({count(tp)} of {count(tp + fn)}) and {percent(tn / (tn + fp))} of the negative "
                f"ones negative ({count(tn)} of {count(tn + fp)})."
            )
    if math.isnan(score):
        yield " The score is not defined: the test split lacks a class."


def _events(run: Run, own: Scored) -> list[str]:
    found = confusion_of(run, own)
    if found is None or not value(found, "true_events") > 0:
        return []
    true, hits = value(found, "true_events"), value(found, "hit_events")
    parts: list[str] = [
        strong(f"{count(hits)} of {count(true)} true events were found"),
        f" ({percent(hits / true)})",
    ]
    if not math.isnan(own.get("false_alarms_per_hour")):
        parts.append(f", at {number(own.get('false_alarms_per_hour'), 1)} false alarms an hour")
    if not math.isnan(own.get("onset_delay_s")):
        parts.append(
            f"; the middle detection begins {number(own.get('onset_delay_s'), 1)} s after the true "
            f"onset, and 90 % are not later than {number(own.get('onset_delay_p90_s'), 1)} s (start of the "
            "first detected step: it is known when the step is over)"
        )
    return [*parts, "."]


def _against(run: Run, own: Scored) -> Iterator[str]:
    best = best_baseline(run)
    if best is None:
        yield "There is no baseline to hold beside it."
        return
    a, b = own.get(run.main_score), best.get(run.main_score)
    if math.isnan(a):
        yield f"The best of what needs no network ({best.name}) has {number(b)}, the network no score."
        return
    if open_question(run, best):
        yield strong("It is not told apart from the best baseline")
    else:
        yield strong(f"It lies {'above' if a > b else 'not above'} the best baseline")
    yield f" ({best.name}: {number(b)}, {number(abs(a - b))} {'lower' if b < a else 'higher'})."
    yield paired(run, best)


def _memory(run: Run, own: Scored, other: Scored) -> Iterator[str]:
    a, b = own.get(run.main_score), other.get(run.main_score)
    if math.isnan(a) or math.isnan(b):
        yield "Whether carrying memory helps cannot be said: a score is not defined."
        return
    carry, reset = (a, b) if own.inference == "carry" else (b, a)
    way = "raised" if carry > reset else "lowered" if carry < reset else "did not change"
    if open_question(run, other):
        way = "made no difference that shows in"
    yield strong(f"Carrying memory through a recording {way} the score")
    whose = "these networks" if run.folds else "this one network"
    yield f" of {whose}: {number(carry)} carried, {number(reset)} reset."
    yield paired(run, other)
    if run.seeds == 1:
        yield " One run with one seed is an example, not a comparison: memcell compare makes one."
