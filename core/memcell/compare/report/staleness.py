"""The cost of staleness: as a share of the gain of memory in scores, and as probes measure it in training.

The first compares runs: the cost is that of carry against oracle, the gain that of oracle against reset. The
second reads ``probes.jsonl`` of the runs that have one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memcell.compare.report.folder import Comparison, Key
from memcell.compare.report.measures import BEST, Measures
from memcell.errors import MemcellError
from memcell.files.reading import read_json_lines
from memcell.statistics.bootstrap import interval, ratio_interval

NEEDED = ("reset", "carry", "oracle")
PROBE = "staleness"
#: A gain from memory below this, nats, is none.
SMALLEST = 1e-6


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


def memory_shares(comparison: Comparison, measured: Measures) -> list[MemoryShare]:
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


@dataclass(frozen=True, kw_only=True)
class StalenessMeasurement:
    """One lane of one measurement of the staleness probe.

    Args:
        setting: One value for each axis.
        seed: Of the run.
        update: When.
        values: Name to value; what is said of the whole batch stands in each of its lanes.
    """

    setting: Key
    seed: int
    update: int
    values: dict[str, float]


def read_staleness(comparison: Comparison) -> list[StalenessMeasurement]:
    """Return every staleness record of the runs that ended; unreadable lines are left out."""
    found: list[StalenessMeasurement] = []
    for record in comparison.records:
        key = comparison.key(record)
        for line in _lines(comparison.folder / "runs" / record.id / "probes.jsonl"):
            if line.get("probe") == PROBE and isinstance(line.get("values"), dict):
                at = int(line.get("update") or 0)
                found += [
                    StalenessMeasurement(setting=key, seed=record.seed, update=at, values=values)
                    for values in _lanes(line["values"])
                ]
    return found


def _lanes(values: dict[str, Any]) -> list[dict[str, float]]:
    """Return the values lane by lane; what is not a finite number is left out."""
    n = max((len(v) for v in values.values() if isinstance(v, list)), default=1)
    rows: list[dict[str, float]] = [{} for _ in range(n)]
    for name, value in values.items():
        lanes = value if isinstance(value, list) else [value] * n
        for row, v in zip(rows, lanes, strict=False):
            if isinstance(v, int | float) and math.isfinite(v):
                row[str(name)] = float(v)
    return rows


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    with suppress(MemcellError):  # a line cut by a crash is left out there
        yield from read_json_lines(path)


def pick(measurement: StalenessMeasurement, what: str) -> float:
    """Return a value by its name, ``update``, ``ratio`` or ``cosine``; NaN where it was not measured."""
    if what == "update":
        return float(measurement.update)
    if what == "cosine":
        return 1 - measurement.values.get("gradient_distance", math.nan)
    if what == "ratio":
        zero = measurement.values.get("dL_zero", math.nan)
        # Where memory gives nothing there is nothing to have a share of.
        return measurement.values.get("dL_stale", math.nan) / zero if zero > SMALLEST else math.nan
    return measurement.values.get(what, math.nan)


@dataclass(frozen=True, kw_only=True)
class StalenessSummary:
    """Staleness of one setting: means over measurements of each run, then over runs.

    Args:
        setting: One value for each axis.
        seeds: Runs with measurements.
        measured: Lanes measured, all runs together.
        lag: Updates since the memory was made.
        distance: S, the distance of carried memory from today's as a share of its size.
        cost: dL_stale, nats.
        gain: dL_zero, nats.
        ratio: Mean cost over mean gain; NaN where there is no gain, or, of several runs, no clear one.
        low: Of its 95 % interval, runs resampled; NaN unless the gain is positive in every resample.
        high: Of its interval.
        turned: 1 - cosine of the gradients.
    """

    setting: Key
    seeds: int
    measured: int
    lag: float
    distance: float
    cost: float
    gain: float
    ratio: float
    low: float
    high: float
    turned: float


def staleness_by_setting(measurements: Sequence[StalenessMeasurement]) -> list[StalenessSummary]:
    """Return the means of each setting, every run weighing the same."""
    settings = dict.fromkeys(s.setting for s in measurements)
    return [_of_setting(key, [s for s in measurements if s.setting == key]) for key in settings]


def _of_setting(key: Key, measurements: Sequence[StalenessMeasurement]) -> StalenessSummary:
    runs = {
        seed: [s for s in measurements if s.seed == seed]
        for seed in dict.fromkeys(s.seed for s in measurements)
    }

    def means(what: str) -> list[float]:
        found = [
            [v for s in run if (v := s.values.get(what, math.nan)) == v] for run in runs.values()
        ]
        return [float(np.mean(values)) if values else math.nan for values in found]

    def mean(what: str) -> float:
        known = [v for v in means(what) if v == v]
        return float(np.mean(known)) if known else math.nan

    pairs = zip(means("dL_stale"), means("dL_zero"), strict=True)
    known = np.array([p for p in pairs if p[0] == p[0] and p[1] == p[1]]).reshape(-1, 2)
    ratio, low, high = ratio_interval(known[:, 0], known[:, 1])
    if len(known) > 1 and math.isnan(low):
        ratio = math.nan  # a gain that is not clear has no share
    return StalenessSummary(
        setting=key, seeds=len(runs), measured=len(measurements), lag=mean("lag"), distance=mean("S"),
        cost=mean("dL_stale"), gain=mean("dL_zero"), ratio=ratio, low=low, high=high,
        turned=mean("gradient_distance"),
    )  # fmt: skip
