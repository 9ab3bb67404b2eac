"""Bootstrap confidence intervals of pooled scores, resampled by subject.

Most scores are functions of counts that add up over subjects, so a resample is a sum with other weights.
Average precision is made of the steps on at most `LEVELS` levels of the pooled probability. The delays'
quantiles are left out: their spread over subjects says more (see ``intervals.tsv``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import ModelPredictions
from memcell.statistics.bootstrap import RESAMPLES, SEED, Interval, percentile_interval
from memcell_eeg.scores.events import EventRules, count_events
from memcell_eeg.scores.scores import DecidedSteps

#: Levels of probability that average precision is made of.
LEVELS = 500
BINS = 10
#: Share of the resamples that may lack a score (one without any positive step has no kappa).
MOST_UNDEFINED = 0.05

Counts = Mapping[str, NDArray[np.float64]]


def intervals(predictions: Sequence[ModelPredictions], rules: EventRules) -> dict[str, Interval]:
    """Return 95 % percentile bootstrap intervals of the scores that can be resampled.

    Args:
        predictions: Predictions of a model, each part with its own threshold.
        rules: How events are made and matched.

    NaN where the pooled score is not defined, and where more than `MOST_UNDEFINED` of the resamples have no
    such score: one without steps of both classes has no score that needs both, as in
    `memcell_eeg.scores.scores`. Empty with fewer than 2 subjects.
    """
    subjects = sorted({s.subject for part in predictions for s in part.sequences})
    n = len(subjects)
    if n < 2:
        return {}
    counts = count(predictions, subjects, rules)
    drawn = np.random.default_rng(SEED).integers(0, n, size=(RESAMPLES // 5, n))
    weights = np.stack([(drawn == i).sum(axis=1) for i in range(n)], axis=1).astype(np.float64)
    # The first row is the pooled score itself: everybody once.
    weights = np.concatenate([np.ones((1, n)), weights])
    made = from_counts({name: weights @ values for name, values in counts.items()})
    out = {}
    for name, (pooled, *drawn_anew) in ((k, v.tolist()) for k, v in made.items()):
        values = np.array(drawn_anew)
        known = values[np.isfinite(values)]
        enough = np.isfinite(pooled) and len(known) >= (1 - MOST_UNDEFINED) * len(values)
        out[name] = percentile_interval(known) if enough else (np.nan, np.nan)
    return out


def count(
    predictions: Sequence[ModelPredictions], subjects: Sequence[str], rules: EventRules
) -> Counts:
    """Return counts that add up over subjects: ``[n_subjects]`` or ``[n_subjects, bins]`` by name."""
    steps = [DecidedSteps.of(predictions, subject) for subject in subjects]
    levels = np.unique(np.quantile(np.concatenate([s.p for s in steps]), np.linspace(0, 1, LEVELS)))

    def by_level(s: DecidedSteps, positive: int) -> NDArray[np.float64]:
        at = np.searchsorted(levels, s.p[s.y == positive], side="right") - 1
        return np.bincount(at, minlength=len(levels)).astype(np.float64)

    def gaps(s: DecidedSteps) -> NDArray[np.float64]:
        if not np.isfinite(s.chance).all():
            return np.full(BINS, np.nan)
        inside = np.minimum((s.chance * BINS).astype(np.int64), BINS - 1)
        return np.bincount(inside, weights=s.y - s.chance, minlength=BINS).astype(np.float64)

    events = np.array([_events(predictions, subject, rules) for subject in subjects])
    return {
        "true_positive": np.array([float(((s.y == 1) & (s.state == 1)).sum()) for s in steps]),
        "false_positive": np.array([float(((s.y == 0) & (s.state == 1)).sum()) for s in steps]),
        "false_negative": np.array([float(((s.y == 1) & (s.state == 0)).sum()) for s in steps]),
        "true_negative": np.array([float(((s.y == 0) & (s.state == 0)).sum()) for s in steps]),
        "squares": np.array([float(((s.chance - s.y) ** 2).sum()) for s in steps]),
        "gaps": np.array([gaps(s) for s in steps]),
        "levels_positive": np.array([by_level(s, 1) for s in steps]),
        "levels_negative": np.array([by_level(s, 0) for s in steps]),
        "true": events[:, 0],
        "detected": events[:, 1],
        "hits": events[:, 2],
        "hours": events[:, 3],
    }


def from_counts(counts: Counts) -> dict[str, NDArray[np.float64]]:
    """Return the scores of each sum of counts; NaN if undefined."""
    tp, fp = counts["true_positive"], counts["false_positive"]
    fn, tn = counts["false_negative"], counts["true_negative"]
    n = tp + fp + fn + tn
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = ((tp + fp) * (tp + fn) + (fn + tn) * (fp + tn)) / n**2
        right = (tp + tn) / n
        # 1 where there are steps of both classes, NaN elsewhere
        both = np.where((tp + fn > 0) & (tn + fp > 0), 1.0, np.nan)
        return {
            "balanced_accuracy": both * (tp / (tp + fn) + tn / (tn + fp)) / 2,
            "kappa": both * (right - chance) / (1 - chance),
            "f1": both * 2 * tp / (2 * tp + fp + fn),
            "auc_roc": both * _roc_area(counts["levels_positive"], counts["levels_negative"]),
            "auc_pr": both
            * _average_precision(counts["levels_positive"], counts["levels_negative"]),
            "mcc": both * _mcc(tp, fp, fn, tn),
            "accuracy": right,
            "event_sensitivity": counts["hits"] / counts["true"],
            "event_precision": counts["hits"] / counts["detected"],
            "event_f1": 2 * counts["hits"] / (counts["true"] + counts["detected"]),
            "brier": counts["squares"] / n,
            "ece": np.abs(counts["gaps"]).sum(axis=-1) / n,
            "false_alarms_per_hour": (counts["detected"] - counts["hits"]) / counts["hours"],
        }


def _mcc(
    tp: NDArray[np.float64],
    fp: NDArray[np.float64],
    fn: NDArray[np.float64],
    tn: NDArray[np.float64],
) -> NDArray[np.float64]:
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    # All steps on one side: 0 by definition, as `scores` has it.
    return np.where(below > 0, (tp * tn - fp * fn) / np.where(below > 0, below, 1), 0.0)


def _roc_area(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ROC area: the share of pairs in which the positive step scores higher."""
    below = np.cumsum(negative, axis=-1)
    pairs = (positive * (below - negative / 2)).sum(axis=-1)  # half of the pairs of one level
    return np.asarray(pairs / (positive.sum(axis=-1) * below[..., -1]))


def _average_precision(
    positive: NDArray[np.float64], negative: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``sum_k (R_k - R_(k-1)) P_k`` over levels from the highest down."""
    hits = np.cumsum(positive[..., ::-1], axis=-1)
    called = hits + np.cumsum(negative[..., ::-1], axis=-1)
    precision = np.where(called > 0, hits / np.where(called > 0, called, 1), 0.0)
    return np.asarray((positive[..., ::-1] * precision).sum(axis=-1) / hits[..., -1])


def _events(
    predictions: Sequence[ModelPredictions], subject: str, rules: EventRules
) -> tuple[float, ...]:
    counted = [
        count_events(s, np.asarray(q[:, 1], dtype=np.float64) >= part.decision["threshold"], rules)
        for part in predictions
        for s, q in zip(part.sequences, part.probabilities, strict=True)
        if s.subject == subject
    ]
    return (
        float(sum(c.true for c in counted)),
        float(sum(c.detected for c in counted)),
        float(sum(c.hits for c in counted)),
        sum(c.hours for c in counted),
    )
