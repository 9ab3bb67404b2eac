"""Figures and tables of a prediction's report, arranged by ``templates/prediction.html``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from memcell.reports.charts import histogram
from memcell.reports.numbers import count, length, number, percent
from memcell.reports.page import html, render
from memcell.reports.palette import GAP, INK, series
from memcell.reports.parts import (
    Figure,
    Legend,
    Panels,
    Paragraph,
    Part,
    Table,
    Viewer,
    links,
    strong,
    text,
)
from memcell_eeg.export.layout import layout_of
from memcell_eeg.export.outputs import events_path, place_of, probability_path
from memcell_eeg.export.views import view_path
from memcell_eeg.reports.phrasing import cut, some
from memcell_eeg.reports.prediction.files import Prediction, Strip
from memcell_eeg.reports.prediction.model import ReportedModel
from memcell_eeg.reports.prediction.phrasing import (
    caveats,
    failed_line,
    messages,
    rate,
    recordings,
    results,
)
from memcell_eeg.reports.prediction.view import view_of
from memcell_eeg.reports.reading import value
from memcell_eeg.reports.time_chart import Bars, Line, TimeChart, draw
from memcell_eeg.reports.views import WriteView, introduction, placed, stored_view
from memcell_eeg.task import EegTask

TEMPLATES = Path(__file__).parent.parent / "templates"
MOST_ROWS = 200
MOST_REASONS = 20
FILES = (
    ("study.html", "all recordings and subjects, to sort"),
    ("summary.tsv", "a row for each recording"),
    ("prediction.json", "the model that predicted"),
)


def prediction_page(found: Prediction, task: EegTask, write: WriteView) -> str:
    """Return the report of a prediction's folder.

    Args:
        found: Its contents.
        task: What was predicted.
        write: Takes the pages of single recordings, where all are too much for one.
    """
    model = ReportedModel.of(found.about, found.origin)
    return render(
        "prediction.html",
        title=f"memcell predict {task.name}: {recordings(len(found.rows))}",
        folder=TEMPLATES,
        links=links(found.folder, FILES),
        simulated=model.simulated,
        failed=failed_line(found) if found.failed else "",
        results=list(results(found)),
        caveats=caveats(found, model),
        model=list(model.parts()),
        failures=_failures(found) if found.failed else None,
        strips=list(_strips(found, model, task, write)),
        distributions=list(_distributions(found, model)),
        recordings=list(_every_recording(found)),
    )


def _strips(
    found: Prediction, model: ReportedModel, task: EegTask, write: WriteView
) -> Iterator[Part]:
    """Return for each of the first recordings a view to scroll, and a strip: probability, events and gaps."""
    if not found.strips:
        yield Paragraph("There is no recording to draw.")
        return
    left = len(found.done) - len(found.strips)
    which = (
        f"The first {len(found.strips)} recordings in the order of the summary; {count(left)} more are in "
        "the table below and in their own files. "
        if left > 0
        else ""
    )
    yield Paragraph(
        f"{which}The line is the probability of the positive class at each step; in long recordings it is "
        "the mean of several steps in a band from the lowest to the highest. Steps at or above the dashed "
        "threshold are positive."
    )
    yield Legend(
        [("probability", series(0), ""), ("threshold", INK, "4 3"), ("event", series(0), "box"),
         ("gap, not recorded", GAP, "gap")]
    )  # fmt: skip
    figures = {strip.row["recording"]: _strip(found, strip, model) for strip in found.strips}
    by_name = {strip.row["recording"]: strip for strip in (*found.strips, *found.more)}
    views = (
        (
            view_of(strip, stored_view(view_path(found.folder, name), name), model.threshold, task),
            figures.get(name),
        )
        for name, strip in by_name.items()
    )
    parts = placed(views, write, f"memcell predict {task.name}")
    yield from introduction(parts, model.simulated)
    for name in by_name:
        if isinstance(parts[name], Viewer):
            yield parts[name]
        if name in figures:
            yield figures[name]


def _strip(found: Prediction, strip: Strip, model: ReportedModel) -> Figure:
    row = strip.row
    name = row.get("recording", "")
    events = len(strip.events)
    facts = [f"{length(strip.end)}", f"{events} event{'' if events == 1 else 's'}"]
    if len(strip.probability):
        facts.append(f"largest probability {number(float(strip.probability.max()), 2)}")
    if strip.gaps:
        lost = sum(b - a for a, b in strip.gaps)
        facts.append(f"{len(strip.gaps)} gap{'' if len(strip.gaps) == 1 else 's'} ({length(lost)})")
    first = float(strip.times[0]) if len(strip.times) else 0.0
    chart = TimeChart(
        span=(min(0.0, first), max(strip.end, 1e-3)), times=strip.times, step=strip.step, gaps=strip.gaps,
        lines=[Line(name="probability", values=strip.probability)] if len(strip.probability) else [],
        thresholds=[] if math.isnan(model.threshold) else [model.threshold],
        bars=[Bars(name="events", spans=[(a, a + d) for a, d in strip.events], colour=series(0))],
    )  # fmt: skip
    caption: list[str] = [strong(name), ": ", ", ".join(facts), "."]
    if strip.why:
        caption.append(f" {strip.why[:1].upper()}{strip.why[1:]}.")
    if about := messages(row):
        caption.append(f" {cut(about, 400)}.")
    own = [
        (_beside(found.folder, events_path(found.folder, place_of(row))), ""),
        (_beside(found.folder, probability_path(found.folder, place_of(row))), ""),
    ]
    for link in links(found.folder, own):
        caption += [" ", html(link)]
    svg = draw(chart, f"Recording {name}: {', '.join(facts)}.", 64)
    return Figure(svg, text(*caption), wide=True)


def _beside(folder: Path, file: Path) -> str:
    """Return a link to a file below the page's folder."""
    return file.relative_to(folder).as_posix()


def _distributions(found: Prediction, model: ReportedModel) -> Iterator[Part]:
    figures = []
    if len(found.durations):
        longest = max(1.0, min(60.0, float(np.ceil(found.durations.max()))))
        middle = float(np.median(found.durations))
        beyond = int(np.sum(found.durations > longest))
        extra = (
            f" The last bar includes {count(beyond)} longer than {length(longest)}."
            if beyond
            else ""
        )
        files = (
            f" Events of the first {count(found.event_files)} recordings."
            if found.event_files < len(found.done) - len(found.unread)
            else ""
        )
        words = f"Duration of {count(len(found.durations))} events, median {length(middle)}."
        svg = histogram(
            found.durations, np.linspace(0, longest, 31), "duration (s)", "events", words
        )
        figures.append(Figure(svg, words + extra + files))
    drawn = [s for s in found.strips if len(s.probability)]
    if drawn:
        p = np.concatenate([s.probability for s in drawn])
        of = (
            "all recordings"
            if len(drawn) == len(found.done)
            else f"the {len(drawn)} recordings drawn above"
        )
        above = f", {percent(float(np.mean(p >= model.threshold)), 1)} of them at or above the threshold"
        words = (
            f"Probabilities of {count(len(p))} steps of {of}"
            f"{above if model.threshold == model.threshold else ''}; logarithmic counts."
        )
        lines = [] if math.isnan(model.threshold) else [model.threshold]
        svg = histogram(
            p, np.linspace(0, 1, 41), "probability", "steps", words, lines, logarithmic=True
        )
        figures.append(Figure(svg, words))
    rates = np.array([rate(r) for r in found.done])
    rates = rates[np.isfinite(rates)]
    if len(rates) > 2:
        top = max(1.0, float(np.ceil(rates.max())))
        words = (
            f"Events per hour of {recordings(len(rates))}: median {number(float(np.median(rates)), 1)}, "
            f"maximum {number(float(rates.max()), 1)}."
        )
        svg = histogram(rates, np.linspace(0, top, 31), "events per hour", "recordings", words)
        figures.append(Figure(svg, words))
    if figures:
        yield Panels(figures)
    else:
        yield Paragraph("There is nothing to count.")


def _failures(found: Prediction) -> Table:
    """Return the reasons why recordings have no result, a row for each."""
    by_reason: dict[str, list[str]] = {}
    for row in found.failed:
        reason = row.get("reason", "").strip() or row.get("status", "") or "no reason given"
        for own in (row.get("file", ""), row.get("recording", "")):
            # the same fault of a hundred files is one row
            reason = reason.replace(own, "…") if own else reason
        by_reason.setdefault(reason, []).append(row.get("recording", ""))
    ordered = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    rows = [
        [some(names), count(len(names)), cut(why, 600)] for why, names in ordered[:MOST_REASONS]
    ]
    left = len(ordered) - len(rows)
    more = (
        f" (the {MOST_REASONS} most frequent reasons; {left} more in the file)" if left > 0 else ""
    )
    heads = ["recordings", "number", "reason"]
    return Table(f"Reasons{more}", heads, rows, 3, "summary.tsv")


def _every_recording(found: Prediction) -> Iterator[Part]:
    """Return a row for each of the first recordings, and a note on the others."""
    shown = found.rows[:MOST_ROWS]
    left = len(found.rows) - len(shown)
    columns: dict[str, list[str]] = {
        "recording": [r.get("recording", "") for r in shown],
        "status": [r.get("status", "") for r in shown],
        "reason, notes, warnings": [cut(messages(r), 160) for r in shown],
        "channels": [r.get("channels", "").replace(",", ", ") for r in shown],
        "events": [number(value(r, "events"), 0) for r in shown],
        "events per hour": [number(rate(r), 1) for r in shown],
        "time in events": [length(value(r, "event_seconds")) for r in shown],
        "largest probability": [number(value(r, "probability_max"), 2) for r in shown],
        "length": [length(3600 * value(r, "hours")) for r in shown],
        "rate (Hz)": [number(value(r, "rate"), 0) for r in shown],
        "gaps": [number(value(r, "gaps"), 0) for r in shown],
    }
    # columns that are empty in every row are left out
    shown_columns = {h: c for h, c in columns.items() if any(v.strip("–") for v in c)}
    words = sum(
        h in ("recording", "status", "reason, notes, warnings", "channels") for h in shown_columns
    )
    if shown:
        more = f" (the first {MOST_ROWS}; {count(left)} more in the file)" if left > 0 else ""
        rows = [list(cells) for cells in zip(*shown_columns.values(), strict=True)]
        yield Table(f"All recordings{more}", list(shown_columns), rows, words, "summary.tsv")
    states = Counter(r.get("status", "") for r in found.rows)
    where = "beside this page"
    if layout_of(found.folder).desc:
        where = (
            "in the folders of the subjects, under the name that summary.tsv has under 'results'"
        )
    counts = ", ".join(f"{count(n)} {s or 'without a status'}" for s, n in states.items())
    yield Paragraph(
        f"{recordings(len(found.rows))}: {counts or 'none'}. Each recording has files of its own "
        f"{where}: NAME_events.tsv (onset and duration in seconds, as in BIDS), NAME_probability.tsv (a row "
        "for each step) and NAME_events.json (the model and the source file)."
    )
