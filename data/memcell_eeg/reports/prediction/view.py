"""A predicted recording as a view to scroll and zoom."""

from __future__ import annotations

import math

from memcell.reports.palette import series
from memcell.reports.viewer.stored import StoredView
from memcell.reports.viewer.view import View, ViewedBars, ViewedEvent, ViewedLine
from memcell_eeg.reports.prediction.files import Strip
from memcell_eeg.reports.views import gaps_left, largest, marked, why_not
from memcell_eeg.task import EegTask


def view_of(strip: Strip, stored: StoredView | None, threshold: float, task: EegTask) -> View:
    """Return the view of a recording.

    Args:
        strip: Its results.
        stored: What was kept of its signal.
        threshold: From which on a step is positive; NaN if unknown.
        task: What was predicted.
    """
    signals = None if stored is None else stored.signals
    step = strip.step if strip.step == strip.step else 1.0
    end = strip.end
    lines = []
    if len(strip.times):
        lines.append(
            ViewedLine(
                name="probability", times=strip.times, values=strip.probability, step=step,
                threshold=threshold,
            )
        )  # fmt: skip
    bars = [
        ViewedBars(
            name="detected",
            spans=[(a, a + d) for a, d in strip.events],
            colour=series(0),
            behind=True,
        )
    ]
    marks, levels = marked(stored, task, f"marked {task.event}")
    peaks = largest(strip.times, strip.probability, [(a, a + d) for a, d in strip.events])
    duration = max(end, 0.0 if signals is None else signals.duration, 1.0)
    return View(
        name=strip.row.get("recording", ""), duration=duration, lines=lines, bars=[*bars, *marks],
        levels=levels, signals=signals,
        recorded=() if signals is not None else gaps_left(strip.gaps, duration),
        events=[
            ViewedEvent(onset=a, duration=d, peak=p if math.isfinite(p) else math.nan)
            for (a, d), p in zip(strip.events, peaks, strict=True)
        ],
        event=f"detected events ({task.event})", notes=why_not(stored),
    )  # fmt: skip
