"""The benchmark's score of predicted seconds, its intervals and its tables.

With steps in groups b by their true time t (``[0, 40), [40, 90), [90, 300), [300, 600]`` s), p the prediction
and w = 10, 5, 3, 1::

    weighted_error = sum_b w_b E_b / sum_b w_b,   E_b = mean of |p - t| over the steps of b

over the groups that have a step: each group counts as often as the others but for its weight, however many
steps it has. Steps are pooled over recordings. ``from_0_to_40_error`` and the like are the E_b,
``mean_error`` is the plain mean over all steps, ``rank_correlation`` is Spearman's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import ModelPredictions, Row
from memcell.escape import table
from memcell.runs.by_subject import cell
from memcell.sequences.targets import Values
from memcell.statistics.bootstrap import RESAMPLES, SEED, Interval, percentile_interval
from memcell_sleep.onset.config import OnsetConfig

#: Share of the resamples that may lack a score.
MOST_UNDEFINED = 0.05


def group_names(config: OnsetConfig) -> tuple[str, ...]:
    """Return what the scores of the groups are called."""
    edges = config.bins
    return tuple(f"from_{a:g}_to_{b:g}_error" for a, b in pairwise(edges))


def pairs(
    predictions: Sequence[ModelPredictions], subject: str | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return true and predicted seconds of the steps with a target, of one person or of all."""
    true, predicted = [np.empty(0)], [np.empty(0)]
    for part in predictions:
        for s, p in zip(part.sequences, part.probabilities, strict=True):
            if subject is None or s.subject == subject:
                known = s.labelled
                true.append(np.asarray(s.targets, dtype=np.float64)[known])
                predicted.append(np.asarray(p, dtype=np.float64)[known, 0])
    return np.concatenate(true), np.concatenate(predicted)


def scores(predictions: Sequence[ModelPredictions], config: OnsetConfig) -> dict[str, float]:
    """Return the scores of the module; NaN where no step has a target."""
    true, predicted = pairs(predictions)
    sums, counts = _by_group(true, predicted, config)
    found = {name: float(v[0]) for name, v in _from_sums(sums[None], counts[None], config).items()}
    return {**found, "rank_correlation": _rank_correlation(true, predicted)}


def intervals(predictions: Sequence[ModelPredictions], config: OnsetConfig) -> dict[str, Interval]:
    """Return 95 % percentile bootstrap intervals, people drawn anew with all their steps."""
    people = sorted({s.subject for part in predictions for s in part.sequences})
    n = len(people)
    if n < 2:
        return {}
    each = [_by_group(*pairs(predictions, person), config) for person in people]
    sums, counts = (np.array([e[k] for e in each]) for k in (0, 1))
    drawn = np.random.default_rng(SEED).integers(0, n, size=(RESAMPLES // 5, n))
    times = np.stack([(drawn == i).sum(axis=1) for i in range(n)], axis=1).astype(np.float64)
    pooled = _from_sums(sums.sum(0)[None], counts.sum(0)[None], config)
    out = {}
    for name, values in _from_sums(times @ sums, times @ counts, config).items():
        known = values[np.isfinite(values)]
        enough = np.isfinite(pooled[name][0]) and len(known) >= (1 - MOST_UNDEFINED) * len(values)
        out[name] = percentile_interval(known) if enough else (np.nan, np.nan)
    return out


def tables(rows: Sequence[Row], config: OnsetConfig) -> dict[str, str]:
    """Return ``groups.tsv``: of each row and group of true times steps, error, median prediction."""
    lines = [["name", "from", "to", "steps", "mean_absolute_error", "median_predicted"]]
    target = Values(("seconds",), bins=config.bins)
    for row in rows:
        true, predicted = pairs(row.predictions)
        group = target.groups(true)
        for b, (low, high) in enumerate(zip(config.bins[:-1], config.bins[1:], strict=True)):
            own = group == b
            values = (
                [float(np.abs(predicted - true)[own].mean()), float(np.median(predicted[own]))]
                if own.any()
                else [np.nan, np.nan]
            )
            lines.append(
                [row.name, f"{low:g}", f"{high:g}", str(int(own.sum())), *map(cell, values)]
            )
    return {"groups.tsv": table(lines)}


def _by_group(
    true: NDArray[np.float64], predicted: NDArray[np.float64], config: OnsetConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of absolute errors and the steps of each group."""
    n = len(config.bins) - 1
    group = Values(("seconds",), bins=config.bins).groups(true)
    sums = np.bincount(group, np.abs(predicted - true), minlength=n)
    return sums.astype(np.float64), np.bincount(group, minlength=n).astype(np.float64)


def _from_sums(
    sums: NDArray[np.float64], counts: NDArray[np.float64], config: OnsetConfig
) -> Mapping[str, NDArray[np.float64]]:
    """Return scores ``[k]`` of sums and counts ``[k, groups]``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        each = sums / counts
        weights = np.where(counts > 0, np.array(config.importance), 0.0)
        weighted = np.nansum(weights * each, axis=1) / weights.sum(axis=1)
        named = dict(zip(group_names(config), each.T, strict=True))
        return {"weighted_error": weighted, **named, "mean_error": sums.sum(1) / counts.sum(1)}


def _rank_correlation(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    from scipy.stats import spearmanr

    if len(np.unique(true)) < 2 or len(np.unique(predicted)) < 2:
        return float("nan")
    return float(spearmanr(true, predicted).statistic)
