"""What staleness cost of what memory gave: carry against oracle, held against oracle over reset."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from memcell.compare.report.folder import Comparison
from memcell.compare.report.measured import BEST, Measured
from memcell.statistics.bootstrap import interval, ratio_interval

NEEDED = ("reset", "carry", "oracle")


@dataclass(frozen=True, kw_only=True)
class MemoryShare:
    """Cost of staleness and gain of memory in one measure, over the seeds that all three policies have.

    Args:
        measure: The main score, or the best validation loss.
        inference: Inference policy of a score.
        within: Values of the other axes.
        n: Seeds.
        gain: Of oracle over reset; positive where memory helps.
        gain_low: Of its 95 % interval.
        gain_high: Of its interval.
        cost: Of carry against oracle; positive where staleness harms.
        cost_low: Of its interval.
        cost_high: Of its interval.
        ratio: Cost over gain; NaN unless the interval of the gain is above 0, and every resample's gain too.
        low: Of its percentile interval, seeds resampled.
        high: Of its interval.
    """

    measure: str
    inference: str
    within: str
    n: int
    gain: float
    gain_low: float
    gain_high: float
    cost: float
    cost_low: float
    cost_high: float
    ratio: float
    low: float
    high: float


def memory_shares(comparison: Comparison, measured: Measured) -> list[MemoryShare]:
    """Return the share for each combination of the other axes, where an axis has all three policies."""
    found = []
    for i, axis in enumerate(comparison.axes):
        if not set(NEEDED) <= set(axis.values):
            continue
        rests = dict.fromkeys((key[:i], key[i + 1 :]) for key in comparison.settings)
        names = [a.name for k, a in enumerate(comparison.axes) if k != i]
        for before, after in rests:
            within = ", ".join(f"{n}={v}" for n, v in zip(names, (*before, *after), strict=True))
            for measure, inference in [(comparison.main_score, p) for p in measured.inferences] + [
                (BEST, "")
            ]:
                values = measured.values[measure, inference]
                rows = [
                    [values.get(((*before, policy, *after), seed), math.nan) for policy in NEEDED]
                    for seed in comparison.seeds
                ]
                known = np.array([r for r in rows if not any(map(math.isnan, r))]).reshape(-1, 3)
                if len(known):
                    found.append(_share(known, measure, inference, within))
    return found


def _share(known: np.ndarray[tuple[int, int], np.dtype[np.float64]], measure: str, inference: str,
           within: str) -> MemoryShare:  # fmt: skip
    sign = -1.0 if measure == BEST else 1.0
    gain, cost = sign * (known[:, 2] - known[:, 0]), sign * (known[:, 2] - known[:, 1])
    (gain_low, gain_high), (cost_low, cost_high) = interval(gain), interval(cost)
    ratio, low, high = math.nan, math.nan, math.nan
    if gain_low > 0:
        ratio, low, high = ratio_interval(cost, gain)
        ratio = math.nan if math.isnan(low) else ratio
    return MemoryShare(
        measure=measure, inference=inference, within=within, n=len(known),
        gain=float(gain.mean()), gain_low=gain_low, gain_high=gain_high,
        cost=float(cost.mean()), cost_low=cost_low, cost_high=cost_high,
        ratio=ratio, low=low, high=high,
    )  # fmt: skip
