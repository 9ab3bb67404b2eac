"""How a network errs: precision and recall, calibration, delays, errors around transitions."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from memcell.reports import Html, drawing, legend
from memcell.reports.numbers import count, number, percent
from memcell.reports.svg import COLOURS, DASHES
from memcell_eeg.reports.drawings.small import Curve, curves, histogram
from memcell_eeg.reports.run.held import Run, Scored
from memcell_eeg.reports.run.phrasing import short, way
from memcell_eeg.reports.tables_in import value

#: Changes further away than this are in the outermost bins and not drawn, s.
NEAR = 12.0


def two(run: Run) -> list[tuple[Scored, int]]:
    """Return the run's network with memory carried and with memory reset, each with its look."""
    rows = [r for r in (run.own, run.other) if r is not None]
    return [(r, 0 if r.inference == "carry" else 1) for r in rows]


def two_legend(run: Run) -> Html:
    """Return the legend of carried and reset."""
    return legend(
        [(f"memory {way(row)} when scoring", COLOURS[look], DASHES[look]) for row, look in two(run)]
    )  # fmt: skip


def precision_recall(run: Run) -> Iterator[Html]:
    """Return precision against recall, with the points where the networks work."""
    lines, told = [], []
    share = math.nan
    for row, look in two(run):
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
            f", working at recall {number(at[0][0], 2)} and precision {number(at[0][1], 2)}"
            if at
            else ""
        )
        told.append(f"memory {way(row)}: area {number(row.get('auc_pr'))}{working}")
        counts = next((r for r in run.table("confusion", row) if r.get("subject") == "all"), None)
        if counts is not None:
            positive = value(counts, "true_positive") + value(counts, "false_negative")
            every = positive + value(counts, "true_negative") + value(counts, "false_positive")
            share = positive / every if every else math.nan
    if not lines:
        return
    words = f"{'; '.join(told)}. The dashed line is guessing: {percent(share, 1)} of the steps are positive."
    svg = curves(lines, (0, 1), (0, 1.02), "recall (sensitivity)", "precision", words, level=share)
    yield drawing(
        svg,
        "Precision and recall by step as the threshold moves; the square is where the network works. "
        f"{words[:1].upper()}{words[1:]}",
    )


def calibration(run: Run) -> Iterator[Html]:
    """Return how often steps with a probability are positive."""
    lines, told = [], []
    for row, look in two(run):
        found = [r for r in run.table("calibration", row) if value(r, "count") > 0]
        if found:
            lines.append(
                Curve(name=short(row), x=[value(r, "mean_probability") for r in found], look=look, marks=True,
                      y=[value(r, "observed") for r in found])
            )  # fmt: skip
            fewest = min(value(r, "count") for r in found)
            told.append(
                f"memory {way(row)}: calibration error {number(row.get('ece'))}, Brier score "
                f"{number(row.get('brier'))}, fewest steps in a point {count(fewest)}"
            )
    if lines:
        words = f"{'; '.join(told)}."
        svg = curves(
            lines,
            (0, 1),
            (0, 1),
            "probability (shift of the prior undone)",
            "share positive",
            words,
            diagonal=True,
        )
        yield drawing(
            svg,
            "Calibration: on the dashed line a probability of .3 comes true in 30 % of the steps. "
            f"{words[:1].upper()}{words[1:]}",
        )


def delays(run: Run) -> Iterator[Html]:
    """Return how late detections begin."""
    for row, look in two(run):
        late = np.array([value(r, "delay_s") for r in run.table("delays", row)])
        late = late[np.isfinite(late)]
        if not len(late):
            continue
        low, high = float(np.floor(late.min())), float(np.ceil(late.max()))
        low, high = max(min(low, -1.0), -15.0), min(max(high, 2.0), 15.0)
        early = int(np.sum(late < 0))
        beyond = int(np.sum((late < low) | (late > high)))
        words = (
            f"Memory {way(row)}: {count(len(late))} detection{'' if len(late) == 1 else 's'}, median "
            f"{number(float(np.median(late)), 1)} s, 90 % within "
            f"{number(float(np.quantile(late, 0.9)), 1)} s; "
            f"{early} began before the true onset."
        )
        words += f" {beyond} beyond the axis are in the outermost bars." * bool(beyond)
        svg = histogram(
            late,
            np.linspace(low, high, 25),
            "delay of the detection (s)",
            "events",
            words,
            [0.0],
            look=look,
        )
        yield drawing(svg, f"Onset delay. {words}")


def transitions(run: Run) -> Iterator[Html]:
    """Return the share of wrong steps around a change of the label."""
    for change, words in (
        ("to_positive", "an event's true onset"),
        ("to_negative", "an event's true end"),
    ):
        lines, told = [], []
        for row, look in two(run):
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
                told.append(f"memory {way(row)}: at most {percent(ys[worst])} wrong")
        if lines:
            near = max(min(NEAR, max(abs(x) for line in lines for x in line.x)), 1e-9)
            caption = f"Share of wrong steps around {words} (0): {'; '.join(told)}."
            svg = curves(
                lines,
                (-near, near),
                (0, 1),
                f"seconds from {words}",
                "share wrong",
                caption,
                upright=0.0,
            )
            yield drawing(svg, caption)
