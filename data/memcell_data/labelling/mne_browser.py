"""MNE's browser, in which a person corrects events as annotations of the recording."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memcell_data.formats.mne_open import open_raw
from memcell_data.recording import Interval

INSTALL = "pip install 'memcell-rnn[review]'"
#: Seconds of a page.
PAGE = 30.0


def why_not() -> str:
    """Return why MNE's browser cannot open here; empty where it can."""
    if importlib.util.find_spec("mne_qt_browser") is None:
        return f"MNE's browser is not installed ({INSTALL})"
    shown = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in shown):
        return "there is no display here"
    return ""


def edit(
    recording: Path,
    labels: Sequence[Interval],
    gaps: Sequence[tuple[float, float]],
    title: str,
) -> tuple[Interval, ...]:
    """Open a recording with labels as annotations, wait until the window is closed, and return them.

    Args:
        recording: Its file.
        labels: Seconds from the first sample.
        gaps: Onset and length of interruptions that MNE leaves out.
        title: Of the window.

    Raises:
        DataError: MNE cannot open the recording.
    """
    raw = open_raw(recording).raw
    annotate(raw, labels, gaps)
    show(raw, title)
    return annotated(raw, gaps)


def show(raw: Any, title: str) -> None:
    """Open the browser and wait until it is closed."""
    import mne

    with mne.viz.use_browser_backend("qt"):
        raw.plot(block=True, title=title, duration=PAGE, show_scrollbars=True, verbose="error")


def annotate(raw: Any, labels: Sequence[Interval], gaps: Sequence[tuple[float, float]]) -> None:
    """Give a recording labels as its only annotations, in MNE's time."""
    import mne

    start = raw.info["meas_date"]
    first = raw.first_time if start is not None else 0.0
    onsets = [first + i.onset - sum(g for at, g in gaps if at <= i.onset + 1e-6) for i in labels]
    annotations = mne.Annotations(
        onsets, [i.duration for i in labels], [i.label for i in labels], orig_time=start
    )
    raw.set_annotations(annotations, verbose="error")


def annotated(raw: Any, gaps: Sequence[tuple[float, float]]) -> tuple[Interval, ...]:
    """Return the annotations of a recording as labels in its own time, gaps included."""
    first = raw.first_time if raw.info["meas_date"] is not None else 0.0
    found = []
    for onset, duration, label in zip(
        raw.annotations.onset, raw.annotations.duration, raw.annotations.description, strict=True
    ):
        at = float(onset) - first
        for begin, length in gaps:
            if at >= begin - 1e-6:
                at += length
        found.append(Interval(onset=at, duration=float(duration), label=str(label)))
    return tuple(sorted(found, key=lambda i: i.onset))
