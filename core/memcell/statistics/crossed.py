"""Differences over two random effects at once: trainings (seeds) crossed with people or recordings.

A test over seeds speaks of other trainings on the same people, one over people of other people for the same
trained networks. To speak of both, both have to be random. The test here is the min F' of Clark (1973, "The
language-as-fixed-effect fallacy"): the squared mean over the sum of both error variances. It counts the
interaction twice, so it is on the safe side. The interval resamples rows and columns independently (the
pigeonhole bootstrap, Owen 2007) and describes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from memcell.statistics.bootstrap import NONE, RESAMPLES, SEED, percentile_interval
from memcell.statistics.paired import smallest_p


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """Result of `crossed`.

    Args:
        seeds: Trainings.
        people: People or recordings.
        difference: Mean difference.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p: Two-sided; NaN with fewer than two of either.
    """

    seeds: int
    people: int
    difference: float
    low: float
    high: float
    p: float


def crossed(differences: ArrayLike) -> Crossed:
    """Test whether a mean difference is 0 where trainings and people are both random.

    Args:
        differences: ``[n_seeds, n_people]``; a seed without a value for somebody is left out.
    """
    d = np.asarray(differences, dtype=np.float64)
    d = d[np.isfinite(d).all(axis=1)]
    seeds, people = d.shape
    if not seeds or not people:
        return Crossed(seeds=seeds, people=people, difference=math.nan, low=math.nan,
                       high=math.nan, p=math.nan)  # fmt: skip
    low, high = _interval(d)
    return Crossed(
        seeds=seeds, people=people, difference=float(d.mean()), low=low, high=high, p=_min_f(d)
    )


def _min_f(d: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    from scipy.stats import f as f_distribution

    seeds, people = d.shape
    if min(seeds, people) < 2:
        return math.nan
    of_seeds = float(d.mean(axis=1).var(ddof=1)) / seeds
    of_people = float(d.mean(axis=0).var(ddof=1)) / people
    both, mean = of_seeds + of_people, float(d.mean())
    if mean == 0:
        return 1.0
    if both <= (1e-12 * mean) ** 2:  # the same difference everywhere
        return smallest_p(min(seeds, people))
    degrees = both**2 / (of_seeds**2 / (seeds - 1) + of_people**2 / (people - 1))
    return float(f_distribution.sf(mean**2 / both, 1, degrees))


def _interval(d: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float]:
    seeds, people = d.shape
    if min(seeds, people) < 2:
        return NONE
    random = np.random.default_rng(SEED)
    n = RESAMPLES // 5
    rows = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=n) / seeds
    columns = random.multinomial(people, np.full(people, 1 / people), size=n) / people
    return percentile_interval(((rows @ d) * columns).sum(axis=1))
