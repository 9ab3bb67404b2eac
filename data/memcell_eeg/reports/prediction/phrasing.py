"""What a prediction found, and what speaks against believing it, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from memcell.reports import Html, paragraph, strong
from memcell.reports.numbers import count, length, number, percent
from memcell_eeg.reports.prediction.files import Prediction
from memcell_eeg.reports.prediction.model import Model
from memcell_eeg.reports.tables_in import TableRow, value


def recordings(n: int) -> str:
    """Return ``"1 recording"`` or ``"12 recordings"``."""
    return f"{count(n)} recording{'' if n == 1 else 's'}"


def failed_line(found: Prediction) -> str:
    """Say how many recordings have no result."""
    return (
        f"{recordings(len(found.failed))} of {count(len(found.rows))} could not be predicted; the reasons "
        "stand below. Everything else on this page is of the others."
    )


def _totals(found: Prediction) -> tuple[float, float, float]:
    """Return hours, events and seconds of events, over what is known."""
    names = ("hours", "events", "event_seconds")
    sums = (float(np.nansum([value(r, n) for r in found.done] or [0.0])) for n in names)
    hours, events, seconds = sums
    return hours, events, seconds


def rate(row: TableRow) -> float:
    """Return the events an hour of a row of the summary; NaN where its length is not known."""
    hours = value(row, "hours")
    return value(row, "events") / hours if hours > 0 else math.nan


def answers(found: Prediction) -> Iterator[Html]:
    """Return what was found, in plain words."""
    if not found.done:
        yield paragraph("No recording has a result.", kind="verdict")
        return
    hours, events, seconds = _totals(found)
    with_events = sum(value(r, "events") > 0 for r in found.done)
    yield paragraph(
        strong(f"{count(events)} events"), f" were detected in {count(with_events)} of "
        f"{recordings(len(found.done))} ({length(3600 * hours)} of signal): ",
        strong(f"{number(events / hours, 1) if hours else '–'} an hour"),
        f", together {length(seconds)}, {percent(seconds / 3600 / hours if hours else math.nan, 1)} of the "
        "time.", kind="verdict",
    )  # fmt: skip
    rates = np.array([rate(r) for r in found.done])
    rates = rates[np.isfinite(rates)]
    if len(rates) > 1:
        quarter, middle, three = np.quantile(rates, (0.25, 0.5, 0.75))
        yield paragraph(
            f"Recordings differ: half of them have between {number(quarter, 1)} and {number(three, 1)} "
            f"events an hour (median {number(middle, 1)}, from {number(rates.min(), 1)} to "
            f"{number(rates.max(), 1)})."
        )


def doubts(found: Prediction, model: Model) -> list[str]:
    """Return every reason for doubt, the weightiest first."""
    lines = [
        "Nobody has labelled these recordings for this page: it shows what the model says, and cannot say "
        "whether that is right. An event here is a run of steps above a threshold, not a diagnosis.",
        *model.doubts(),
    ]
    trained = [r["recording"] for r in found.done if model.knows(r["recording"])]
    if trained:
        lines.append(
            "The model was trained or tuned on recordings of the same name as "
            f"{recordings(len(trained))} of these ({some(trained)}): there it looks better than it is."
        )
    warned = [r for r in found.done if r.get("warnings", "").strip()]
    if warned:
        lines.append(
            f"There are warnings about the signal of {recordings(len(warned))} (the table has them): "
            f"{some([r['recording'] for r in warned])}."
        )
    short = [r["recording"] for r in found.done if value(r, "hours") < 1 / 12]
    if short:
        lines.append(
            f"{recordings(len(short))} of less than 5 minutes ({some(short)}): a rate an hour means little "
            "there, and normalization by the past, where the model has it, has hardly settled."
        )
    flat = [
        r["recording"] for r in found.done if value(r, "event_seconds") > 1800 * value(r, "hours")
    ]
    if flat:
        lines.append(
            f"In {recordings(len(flat))} more than half of the time is event ({some(flat)}): sleep, closed "
            "eyes for long, or a signal unlike what the model was trained on."
        )
    if found.unread:
        lines.append(
            f"No events file can be read of {recordings(len(found.unread))} said to be done: "
            f"{some(found.unread)}."
        )
    return lines


def remarks(row: TableRow) -> str:
    """Return why a recording has no result, what it was noted for, and what is odd about its signal."""
    said = (row.get(n, "").strip().rstrip(".") for n in ("reason", "note", "warnings"))
    return "; ".join(s for s in said if s)


def some(names: list[str], most: int = 5) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {count(more)} more" if more > 0 else "")


def cut(words: str, most: int) -> str:
    """Return words, no longer than so many letters."""
    return words if len(words) <= most else words[: most - 1] + "…"
