"""What probes of staleness saw while training, where runs have them (``probes.jsonl``)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memcell.compare.report.folder import Comparison, Key
from memcell.errors import MemcellError
from memcell.files.reading import read_json_lines
from memcell.statistics.bootstrap import ratio_interval

PROBE = "staleness"
#: A gain from memory below this, nats, is none.
SMALLEST = 1e-6


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One lane of one measurement, as `memcell_plugins.probes.staleness` has them.

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


def read_staleness(comparison: Comparison) -> list[Seen]:
    """Return every staleness record of the runs that ended; unreadable lines are left out."""
    found: list[Seen] = []
    for record in comparison.records:
        key = comparison.key(record)
        for line in _lines(comparison.folder / "runs" / record.id / "probes.jsonl"):
            if line.get("probe") == PROBE and isinstance(line.get("values"), dict):
                at = int(line.get("update") or 0)
                found += [
                    Seen(setting=key, seed=record.seed, update=at, values=values)
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


def pick(seen: Seen, what: str) -> float:
    """Return a value by its name, ``update``, ``ratio`` or ``cosine``; NaN where it was not measured."""
    if what == "update":
        return float(seen.update)
    if what == "cosine":
        return 1 - seen.values.get("gradient_distance", math.nan)
    if what == "ratio":
        zero = seen.values.get("dL_zero", math.nan)
        # Where memory gives nothing there is nothing to have a share of.
        return seen.values.get("dL_stale", math.nan) / zero if zero > SMALLEST else math.nan
    return seen.values.get(what, math.nan)


@dataclass(frozen=True, kw_only=True)
class Staleness:
    """What was seen in one setting: means over measurements of each run, then over runs.

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


def staleness_by_setting(seen: Sequence[Seen]) -> list[Staleness]:
    """Return the means of each setting, every run weighing the same."""
    settings = dict.fromkeys(s.setting for s in seen)
    return [_of_setting(key, [s for s in seen if s.setting == key]) for key in settings]


def _of_setting(key: Key, seen: Sequence[Seen]) -> Staleness:
    runs = {
        seed: [s for s in seen if s.seed == seed] for seed in dict.fromkeys(s.seed for s in seen)
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
    return Staleness(
        setting=key, seeds=len(runs), measured=len(seen), lag=mean("lag"), distance=mean("S"),
        cost=mean("dL_stale"), gain=mean("dL_zero"), ratio=ratio, low=low, high=high,
        turned=mean("gradient_distance"),
    )  # fmt: skip
