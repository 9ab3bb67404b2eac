"""The plain answer to "should I carry state?", where a comparison has carry and reset."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from memcell.compare.declared import DRAWS, PEOPLE
from memcell.compare.plan import CHOICE
from memcell.compare.report.differences import SEEDS, PairedDifference
from memcell.compare.report.folder import Comparison, Key
from memcell.compare.report.measures import Measures, primary_measure
from memcell.compare.report.phrasing import certainty, measure_name, size
from memcell.reports.numbers import number
from memcell.statistics.bootstrap import interval

QUESTION = "Should you carry state?"
_TURNED = {"better": "worse", "worse": "better", "higher": "lower", "lower": "higher"}
_ANSWERS = {"better": "Yes", "worse": "No"}
ABOUT = {
    DRAWS: "other draws of these simulated data and other trainings",
    PEOPLE: "other people and other trainings",
    "trainings": "other trainings on these recordings alone, and no other recording",
}


def answer(
    comparison: Comparison, measured: Measures, differences: Sequence[PairedDifference]
) -> Iterator[str]:
    """Yield the answer in a sentence, and what stands beside it; nothing where nobody asked.

    The answer is that of carry on streams against reset on reshuffled windows, which people choose between,
    where that was trained; else that of carry against reset under one sampler.
    """
    axis = next((a for a in comparison.axes if a.name == "policy"), None)
    if axis is None or not {"carry", "reset"} <= set(axis.values):
        return
    rows = {
        other: row
        for other in (CHOICE, "reset")
        if other in axis.values and (row := _row(comparison, differences, other)) is not None
    }
    if not rows and axis.values[0] in ("carry", "reset"):
        yield f"{QUESTION} Not decided: no pair of runs of carry and reset is done."
        return
    if not rows:
        yield (
            f"{QUESTION} Not compared: carry and reset are each held against {axis.values[0]}; name one of "
            "them "
            "first."
        )
        return
    (first, row), *others = rows.items()
    yield _sentence(comparison, row, first)
    for other, beside in others:
        said = _against(comparison, beside, other)
        yield f"Under one sampler, so that nothing else differs: {said}."
    if CHOICE not in axis.values:
        yield (
            "What people choose between is not in this comparison: reset need not be trained on streams. Add "
            f"{CHOICE} to --policy."
        )
    as_used = _as_used(comparison, measured, row, first)
    if as_used:
        yield as_used


def _row(
    comparison: Comparison, differences: Sequence[PairedDifference], other: str
) -> PairedDifference | None:
    """Return carry's difference to another value in what decides, each at its best where that is there."""
    measure, inference = primary_measure(comparison)
    found = [
        d
        for d in differences
        if d.axis == "policy" and {d.setting, d.reference} == {"carry", other} and d.n
        and (d.measure, d.inference) == (measure, inference)
        and (d.primary if comparison.primary is not None else d.unit == SEEDS)
    ]  # fmt: skip
    if not found:
        return None
    row = next((d for d in found if d.tuned), found[0])
    if row.setting == "carry":
        return row
    return dataclasses.replace(
        row, setting=row.reference, reference=row.setting, difference=0.0 - row.difference,
        low=0.0 - row.high, high=0.0 - row.low, mean=row.reference_mean, reference_mean=row.mean,
        verdict=_TURNED.get(row.verdict, row.verdict), reached=row.reference_reached,
        reference_reached=row.reached,
    )  # fmt: skip


def _sentence(comparison: Comparison, row: PairedDifference, other: str) -> str:
    said = _ANSWERS.get(row.verdict, "Not decided")
    if said == "Not decided" and comparison.missing:
        said = "Not decided while runs are missing"
    within = f", {row.within.replace('_', ' ')}" if row.within else ""
    about = ABOUT[comparison.primary.population] if comparison.primary is not None else ""
    return (
        f"{QUESTION} {said}: {_against(comparison, row, other)}{within}."
        + f" This is about {about}." * bool(about)
    )


def _against(comparison: Comparison, row: PairedDifference, other: str) -> str:
    # losses and updates of a folder that declared nothing are under whatever each run was validated with
    declared = "" if comparison.primary is None else comparison.primary.inference
    windows = "reset on reshuffled windows" if other == CHOICE else "reset"
    how = {
        "carry": ", all inferred with carried memory",
        "reset": ", all inferred with memory reset",
    }
    words = size(row).replace(CHOICE, windows)
    return f"in {measure_name(row.measure)}{how.get(row.inference or declared, '')}, {words} {certainty(row)}"


def _as_used(comparison: Comparison, measured: Measures, row: PairedDifference, other: str) -> str:
    """Return the difference with each policy inferred as it was trained: what somebody gets who chooses."""
    main = comparison.main_score
    a, b = measured.values.get((main, "carry"), {}), measured.values.get((main, "reset"), {})
    place = next(i for i, axis in enumerate(comparison.axes) if axis.name == "policy")

    def key(policy: str) -> Key:
        first = [axis.values[0] for axis in comparison.axes]
        return (*first[:place], policy, *first[place + 1 :])

    carried, reset = key("carry"), key(other)
    d = np.array(
        [
            a[carried, s] - b[reset, s]
            for s in comparison.seeds
            if (carried, s) in a and (reset, s) in b
        ]
    )
    d = d[np.isfinite(d)]
    if not len(d) or row.tuned:
        return ""
    low, high = interval(d)
    span = (
        f" (95 % CI {number(low)} to {number(high)}; secondary, no verdict)" if low == low else ""
    )
    mean = float(d.mean())
    direction = "higher" if mean > 0 else "lower"
    words = f"{number(abs(mean))} {direction}" if not math.isclose(mean, 0) else "equal"
    return (
        f"Each inferred as it was trained, training and inference together: {measure_name(main)} of carry is "
        f"{words}{' than' if words != 'equal' else ' to'} that of {other}{span}."
    )
