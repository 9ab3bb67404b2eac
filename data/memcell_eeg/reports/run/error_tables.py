"""Right and wrong in counts: confusion matrices by step, and events."""

from __future__ import annotations

import math
from collections.abc import Iterator

from memcell.reports import Html, table
from memcell.reports.numbers import count, number, percent
from memcell_eeg.reports.run.held import Run
from memcell_eeg.reports.run.phrasing import confusion_of, short
from memcell_eeg.reports.tables_in import as_float, value


def confusion_matrices(run: Run) -> Iterator[Html]:
    """Return a matrix with counts and shares for the run's network under both inference policies."""
    for row in (run.own, run.other):
        found = confusion_of(run, row) if row else None
        if row is None or found is None:
            continue
        tn, fp, fn, tp = (value(found, n) for n in
                          ("true_negative", "false_positive", "false_negative", "true_positive"))  # fmt: skip
        yield table(
            f"Steps, {short(row)}", ["truth", "called negative", "called positive", "steps"],
            [["negative", _share(tn, tn + fp), _share(fp, tn + fp), count(tn + fp)],
             ["positive", _share(fn, tp + fn), _share(tp, tp + fn), count(tp + fn)]],
        )  # fmt: skip


def event_table(run: Run) -> Html | None:
    """Return the events of each model in counts."""
    rows = []
    for row in run.rows:
        found = confusion_of(run, row)
        if found is None:
            continue
        true, detected, hits = (
            value(found, n) for n in ("true_events", "detected_events", "hit_events")
        )
        hours = value(found, "labelled_hours")
        rows.append(
            [short(row), count(true), _share(hits, true), count(true - hits), count(detected),
             count(detected - hits), number((detected - hits) / hours if hours else math.nan, 1)]
        )  # fmt: skip
    if not rows:
        return None
    heads = [
        "model",
        "true events",
        "found",
        "missed",
        "detected",
        "false alarms",
        "false alarms an hour",
    ]
    longest = as_float(run.sections.get(run.task.name, {}).get("max_duration"))
    pieces = (
        f"; an event longer than {longest:g} s counts once for each {longest:g} s"
        if longest > 0
        else ""
    )
    return table(f"Events in counts{pieces}", heads, rows)


def _share(part: float, whole: float) -> str:
    return f"{count(part)} ({percent(part / whole if whole else math.nan, 1)})"
