"""The results and caveats of a prediction in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from memcell.reports.numbers import count, length, number, percent
from memcell.reports.parts import Paragraph, paragraph, strong
from memcell_eeg.reports.phrasing import some
from memcell_eeg.reports.prediction.files import Prediction
from memcell_eeg.reports.prediction.model import ReportedModel
from memcell_eeg.reports.reading import TableRow, value


def recordings(n: int) -> str:
    """Return ``"1 recording"`` or ``"12 recordings"``."""
    return f"{count(n)} recording{'' if n == 1 else 's'}"


def failed_line(found: Prediction) -> str:
    """Return a phrase on the recordings without a result."""
    return (
        f"{recordings(len(found.failed))} of {count(len(found.rows))} could not be predicted (see Recordings "
        "without a result). Everything else on this page describes the others."
    )


def _totals(found: Prediction) -> tuple[float, float, float]:
    """Return hours, events and seconds of events, over the known values."""
    names = ("hours", "events", "event_seconds")
    sums = (float(np.nansum([value(r, n) for r in found.done] or [0.0])) for n in names)
    hours, events, seconds = sums
    return hours, events, seconds


def rate(row: TableRow) -> float:
    """Return the events per hour of a row of the summary; NaN if its length is unknown."""
    hours = value(row, "hours")
    return value(row, "events") / hours if hours > 0 else math.nan


def results(found: Prediction) -> Iterator[Paragraph]:
    """Return the number, rate and duration of the detected events."""
    if not found.done:
        yield paragraph("No recording has a result.", style="verdict")
        return
    hours, events, seconds = _totals(found)
    with_events = sum(value(r, "events") > 0 for r in found.done)
    yield paragraph(
        strong(f"{count(events)} events"), f" were detected in {count(with_events)} of "
        f"{recordings(len(found.done))} ({length(3600 * hours)} of signal): ",
        strong(f"{number(events / hours, 1) if hours else '–'} per hour"),
        f", {length(seconds)} in total, {percent(seconds / 3600 / hours if hours else math.nan, 1)} of the "
        "recorded time.", style="verdict",
    )  # fmt: skip
    rates = np.array([rate(r) for r in found.done])
    rates = rates[np.isfinite(rates)]
    if len(rates) > 1:
        quarter, middle, three = np.quantile(rates, (0.25, 0.5, 0.75))
        yield paragraph(
            f"Events per hour by recording: median {number(middle, 1)}, interquartile range "
            f"{number(quarter, 1)} to {number(three, 1)}, range {number(rates.min(), 1)} to "
            f"{number(rates.max(), 1)}."
        )


def caveats(found: Prediction, model: ReportedModel) -> list[str]:
    """Return the caveats, the most important first."""
    lines = [
        "These recordings have no labels here: the page shows the model’s predictions, and cannot show "
        "whether they are correct. An event is a run of steps at or above a threshold, not a diagnosis.",
        *model.caveats(),
    ]
    trained = [r["recording"] for r in found.done if model.knows(r["recording"])]
    if trained:
        lines.append(
            "The model was trained or tuned on recordings with the same names as "
            f"{recordings(len(trained))} of these ({some(trained)}), so its results there are optimistic."
        )
    warned = [r for r in found.done if r.get("warnings", "").strip()]
    if warned:
        lines.append(
            f"Signal warnings for {recordings(len(warned))} (see All recordings): "
            f"{some([r['recording'] for r in warned])}."
        )
    short = [r["recording"] for r in found.done if value(r, "hours") < 1 / 12]
    if short:
        lines.append(
            f"{recordings(len(short))} shorter than 5 minutes ({some(short)}): rates per hour are uncertain "
            "there, and normalization by the past, if the model uses it, has not settled."
        )
    flat = [
        r["recording"] for r in found.done if value(r, "event_seconds") > 1800 * value(r, "hours")
    ]
    if flat:
        lines.append(
            f"In {recordings(len(flat))} events take more than half of the time ({some(flat)}): sleep, long "
            "eye closure, or a signal unlike those the model was trained on."
        )
    if found.unread:
        lines.append(
            f"The events file of {recordings(len(found.unread))} listed as done cannot be read: "
            f"{some(found.unread)}."
        )
    return lines


def messages(row: TableRow) -> str:
    """Return the reason, note and signal warnings of a recording."""
    found = (row.get(n, "").strip().rstrip(".") for n in ("reason", "note", "warnings"))
    return "; ".join(f for f in found if f)
