"""Each setting by itself: how many runs, and its main measures with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from memcell.compare.report.folder import Comparison, Key
from memcell.compare.report.measured import BEST, FINAL, TRAINING, Measured
from memcell.statistics.bootstrap import interval, iqm, mean, stratified_interval
from memcell.statistics.targets import NEVER

NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One setting under one inference policy; intervals are 95 % bootstrap intervals.

    Args:
        setting: One value for each axis.
        inference: Inference policy.
        planned: Seeds that were planned.
        done: Runs that trained to their end.
        diverged: Runs whose loss was no longer a number; they count by the stated rule.
        failed: Runs that could not be run; they do not count.
        score: Mean main score over seeds.
        low: Lower end of its interval over seeds.
        high: Upper end.
        iqm: Interquartile mean of the main score over seeds.
        iqm_low: Lower end of its interval.
        iqm_high: Upper end.
        subjects_iqm: Interquartile mean over seeds and subjects.
        subjects_iqm_low: Lower end, the seeds resampled within each subject.
        subjects_iqm_high: Upper end.
        best_validation_loss: Mean over seeds, nats.
        final_validation_loss: Mean over seeds, nats.
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


def summaries(comparison: Comparison, measured: Measured) -> list[Summary]:
    """Return a summary of each setting under each inference policy."""
    return [
        _summary(comparison, measured, key, inference)
        for key in comparison.settings
        for inference in measured.inferences or ("",)
    ]


def known(measured: Measured, measure: str, inference: str, key: Key) -> list[float]:
    """Return the defined values of a measure over the seeds of a setting."""
    values = measured.values.get((measure, inference), {})
    return [v for (k, _), v in values.items() if k == key and not math.isnan(v)]


def _summary(comparison: Comparison, measured: Measured, key: Key, inference: str) -> Summary:
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
    updates = [u for (k, _), u in measured.updates.items() if k == key]
    if math.isnan(measured.target):
        updates = []
    others = {
        name: _mean(known(measured, name, inference, key))
        for name in measured.scores
        if name != comparison.main_score
    }
    return Summary(
        setting=key, inference=inference, planned=len(comparison.seeds),
        done=status.count("done"), diverged=status.count("diverged"),
        failed=status.count("failed"), score=_mean(scores), low=low, high=high,
        iqm=float(iqm(np.array(scores))) if scores else NAN, iqm_low=iqm_low, iqm_high=iqm_high,
        subjects_iqm=float(iqm(np.array(flat))) if flat else NAN,
        subjects_iqm_low=s_low, subjects_iqm_high=s_high,
        best_validation_loss=_mean(known(measured, BEST, "", key)),
        final_validation_loss=_mean(known(measured, FINAL, "", key)),
        final_training_loss=_mean(known(measured, TRAINING, "", key)),
        reached=_mean([float(u < NEVER) for u in updates]),
        updates=_median(updates), others=others,
    )  # fmt: skip


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else NAN


def _median(values: list[float]) -> float:
    """Return the upper median, so that half of the runs never getting there means never."""
    return sorted(values)[len(values) // 2] if values else NAN
