"""Figures of a run's report: learning curves, errors, and memory carried and reset."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from memcell.reports.charts import Curve, PointRow, curves, histogram, rows
from memcell.reports.numbers import count, number, percent
from memcell.reports.palette import dash, series
from memcell.reports.parts import Figure, Legend, Panels, Paragraph, Part
from memcell_eeg.reports.phrasing import capital, name_of
from memcell_eeg.reports.reading import value
from memcell_eeg.reports.run.by_recording import against_prior
from memcell_eeg.reports.run.files import Learning, RunFiles, ScoreRow
from memcell_eeg.reports.run.phrasing import handling, short


def learning(run: RunFiles) -> Iterator[Part]:
    """Return learning curves, a panel for each network."""
    names = list(dict.fromkeys(c.name for c in run.learning))
    if not names:
        yield Paragraph("There is no learning curve: no epoch was finished.")
        return
    every = [v for c in run.learning for _, v in (*c.training, *c.validation)]
    top = float(np.quantile(every, 0.98)) * 1.1 if every else 1.0
    last = max((u for c in run.learning for u, _ in (*c.training, *c.validation)), default=1)
    figures = []
    for name in names:
        own = [c for c in run.learning if c.name == name]
        lines = [_curve("training", c.training, 0) for c in own if c.training]
        lines += [_curve("validation", c.validation, 1) for c in own if c.validation]
        words = _ends(own)
        svg = curves(lines, (0, last), (0, top), "updates", "loss (nats)", f"{name}. {words}")
        figures.append(Figure(svg, f"{name[:1].upper()}{name[1:]}. {words}"))
    drawn = [("training recordings", series(0), dash(0))]
    if any(c.validation for c in run.learning):
        drawn.append(("validation recordings", series(1), dash(1)))
    yield Legend(drawn)
    yield Panels(figures)


def _curve(name: str, pairs: list[tuple[int, float]], look: int) -> Curve:
    return Curve(name=name, x=[float(u) for u, _ in pairs], y=[v for _, v in pairs], look=look)


def _ends(own: list[Learning]) -> str:
    if len(own) > 1:
        best = [min(v for _, v in c.validation) for c in own if c.validation]
        middle = (
            f"; median of their lowest validation losses {number(float(np.median(best)))}"
            if best
            else ""
        )
        return f"{len(own)} folds, a line each{middle}."
    c = own[0]
    if not c.validation:
        return (
            f"Training loss of the last whole epoch {number(c.training[-1][1])}; nobody was set aside for "
            "validation."
        )
    at, best_loss = min(c.validation, key=lambda pair: pair[1])
    return (
        f"Lowest validation loss {number(best_loss)} at update {at}, whose weights are kept. Training ended "
        f"at update {max(u for u, _ in (*c.training, *c.validation))}."
    )


#: Changes further away than this are in the outermost bins and not drawn, s.
NEAR = 12.0


def both_inferences(run: RunFiles) -> list[tuple[ScoreRow, int]]:
    """Return the run's network with memory carried and reset at inference, each with its style."""
    there = [r for r in (run.own, run.other) if r is not None]
    return [(r, 0 if r.inferred_with == "carry" else 1) for r in there]


def inference_legend(run: RunFiles) -> Legend:
    """Return the legend of carried and reset."""
    return Legend(
        [
            (f"memory {handling(row)} at inference", series(look), dash(look))
            for row, look in both_inferences(run)
        ]
    )


def precision_recall(run: RunFiles) -> Iterator[Figure]:
    """Return precision against recall, with the operating points."""
    lines, facts = [], []
    share = math.nan
    for row, look in both_inferences(run):
        found = run.table("pr", row)
        if not found:
            continue
        at = [(value(r, "recall"), value(r, "precision")) for r in run.table("operating", row)]
        at = [p for p in at if not any(map(math.isnan, p))]
        lines.append(
            Curve(name=short(row), x=[value(r, "recall") for r in found], points=at, look=look,
                  y=[value(r, "precision") for r in found])
        )  # fmt: skip
        working = (
            f", operating point recall {number(at[0][0], 2)}, precision {number(at[0][1], 2)}"
            if at
            else ""
        )
        facts.append(f"memory {handling(row)}: area {number(row.get('auc_pr'))}{working}")
        counts = next((r for r in run.table("confusion", row) if r.get("subject") == "all"), None)
        if counts is not None:
            positive = value(counts, "true_positive") + value(counts, "false_negative")
            every = positive + value(counts, "true_negative") + value(counts, "false_positive")
            share = positive / every if every else math.nan
    if not lines:
        return
    words = f"{'; '.join(facts)}. The dashed line is chance: {percent(share, 1)} of the steps are positive."
    svg = curves(lines, (0, 1), (0, 1.02), "recall (sensitivity)", "precision", words, level=share)
    yield Figure(
        svg,
        "Precision and recall of steps over all thresholds; the square is the operating point. "
        f"{words[:1].upper()}{words[1:]}",
    )


def calibration(run: RunFiles) -> Iterator[Figure]:
    """Return the share of positive steps by predicted probability."""
    lines, facts = [], []
    for row, look in both_inferences(run):
        found = [r for r in run.table("calibration", row) if value(r, "count") > 0]
        if found:
            lines.append(
                Curve(name=short(row), x=[value(r, "mean_probability") for r in found], look=look, marks=True,
                      y=[value(r, "observed") for r in found])
            )  # fmt: skip
            fewest = min(value(r, "count") for r in found)
            facts.append(
                f"memory {handling(row)}: expected calibration error {number(row.get('ece'))}, Brier "
                f"score {number(row.get('brier'))}{against_prior(run, row)}, at least "
                f"{count(fewest)} steps per point"
            )
    if lines:
        words = f"{'; '.join(facts)}."
        svg = curves(
            lines,
            (0, 1),
            (0, 1),
            "probability (corrected for class weights)",
            "fraction positive",
            words,
            diagonal=True,
        )
        yield Figure(
            svg,
            "Calibration: on the dashed line predicted probability and observed frequency are equal. "
            f"{words[:1].upper()}{words[1:]}",
        )


def delays(run: RunFiles) -> Iterator[Figure]:
    """Return the onset delay of detected events."""
    for row, look in both_inferences(run):
        late = np.array([value(r, "delay_s") for r in run.table("delays", row)])
        late = late[np.isfinite(late)]
        if not len(late):
            continue
        low, high = float(np.floor(late.min())), float(np.ceil(late.max()))
        low, high = max(min(low, -1.0), -15.0), min(max(high, 2.0), 15.0)
        early = int(np.sum(late < 0))
        beyond = int(np.sum((late < low) | (late > high)))
        words = (
            f"Memory {handling(row)}: {count(len(late))} detected event{'' if len(late) == 1 else 's'}, "
            f"median {number(float(np.median(late)), 1)} s, 90th percentile "
            f"{number(float(np.quantile(late, 0.9)), 1)} s; {early} detected before the true onset."
        )
        words += f" The outermost bars include {beyond} beyond the axis." * bool(beyond)
        svg = histogram(
            late,
            np.linspace(low, high, 25),
            "onset delay (s)",
            "events",
            words,
            [0.0],
            look=look,
        )
        yield Figure(svg, f"Onset delay. {words}")


def transitions(run: RunFiles) -> Iterator[Figure]:
    """Return the error rate of steps around changes of the label."""
    for change, words in (
        ("to_positive", "the true onset of events"),
        ("to_negative", "the true end of events"),
    ):
        lines, facts = [], []
        for row, look in both_inferences(run):
            found = [r for r in run.table("transitions", row) if r.get("change") == change]
            xs: list[float] = []
            ys: list[float] = []
            for r in found:
                a, b, rate = value(r, "from_s"), value(r, "to_s"), value(r, "error_rate")
                if math.isfinite(a) and math.isfinite(b) and b > a and not math.isnan(rate):
                    xs += [a, b]
                    ys += [rate, rate]
            if xs:
                lines.append(Curve(name=short(row), x=xs, y=ys, look=look))
                worst = max(range(len(ys)), key=ys.__getitem__)
                facts.append(f"memory {handling(row)}: maximum {percent(ys[worst])}")
        if lines:
            near = max(min(NEAR, max(abs(x) for line in lines for x in line.x)), 1e-9)
            caption = f"Error rate of steps around {words}: {'; '.join(facts)}."
            svg = curves(
                lines,
                (-near, near),
                (0, 1),
                f"time from {words} (s)",
                "error rate",
                caption,
                upright=0.0,
            )
            yield Figure(svg, caption)


MOST_POINTS = 30


def by_subject(run: RunFiles, score: str, x_label: str, what: str) -> Iterator[Figure]:
    """Return a score of each test subject, with memory carried and reset."""
    both = both_inferences(run)
    tables = [
        {r.get("subject", ""): value(r, score) for r in run.table("subjects", row)}
        for row, _ in both
    ]
    names = list(tables[0])[:MOST_POINTS] if tables else []
    if not names:
        return
    values = [[t.get(n, math.nan) for t in tables] for n in names]
    if all(math.isnan(v) for row in values for v in row):
        return
    listed = "; ".join(
        f"{n}: {' and '.join(number(v, 2) for v in row)}"
        for n, row in zip(names, values, strict=True)
    )
    left = len(tables[0]) - len(names)
    more = f" The first {len(names)} of {len(tables[0])} subjects." if left > 0 else ""
    looks = [k for _, k in both]
    points = [
        PointRow(name=n, values=list(zip(v, looks, strict=True)))
        for n, v in zip(names, values, strict=True)
    ]
    svg = rows(points, x_label, f"{what} of each test subject. {listed}")
    yield Figure(
        svg,
        f"{what} by test subject; dots: memory carried, squares: memory reset.{more}",
    )


def difference(run: RunFiles) -> Iterator[Figure]:
    """Return the difference between memory carried and reset, by test subject."""
    sides = {
        row.inferred_with: {
            r.get("subject", ""): value(r, run.main_score) for r in run.table("subjects", row)
        }
        for row, _ in both_inferences(run)
    }
    if set(sides) < {"carry", "reset"}:
        return
    apart = {n: v - sides["reset"].get(n, math.nan) for n, v in sides["carry"].items()}
    known = [v for v in apart.values() if not math.isnan(v)]
    if not known:
        return
    names = list(apart)[:MOST_POINTS]
    words = (
        f"{capital(name_of(run.main_score))} of the same network, memory carried minus memory reset: "
        f"higher in {sum(v > 0 for v in known)} of {len(known)} subjects, mean "
        f"{number(float(np.mean(known)))}."
    )
    points = [PointRow(name=n, values=[(apart[n], 0)]) for n in names]
    svg = rows(points, f"difference in {name_of(run.main_score)}", words, zero=True)
    yield Figure(svg, words)


def staleness(run: RunFiles) -> Iterator[Part]:
    """Return the measurements of the staleness probe, if it ran."""
    if not run.staleness:
        yield Paragraph(
            "Not measured. With --probe staleness a run also measures the distance of carried memory from "
            "the memory that the current parameters would compute, and its cost in loss."
        )
        return
    plots = (
        ("lag", "S", "lag of the memory (updates)", "distance S (share of its size)",
         "Distance of carried memory from the memory that the current parameters compute, by its lag"),
        ("dL_zero", "dL_stale", "gain of memory (nats)", "cost of staleness (nats)",
         "Cost of staleness in loss against the gain of memory; negative values are noise"),
    )  # fmt: skip
    figures = []
    for x_name, y_name, x_label, y_label, words in plots:
        pairs = [(v[x_name], v[y_name]) for v in run.staleness if x_name in v and y_name in v]
        if not pairs:
            continue
        xs, ys = (np.array(k) for k in zip(*pairs, strict=True))
        caption = (
            f"{words}: {len(pairs)} measurements, mean {y_label} {number(float(ys.mean()))}, mean {x_label} "
            f"{number(float(xs.mean()))}."
        )
        svg = curves(
            [Curve(name="", x=[], y=[], faint=(xs[:2000], ys[:2000]))],
            _range(xs), _range(ys), x_label, y_label, caption,
        )  # fmt: skip
        figures.append(Figure(svg, caption))
    yield (
        Panels(figures)
        if figures
        else Paragraph("The staleness probe has no measurement that can be drawn.")
    )


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    pad = 0.05 * (high - low) or 1.0
    return (low - pad if low < 0 else 0.0), high + pad
