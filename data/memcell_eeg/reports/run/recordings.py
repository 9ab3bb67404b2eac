"""Test recordings along time: selected segments in detail, and whole recordings as strips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.files.names import file_name
from memcell.reports.numbers import count, length, number
from memcell.reports.palette import GAP, INK, TRUTH, UNLABELLED, dash, series
from memcell.reports.parts import Figure, Legend, Paragraph, Part, Viewer, strong, text
from memcell.reports.viewer.stored import StoredView
from memcell.reports.viewer.view import View, ViewedBars, ViewedEvent, ViewedLine
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.reports.excerpts import Excerpt
from memcell_eeg.reports.places import EVENTS, ShownSegment, choose
from memcell_eeg.reports.reading import as_float
from memcell_eeg.reports.run.files import RunFiles, ScoreRow
from memcell_eeg.reports.run.phrasing import handling
from memcell_eeg.reports.time_chart import (
    Bars,
    Line,
    SignalEnvelope,
    Spans,
    TimeChart,
    draw,
)
from memcell_eeg.reports.views import (
    WriteView,
    gaps_left,
    introduction,
    largest,
    marked,
    placed,
    stored_view,
    view_files,
    why_not,
)
from memcell_eeg.scores.events import runs

MOST_STRIPS = 12
#: Places on a page where each fold brings its own.
MOST_PLACES = 6


@dataclass(frozen=True, kw_only=True)
class Tested:
    """One test sequence with the predictions of memory carried and reset.

    Args:
        sequence: With targets.
        models: (row, ``[n]`` probability of the positive class, threshold).
    """

    sequence: TimeSeries
    models: list[tuple[ScoreRow, NDArray[np.float64], float]]


def tested(run: RunFiles) -> dict[str, Tested]:
    """Return the test sequences by name."""
    found: dict[str, Tested] = {}
    for row in (run.own, run.other):
        for part in run.predictions.get(row.name, ()) if row else ():
            for s, p in zip(part.sequences, part.probabilities, strict=True):
                one = found.setdefault(s.name, Tested(sequence=s, models=[]))
                if row is not None and one.sequence.n_steps == len(p):
                    one.models.append(
                        (row, p[:, 1].astype(np.float64), part.decision.get("threshold", 0.5))
                    )
    return found


def places(run: RunFiles) -> Iterator[Part]:
    """Return selected segments, with signal if the run saved it."""
    by_name = tested(run)
    if not by_name:
        yield Paragraph("The run kept no predictions of its test recordings, so none is drawn.")
        return
    shown = run.excerpts or _chosen(by_name)
    shown = [e for e in shown if e.sequence in by_name]
    if run.folds:
        # those with the most events, and the most errors, of all folds
        shown = sorted(shown, key=lambda e: (e.place.why != EVENTS, -e.place.found))
        kinds = [[e for e in shown if (e.place.why == EVENTS) == kind] for kind in (True, False)]
        shown = [e for kind in kinds for e in kind[: MOST_PLACES // 2]]
    if not shown:
        yield Paragraph("No test recording has an event or a wrong step.")
        return
    yield Paragraph(
        "The first places are those where most true events begin, chosen by the labels alone; the others "
        "those with most wrong steps of the network. Neither is a representative sample of the recordings."
    )
    yield _legend(run, any(not v.sequence.labelled.all() for v in by_name.values()))
    for excerpt in shown:
        yield _place(run, by_name[excerpt.sequence], excerpt)
    if run.excerpts and not run.simulated:
        yield Paragraph(
            "The signals above were recorded from people: share this page as you would share their "
            "recordings."
        )
    if not run.excerpts:
        yield Paragraph("The signals are missing: the run kept none (excerpts.npz).")


def strips(run: RunFiles, write: WriteView) -> Iterator[Part]:
    """Return whole test recordings, those with most true events first, each to scroll and as a picture."""
    by_name = tested(run)
    ordered = sorted(by_name.values(), key=lambda v: (-len(_true(v.sequence)), v.sequence.name))
    if not ordered:
        return
    left = len(ordered) - MOST_STRIPS
    which = (
        f"The {MOST_STRIPS} test recordings with the most true events; {left} more are not drawn. "
        if left > 0 else "All test recordings, in order of their number of true events. "
    )  # fmt: skip
    yield Paragraph(
        f"{which}In long recordings the line is the mean of several steps in a band from lowest to highest."
    )
    yield _legend(run, any(not v.sequence.labelled.all() for v in by_name.values()))
    kept = view_files([run.folder, *run.folds])
    figures = {one.sequence.name: _strip(run, one) for one in ordered[:MOST_STRIPS]}
    # recordings that have no picture here have a page of their own where their signal was kept
    viewed = [
        v for k, v in enumerate(ordered) if k < MOST_STRIPS or file_name(v.sequence.name) in kept
    ]
    named = [(v.sequence.name, v) for v in viewed]
    views = (
        (_view(run, v, stored_view(kept.get(file_name(name)), name)), figures.get(name))
        for name, v in named
    )
    parts = placed(views, write, f"memcell train {run.task.name}")
    yield from introduction(parts, run.simulated)
    for one in viewed:
        name = one.sequence.name
        if isinstance(parts[name], Viewer):
            yield parts[name]
        if name in figures:
            yield figures[name]


def _strip(run: RunFiles, one: Tested) -> Figure:
    s = one.sequence
    span = (float(s.times[0]), float(s.times[-1]) + s.step_seconds)
    caption = text(strong(s.name), f", subject {s.subject}: {_summary(one, span)}")
    return Figure(draw(_chart(run, one, span), _alt(one, span), 64), caption, wide=True)


def _view(run: RunFiles, one: Tested, stored: StoredView | None) -> View:
    """Return a test recording as a view to scroll and zoom."""
    s = one.sequence
    chart = _chart(run, one, (float(s.times[0]), float(s.times[-1]) + s.step_seconds))
    signals = None if stored is None else stored.signals
    lines = [
        ViewedLine(
            name=f"memory {handling(row)}", times=s.times, values=p, step=s.step_seconds,
            threshold=threshold, look=0 if row.inferred_with == "carry" else 1,
        )
        for row, p, threshold in one.models
    ]  # fmt: skip
    own = one.models[0] if one.models else None
    found = _found(run, s, own[1], own[2]) if own else []
    first = len(chart.bars) - len(one.models)  # that of the run's own network
    bars = [
        ViewedBars(
            name=b.name, spans=b.spans, colour=b.colour, behind=own is not None and k == first
        )
        for k, b in enumerate(chart.bars)
    ]
    marks, levels = marked(stored, run.task, "")
    duration = max(chart.span[1], 0.0 if signals is None else signals.duration)
    outside = [] if s.times[0] <= 0 else [(0.0, float(s.times[0]))]
    return View(
        name=s.name, duration=duration, lines=lines, bars=[*bars, *marks], levels=levels, signals=signals,
        recorded=() if signals is not None else gaps_left([*outside, *chart.gaps], duration),
        events=_events(run, one, found), event="events, detected and true", notes=why_not(stored),
    )  # fmt: skip


def _events(run: RunFiles, one: Tested, found: Spans) -> list[ViewedEvent]:
    """Return detected events, and true ones that none overlaps, in order of onset."""
    s, true = one.sequence, _true(one.sequence)
    near = float(np.nan_to_num(as_float(run.sections.get(run.task.name, {}).get("tolerance"))))
    peaks = largest(s.times, one.models[0][1], found) if one.models else []
    labelled = s.times[s.labelled]

    def kind(a: float, b: float) -> str:
        if any(x < b + near and y > a - near for x, y in true):
            return "hit"
        known = np.searchsorted(labelled, b - 1e-9) > np.searchsorted(labelled, a - 1e-9)
        return "false alarm" if known else "no label"

    events = [
        ViewedEvent(onset=a, duration=b - a, peak=p, kind=kind(a, b))
        for (a, b), p in zip(found, peaks, strict=True)
    ]
    events += [
        ViewedEvent(onset=a, duration=b - a, kind="missed")
        for a, b in true
        if not any(x < b + near and y > a - near for x, y in found)
    ]
    return sorted(events, key=lambda e: e.onset)


def _chosen(by_name: dict[str, Tested]) -> list[Excerpt]:
    """Choose segments, without signal, for a run that saved none."""
    whole = list(by_name.values())
    if not whole or not whole[0].models:
        return []
    p = [np.stack([1 - v.models[0][1], v.models[0][1]], axis=1).astype(np.float32) for v in whole]
    chosen = choose([v.sequence for v in whole], p, whole[0].models[0][2])
    return [
        Excerpt(sequence=whole[c.index].sequence.name, place=c, channels={}, scale=1.0, unit="")
        for c in chosen
    ]


def _place(run: RunFiles, one: Tested, excerpt: Excerpt) -> Figure:
    place: ShownSegment = excerpt.place
    span = (place.start, place.end)
    signals = [
        SignalEnvelope(name=name, times=times, low=low, high=high)
        for name, (times, low, high) in excerpt.channels.items()
        if len(times)
    ]
    chart = _chart(run, one, span, signals, excerpt.scale, excerpt.unit)
    s = one.sequence
    caption = text(
        strong(f"{place.why.capitalize()} ({place.found})"), f": {s.name}, subject {s.subject}, from "
        f"{length(place.start)} to {length(place.end)}. {_summary(one, span)}",
        f" No signal: {excerpt.why_not}." if excerpt.why_not else "",
    )  # fmt: skip
    return Figure(draw(chart, _alt(one, span)), caption, wide=True)


def _chart(
    run: RunFiles, one: Tested, span: tuple[float, float], signals: list[SignalEnvelope] | None = None,
    scale: float = 1.0, unit: str = "µV",
) -> TimeChart:  # fmt: skip
    s = one.sequence
    inside = (s.times > span[0] - s.step_seconds) & (s.times < span[1])
    lines, bars, thresholds = [], [Bars(name="true", spans=_true(s), colour=TRUTH)], []
    if not s.labelled.all():
        unknown = [(e.onset, e.end) for e in runs(~s.labelled, s)]
        bars.append(Bars(name="no label", spans=unknown, colour=UNLABELLED))
    for row, p, threshold in one.models:
        look = 0 if row.inferred_with == "carry" else 1
        lines.append(Line(name=row.inferred_with, values=p[inside], look=look))
        thresholds.append(threshold)
        bars.append(
            Bars(
                name="carried" if look == 0 else "reset",
                spans=_found(run, s, p, threshold),
                colour=series(look),
            )
        )
    gaps = [(float(s.times[b - 1]) + s.step_seconds, float(s.times[b])) for b in s.breaks]
    return TimeChart(
        span=span, times=s.times[inside], step=s.step_seconds, lines=lines, thresholds=thresholds, bars=bars,
        gaps=gaps, signals=signals or [], scale=scale, unit=unit,
    )  # fmt: skip


def _true(s: TimeSeries) -> Spans:
    return [(e.onset, e.end) for e in runs(np.asarray(s.targets == 1), s)]


def _found(run: RunFiles, s: TimeSeries, p: NDArray[np.float64], threshold: float) -> Spans:
    """Return the detected events: runs of positive steps under the run's rules of merging and length."""
    own = run.sections.get(run.task.name, {})
    merge, shortest = (np.nan_to_num(as_float(own.get(n))) for n in ("merge", "min_duration"))
    found = runs(p >= threshold, s, float(merge), float(shortest))
    return [(e.onset, e.end) for e in found]


def _summary(one: Tested, span: tuple[float, float]) -> str:
    s = one.sequence
    inside = (s.times >= span[0] - 1e-9) & (s.times < span[1]) & s.labelled
    true = sum(span[0] <= a < span[1] for a, _ in _true(s))
    parts = [f"{true} true event{'' if true == 1 else 's'}"]
    if inside.any():
        for row, p, threshold in one.models:
            wrong = float(np.mean((p >= threshold)[inside] != (s.targets == 1)[inside]))
            parts.append(
                f"{number(100 * wrong, 1)} % of the steps wrong with memory {handling(row)}"
            )
    else:
        parts.append("no labelled step")
    return ", ".join(parts) + "."


def _alt(one: Tested, span: tuple[float, float]) -> str:
    s = one.sequence
    return (
        f"Recording {s.name} from {length(span[0])} to {length(span[1])}: probabilities, true events and "
        f"detected events. {_summary(one, span)} {count(len(s.breaks))} gaps in the whole recording."
    )


def _legend(run: RunFiles, unlabelled: bool) -> Legend:
    entries = [
        (f"memory {'carried' if k == 0 else 'reset'}, bars: detected events", series(k), dash(k))
        for row in (run.own, run.other) if row is not None
        for k in [0 if row.inferred_with == "carry" else 1]
    ]  # fmt: skip
    return Legend(
        [*entries, ("thresholds", INK, "4 3"), ("true event", TRUTH, "box"),
         *([("no label", UNLABELLED, "box")] if unlabelled else []),
         ("gap: memory is reset", GAP, "gap")]
    )  # fmt: skip
