"""Intervals of pooled scores: subjects drawn anew, each counted by sums over its own steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import TimeSeries
from memcell_sequences.scores import SMALLEST, Probabilities, labelled
from memcell_sequences.targets import TargetPlan

DRAWS = 1000

Array = NDArray[Any]
Pairs = Sequence[tuple[TimeSeries, Probabilities]]


def intervals(plan: TargetPlan, subjects: Sequence[Pairs]) -> dict[str, tuple[float, float]]:
    """Return 95 % intervals: percentiles over draws of as many subjects, with replacement.

    Args:
        plan: What the targets are.
        subjects: The sequences of each with what a model said of them.

    Returns:
        Score to its ends; what is no function of sums over steps (an area under a curve) is left out.
    """
    n = len(subjects)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=DRAWS)
    of = {"values": _values, "labels": _labels}.get(plan.kind, _classes)
    steps = [labelled([s for s, _ in pairs], [p for _, p in pairs]) for pairs in subjects]
    with np.errstate(all="ignore"):
        found = of(steps, drawn)
    ends = {}
    for name, values in found.items():
        if np.isfinite(values).all():
            low, high = np.quantile(values, [0.025, 0.975])
            ends[name] = (float(low), float(high))
    return ends


def _summed(sums: list[Array], drawn: Array) -> Array:
    return np.tensordot(drawn.astype(np.float64), np.stack(sums), axes=1)


def _classes(steps: Sequence[tuple[Array, Array]], drawn: Array) -> Mapping[str, Array]:
    counts, losses = [], []
    for y, p in steps:
        k = p.shape[1]
        y = y.astype(np.int64)
        cells = np.bincount(y * k + p.argmax(axis=1), minlength=k * k)
        counts.append(cells.reshape(k, k).astype(np.float64))
        losses.append(np.array(-np.log(p[np.arange(len(y)), y].clip(SMALLEST)).sum()))
    c = _summed(counts, drawn)
    total = c.sum(axis=(1, 2))
    right = np.trace(c, axis1=1, axis2=2) / total
    true, said = c.sum(axis=2), c.sum(axis=1)
    each = np.diagonal(c, axis1=1, axis2=2) / true
    chance = (true * said).sum(axis=1) / total**2
    loss = _summed(losses, drawn) / total
    return {
        "balanced_accuracy": np.nanmean(each, axis=1),
        "accuracy": right,
        "kappa": (right - chance) / (1 - chance),
        "log_loss": loss,
        "perplexity": np.exp(loss),
    }


def _values(steps: Sequence[tuple[Array, Array]], drawn: Array) -> Mapping[str, Array]:
    sums: list[list[Array]] = [[] for _ in range(5)]
    for y, p in steps:
        error = p - y
        parts = (~np.isnan(y), np.abs(error), error**2, y, y**2)
        for kept, part in zip(sums, parts, strict=True):
            kept.append(np.asarray(np.nansum(part, axis=0, dtype=np.float64)))
    n, absolute, squared, first, second = (_summed(each, drawn) for each in sums)
    spread = second - first**2 / n
    return {
        "mean_absolute_error": (absolute / n).mean(axis=1),
        "root_mean_squared_error": np.sqrt(squared / n).mean(axis=1),
        "r2": (1 - squared / spread).mean(axis=1),
    }


def _labels(steps: Sequence[tuple[Array, Array]], drawn: Array) -> Mapping[str, Array]:
    sums: list[list[Array]] = [[] for _ in range(4)]
    for y, p in steps:
        known, said = y >= 0, p >= 0.5
        loss = -np.log(np.where(y > 0, p, 1 - p).clip(SMALLEST)) * known
        for kept, part in zip(
            sums, (known, (y > 0) & said, known & ((y > 0) != said), loss), strict=True
        ):
            kept.append(part.sum(axis=0, dtype=np.float64))
    n, hits, misses, loss = (_summed(each, drawn) for each in sums)
    return {
        "f1_macro": np.nanmean(2 * hits / (2 * hits + misses), axis=1),
        "accuracy": np.nanmean(1 - misses / n, axis=1),
        "log_loss": np.nanmean(loss / n, axis=1),
    }
