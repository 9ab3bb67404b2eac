"""Each setting by itself: its main measures with intervals, and its learning curve on common updates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.compare.report.folder import Comparison, Key
from memcell.compare.report.measures import (
    BEST,
    FINAL,
    OWN,
    TRAINING,
    UPDATES,
    Measures,
    Run,
    is_updates,
    primary_measure,
)
from memcell.statistics.bootstrap import band, interval, iqm, mean, stratified_interval
from memcell.statistics.targets import NEVER, Curve

NAN = float("nan")
#: Updates that a learning curve is given at.
POINTS = 60
Line = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One setting under one inference policy; intervals are 95 % bootstrap intervals.

    Args:
        setting: One value for each axis.
        inference: Inference policy.
        planned: Seeds that were planned.
        done: Runs that trained to their end.
        diverged: Runs whose loss was no longer finite; they have the scores of the stated rule.
        failed: Runs that failed; they are not included.
        primary: Mean over seeds of the outcome that was declared to decide (of updates the geometric mean, up
            to where every run was followed), in the rows of its inference policy; NaN in the others.
        score: Mean main score over seeds.
        low: Lower end of its interval over seeds.
        high: Upper end.
        iqm: Interquartile mean of the main score over seeds.
        iqm_low: Lower end of its interval.
        iqm_high: Upper end.
        subjects_iqm: Interquartile mean over seeds and subjects.
        subjects_iqm_low: Lower end, the seeds resampled within each subject.
        subjects_iqm_high: Upper end.
        best_validation_loss: Mean over seeds, nats; under the inference policy of the row where epochs were
            validated under both, else under what each run was validated with.
        final_validation_loss: Likewise.
        final_training_loss: Mean over seeds, nats.
        reached: Share of runs that reached the target loss.
        updates: Median updates to the target; infinite where half of the runs or more never got there.
        others: The other scores' means.
    """

    setting: Key
    inference: str
    planned: int
    done: int
    diverged: int
    failed: int
    primary: float
    score: float
    low: float
    high: float
    iqm: float
    iqm_low: float
    iqm_high: float
    subjects_iqm: float
    subjects_iqm_low: float
    subjects_iqm_high: float
    best_validation_loss: float
    final_validation_loss: float
    final_training_loss: float
    reached: float
    updates: float
    others: dict[str, float]


def summaries(comparison: Comparison, measured: Measures) -> list[Summary]:
    """Return a summary of each setting under each inference policy."""
    return [
        _summary(comparison, measured, key, inference)
        for key in comparison.settings
        for inference in measured.inferences or ("",)
    ]


def known(measured: Measures, measure: str, inference: str, key: Key) -> list[float]:
    """Return the defined values of a measure over the seeds of a setting."""
    values = measured.values.get((measure, inference), {})
    return [v for (k, _), v in values.items() if k == key and not math.isnan(v)]


def _summary(comparison: Comparison, measured: Measures, key: Key, inference: str) -> Summary:
    status = [r.status for r in comparison.records if comparison.key(r) == key]
    scores = known(measured, comparison.main_score, inference, key)
    low, high = interval(scores, mean)
    iqm_low, iqm_high = interval(scores, iqm)
    strata = [
        [v for (k, _), v in measured.by_subject[inference, s].items() if k == key and v == v]
        for s in measured.subjects
        if (inference, s) in measured.by_subject
    ]
    flat = [v for stratum in strata for v in stratum]
    s_low, s_high = stratified_interval(strata, iqm)
    updates = [u for (k, _), u in measured.updates[UPDATES].items() if k == key]
    if math.isnan(measured.target):
        updates = []
    under = inference if (BEST, inference) in measured.values else ""
    others = {
        name: _mean(known(measured, name, inference, key))
        for name in measured.scores
        if name != comparison.main_score
    }
    return Summary(
        setting=key, inference=inference, planned=len(comparison.seeds),
        done=status.count("done"), diverged=status.count("diverged"),
        failed=status.count("failed"),
        primary=_primary(comparison, measured, key, inference), score=_mean(scores), low=low, high=high,
        iqm=float(iqm(np.array(scores))) if scores else NAN, iqm_low=iqm_low, iqm_high=iqm_high,
        subjects_iqm=float(iqm(np.array(flat))) if flat else NAN,
        subjects_iqm_low=s_low, subjects_iqm_high=s_high,
        best_validation_loss=_mean(known(measured, BEST, under, key)),
        final_validation_loss=_mean(known(measured, FINAL, under, key)),
        final_training_loss=_mean(known(measured, TRAINING, "", key)),
        reached=_mean([float(u < NEVER) for u in updates]),
        updates=_median(updates), others=others,
    )  # fmt: skip


def _primary(comparison: Comparison, measured: Measures, key: Key, inference: str) -> float:
    declared = comparison.primary
    if declared is None or (declared.inference != OWN and declared.inference != inference):
        return NAN
    measure, under = primary_measure(comparison)
    values = known(measured, measure, under, key)
    return math.exp(_mean(values)) if is_updates(measure) and values else _mean(values)


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else NAN


def _median(values: list[float]) -> float:
    """Return the upper median, so that half of the runs never getting there means never."""
    return sorted(values)[len(values) // 2] if values else NAN


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """Validation loss of one setting, or its difference to the reference; ``[n_points]`` each.

    Args:
        setting: One value for each axis.
        inference: Inference policy; empty for what each run was validated with.
        n: Runs, or pairs of runs.
        updates: Where.
        mean: Over seeds, nats.
        low: Of its 95 % band, whole runs resampled.
        high: Of its band.
    """

    setting: Key
    inference: str
    n: int
    updates: Line
    mean: Line
    low: Line
    high: Line


def _curves(comparison: Comparison, measured: Measures) -> dict[str, Mapping[Run, Curve]]:
    """Return the curves that were validated by, under "", then those under other inference policies."""
    declared = "" if comparison.primary is None else comparison.primary.inference
    others = {p: c for p, c in measured.curves_under.items() if p != declared}
    return {"": measured.curves, **others}


def loss_curves(comparison: Comparison, measured: Measures) -> list[LearningCurve]:
    """Return the mean validation curve of each setting that has one, under each inference policy."""
    grid = _grid(measured)
    found = []
    for inference, curves in _curves(comparison, measured).items():
        for key in comparison.settings:
            lines = list(_lines(curves, key, grid).values())
            if lines:
                found.append(_curve(key, inference, grid, np.array(lines)))
    return found


def difference_curves(comparison: Comparison, measured: Measures) -> list[LearningCurve]:
    """Return each setting's validation curve less that of the first axis's reference, by seed."""
    grid = _grid(measured)
    found = []
    for inference, curves in _curves(comparison, measured).items():
        for key in comparison.settings:
            reference = (comparison.axes[0].values[0], *key[1:])
            if key == reference:
                continue
            a, b = _lines(curves, key, grid), _lines(curves, reference, grid)
            lines = [a[seed] - b[seed] for seed in a if seed in b]
            if lines:
                found.append(_curve(key, inference, grid, np.array(lines)))
    return found


def _curve(key: Key, inference: str, grid: Line, lines: NDArray[np.float64]) -> LearningCurve:
    inside = ~np.isnan(lines).any(axis=0)
    grid, lines = grid[inside], lines[:, inside]
    low, high = band(lines)
    return LearningCurve(
        setting=key,
        inference=inference,
        n=len(lines),
        updates=grid,
        mean=lines.mean(axis=0),
        low=low,
        high=high,
    )


def _grid(measured: Measures) -> Line:
    found = sorted({u for curve in measured.curves.values() for u, _ in curve if u > 0})
    updates: Line = np.array(found, dtype=np.float64)
    if len(updates) > POINTS:
        updates = updates[np.linspace(0, len(updates) - 1, POINTS).round().astype(int)]
    return updates


def _lines(curves: Mapping[Run, Curve], key: Key, grid: Line) -> dict[int, Line]:
    """Return seed to losses on the grid: between two epochs on their line, after the last as the last.

    So a run that stopped early stays at its last value; before the first epoch there is none.
    """
    found = {}
    for (k, seed), curve in curves.items():
        if k == key and curve:
            at, losses = zip(*curve, strict=True)
            found[seed] = np.interp(grid, at, losses, left=np.nan)
    return found
