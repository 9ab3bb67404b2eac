"""The pictures of a prediction's page: a strip for each of the first recordings, and histograms over all."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from memcell.reports import (
    Html,
    drawing,
    legend,
    panels,
    paragraph,
    strong,
    text,
)
from memcell.reports.numbers import count, length, number, percent
from memcell_eeg.reports.drawings.along_time import EVENT, GAP, Bars, Line, Scene, draw
from memcell_eeg.reports.drawings.small import histogram
from memcell_eeg.reports.prediction.files import Prediction, Strip
from memcell_eeg.reports.prediction.model import Model
from memcell_eeg.reports.prediction.phrasing import cut, rate, recordings, remarks


def strips(found: Prediction, model: Model) -> Iterator[Html]:
    """Return a strip of each of the first recordings: probability, events and gaps along time."""
    if not found.strips:
        yield paragraph("There is no recording to draw.")
        return
    left = len(found.done) - len(found.strips)
    which = (
        f"The first {len(found.strips)} recordings in the order of the summary; {count(left)} more "
        "are in the table below, and in their own files. "
        if left > 0
        else ""
    )
    yield paragraph(
        which, "The line is the probability of the positive class at each step; in a long recording it is "
        "the mean of each piece, in a band from its lowest to its highest value. A step counts from the "
        "dashed threshold on.",
    )  # fmt: skip
    yield legend(
        [("probability", EVENT, ""), ("threshold", "#1d1d1f", "4 3"), ("event", EVENT, "box"),
         ("gap, not recorded", GAP, "gap")]
    )  # fmt: skip
    for strip in found.strips:
        yield _strip(strip, model)


def _strip(strip: Strip, model: Model) -> Html:
    row = strip.row
    name = row.get("recording", "")
    events = len(strip.events)
    said = [f"{length(strip.end)}", f"{events} event{'' if events == 1 else 's'}"]
    if len(strip.probability):
        said.append(f"largest probability {number(float(strip.probability.max()), 2)}")
    if strip.gaps:
        lost = sum(b - a for a, b in strip.gaps)
        said.append(f"{len(strip.gaps)} gap{'' if len(strip.gaps) == 1 else 's'} ({length(lost)})")
    first = float(strip.times[0]) if len(strip.times) else 0.0
    scene = Scene(
        span=(min(0.0, first), max(strip.end, 1e-3)), times=strip.times, step=strip.step, gaps=strip.gaps,
        lines=[Line(name="probability", values=strip.probability)] if len(strip.probability) else [],
        thresholds=[] if math.isnan(model.threshold) else [model.threshold],
        bars=[Bars(name="events", spans=[(a, a + d) for a, d in strip.events], colour=EVENT)],
    )  # fmt: skip
    alt = f"Recording {name}: {', '.join(said)}."
    caption: list[str] = [strong(name), ": ", ", ".join(said), "."]
    if strip.why:
        caption.append(f" {strip.why[:1].upper()}{strip.why[1:]}.")
    if said_of := remarks(row):
        caption.append(f" {cut(said_of, 400)}.")
    return drawing(draw(scene, alt, 64), text(*caption))


def overall(found: Prediction, model: Model) -> Iterator[Html]:
    """Return histograms: how long events are, probabilities, events an hour."""
    figures = []
    if len(found.durations):
        longest = max(1.0, min(60.0, float(np.ceil(found.durations.max()))))
        middle = float(np.median(found.durations))
        beyond = int(np.sum(found.durations > longest))
        extra = (
            f" {count(beyond)} longer than {length(longest)} are in the last bar." if beyond else ""
        )
        files = (
            f" The events of the first {count(found.event_files)} recordings."
            if found.event_files < len(found.done) - len(found.unread)
            else ""
        )
        words = (
            f"How long events are: {count(len(found.durations))} events, median {length(middle)}."
        )
        svg = histogram(
            found.durations, np.linspace(0, longest, 31), "duration (s)", "events", words
        )
        figures.append(drawing(svg, words + extra + files))
    drawn = [s for s in found.strips if len(s.probability)]
    if drawn:
        p = np.concatenate([s.probability for s in drawn])
        of = (
            "all recordings"
            if len(drawn) == len(found.done)
            else f"the {len(drawn)} recordings drawn above"
        )
        above = (
            f", {percent(float(np.mean(p >= model.threshold)), 1)} of them from the threshold on"
        )
        words = (
            f"Probabilities of {count(len(p))} steps of {of}"
            f"{above if model.threshold == model.threshold else ''}; the counts are on a logarithmic scale."
        )
        lines = [] if math.isnan(model.threshold) else [model.threshold]
        svg = histogram(
            p, np.linspace(0, 1, 41), "probability", "steps", words, lines, logarithmic=True
        )
        figures.append(drawing(svg, words))
    rates = np.array([rate(r) for r in found.done])
    rates = rates[np.isfinite(rates)]
    if len(rates) > 2:
        top = max(1.0, float(np.ceil(rates.max())))
        words = (
            f"Events an hour of {recordings(len(rates))}: median {number(float(np.median(rates)), 1)}, most "
            f"{number(float(rates.max()), 1)}."
        )
        svg = histogram(rates, np.linspace(0, top, 31), "events an hour", "recordings", words)
        figures.append(drawing(svg, words))
    if figures:
        yield panels(*figures)
    else:
        yield paragraph("There is nothing to count.")
