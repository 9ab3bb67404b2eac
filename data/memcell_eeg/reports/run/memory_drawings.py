"""What memory did: scores by subject with memory carried and reset, and staleness."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from memcell.reports import Html, drawing, panels, paragraph
from memcell.reports.numbers import number
from memcell_eeg.reports.drawings.small import Curve, curves, points
from memcell_eeg.reports.run.error_drawings import two
from memcell_eeg.reports.run.held import Run
from memcell_eeg.reports.run.phrasing import name_of
from memcell_eeg.reports.tables_in import value

MOST_POINTS = 30


def by_subject(run: Run, score: str, x_label: str, what: str) -> Iterator[Html]:
    """Return a score of each test subject, memory carried and reset."""
    both = two(run)
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
    told = "; ".join(
        f"{n}: {' and '.join(number(v, 2) for v in row)}"
        for n, row in zip(names, values, strict=True)
    )
    left = len(tables[0]) - len(names)
    more = f" The first {len(names)} of {len(tables[0])} subjects." if left > 0 else ""
    svg = points(
        names, values, x_label, f"{what} of each test subject. {told}", looks=[k for _, k in both]
    )
    yield drawing(
        svg,
        f"{what} of each test subject: a dot with memory carried, a square with memory reset.{more}",
    )


def difference(run: Run) -> Iterator[Html]:
    """Return what carrying memory changed for each test subject."""
    sides = {
        row.inference: {
            r.get("subject", ""): value(r, run.main_score) for r in run.table("subjects", row)
        }
        for row, _ in two(run)
    }
    if set(sides) < {"carry", "reset"}:
        return
    apart = {n: v - sides["reset"].get(n, math.nan) for n, v in sides["carry"].items()}
    known = [v for v in apart.values() if not math.isnan(v)]
    if not known:
        return
    names = list(apart)[:MOST_POINTS]
    words = (
        f"{name_of(run.main_score).capitalize()} with memory carried less that with memory reset, of "
        f"the same network: higher in {sum(v > 0 for v in known)} of {len(known)} subjects, "
        f"{number(float(np.mean(known)))} on average."
    )
    svg = points(
        names,
        [[apart[n]] for n in names],
        f"difference in {name_of(run.main_score)}",
        words,
        zero=True,
    )
    yield drawing(svg, words)


def staleness(run: Run) -> Iterator[Html]:
    """Return what the probe of staleness saw, where it was switched on."""
    if not run.staleness:
        yield paragraph(
            "Not measured. With --probe staleness a run also says how far carried memory is from "
            "what today’s parameters would make of it, and what that costs."
        )
        return
    wanted = (
        ("lag", "S", "lag of the memory (updates)", "S (share of its size)",
         "How far carried memory is from what today’s parameters make of the same past, against how "
         "old it is"),
        ("dL_zero", "dL_stale", "gain of memory (nats)", "cost of staleness (nats)",
         "What staleness costs in loss against what memory gives at all; negative values are noise"),
    )  # fmt: skip
    figures = []
    for x_name, y_name, x_label, y_label, words in wanted:
        pairs = [(v[x_name], v[y_name]) for v in run.staleness if x_name in v and y_name in v]
        if not pairs:
            continue
        xs, ys = (np.array(k) for k in zip(*pairs, strict=True))
        told = (
            f"{words}: {len(pairs)} measurements, mean {y_label} {number(float(ys.mean()))} at a mean "
            f"{x_label} of {number(float(xs.mean()))}."
        )
        svg = curves(
            [Curve(name="", x=xs, y=np.full(len(xs), np.nan), points=pairs[:400])],
            _range(xs), _range(ys), x_label, y_label, told,
        )  # fmt: skip
        figures.append(drawing(svg, told))
    yield (
        panels(*figures)
        if figures
        else paragraph("The probe of staleness measured nothing that can be drawn.")
    )


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    pad = 0.05 * (high - low) or 1.0
    return (low - pad if low < 0 else 0.0), high + pad
