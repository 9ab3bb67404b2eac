"""Differences of each setting to the reference, paired by seed; in the main score by test subject too.

One outcome was declared before the first run, under one inference and about one population: its differences
decide, all of them together one family (Holm). All others are secondary: described, and corrected over all of
them. In a folder of a version that declared nothing, all differences of all measures are one family.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from memcell.applications.app import smaller_is_better
from memcell.compare.declared import PEOPLE
from memcell.compare.report.folder import Comparison, Key
from memcell.compare.report.measures import (
    BEST,
    CHOSEN,
    Measures,
    Run,
    is_loss,
    is_updates,
    primary_measure,
)
from memcell.statistics.bootstrap import interval
from memcell.statistics.crossed import crossed
from memcell.statistics.paired import ALPHA, cohens_dz, holm, sign_flip, superiority
from memcell.statistics.targets import NEVER, log_rank

SEEDS, SUBJECTS = "seeds", "subjects"
#: People crossed with seeds, both random.
CROSSED = "people and seeds"
#: The verdict of what decides nothing.
SECONDARY = "secondary"
ROUNDING = 1e-12


@dataclass(frozen=True)
class Pair:
    """Two settings that differ on one axis alone, or, where tuned, each at its best on the others."""

    axis: str
    setting: Key
    reference: Key
    tuned: bool = False


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The difference in one measure between a setting and the reference.

    Args:
        axis: What differs.
        setting: Its value here.
        reference: Its value in the reference.
        within: The other axes, equal in both; where tuned, each setting's own.
        tuned: Each setting stands at those values of the other axes that suit it best.
        measure: Name of a score, or one of `LOSSES`.
        inference: Inference policy of a score, or of a loss that was looked at under both; empty for one
            under what each run was validated with.
        unit: What is paired: ``"seeds"``; ``"subjects"`` after averaging over seeds; or both at once.
        main: A measure that the page shows: the main score, the best validation loss, updates to the target.
        primary: It decides.
        n: Pairs; of people and seeds the people.
        undefined: Pairs left out because a value is not defined.
        mean: Of the setting.
        reference_mean: Of the reference.
        difference: Setting less reference.
        low: Lower end of its 95 % bootstrap interval.
        high: Upper end.
        d_z: Mean difference over its standard deviation.
        superiority: Share of pairs in which the setting is higher.
        p: Two-sided sign-flip test; of people and seeds the min F' test.
        exact: Of p.
        ties: Pairs without a difference.
        smallest_p: That the other pairs can give.
        family: Tests that Holm's correction spans.
        p_holm: Corrected p.
        reached: Share of the setting's runs that reached the target (updates only).
        reference_reached: The same of the reference.
        log_rank: p of the log-rank test of the times to the target, not corrected (updates only).
        verdict: ``better``, ``worse`` (where it is known which way is better), ``higher``, ``lower``,
            ``undecided``, or ``secondary``.
    """

    axis: str
    setting: str
    reference: str
    within: str
    tuned: bool
    measure: str
    inference: str
    unit: str
    main: bool
    primary: bool = False
    n: int
    undefined: int
    mean: float
    reference_mean: float
    difference: float
    low: float
    high: float
    d_z: float
    superiority: float
    p: float
    exact: bool
    ties: int = 0
    smallest_p: float
    family: int = 1
    p_holm: float = float("nan")
    reached: float = float("nan")
    reference_reached: float = float("nan")
    log_rank: float = float("nan")
    verdict: str = "undecided"

    @property
    def can_decide(self) -> bool:
        """Whether the pairs that differ can reach .05 after the correction."""
        return self.smallest_p * self.family <= ALPHA


def pairs(comparison: Comparison) -> list[Pair]:
    """Return what is compared: every value of an axis against its first, all else equal.

    Where one axis has both ``carry`` and ``oracle`` and neither is the reference, carry is compared
    with oracle as well: the cost of staleness.
    """
    found = []
    for i, axis in enumerate(comparison.axes):
        others = [a.values for k, a in enumerate(comparison.axes) if k != i]
        against = [(value, axis.values[0]) for value in axis.values[1:]]
        if {"carry", "oracle"} <= set(axis.values[1:]):
            against.append(("carry", "oracle"))
        for (value, reference), rest in itertools.product(against, itertools.product(*others)):
            keys = [(*rest[:i], v, *rest[i:]) for v in (value, reference)]
            found.append(Pair(axis.name, keys[0], keys[1]))
    return found


def tuned_pairs(comparison: Comparison, measured: Measures) -> list[Pair]:
    """Return the pairs of the first axis with each setting at its best on the other axes.

    Best is the lowest median best validation loss over seeds, so no test sequence enters the choice. A
    policy that needs another learning rate is then not compared at that of the reference.
    """
    first, rests = comparison.axes[0], {key[1:] for key in comparison.settings}
    if len(rests) < 2:
        return []
    losses: dict[Key, list[float]] = {}
    for (key, _), loss in measured.values[BEST, ""].items():
        if not math.isnan(loss):
            losses.setdefault(key, []).append(loss)
    best: dict[str, Key] = {}
    for value in first.values:
        keys = [key for key in comparison.settings if key[0] == value and key in losses]
        if keys:
            best[value] = min(keys, key=lambda key: float(np.median(losses[key])))
    against = [(value, first.values[0]) for value in first.values[1:]]
    if {"carry", "oracle"} <= set(first.values[1:]):
        against.append(("carry", "oracle"))
    return [
        Pair(first.name, best[a], best[b], tuned=True)
        for a, b in against
        if a in best and b in best
    ]


def differences(comparison: Comparison, measured: Measures) -> list[PairedDifference]:
    """Return every difference, those that decide first, each corrected by Holm within its family."""
    compared = pairs(comparison) + tuned_pairs(comparison, measured)
    rows = primary_differences(comparison, measured, compared)
    others = [row for pair in compared for row in _rows(comparison, measured, pair)]
    declared = comparison.primary
    if declared is not None and declared.population != PEOPLE:  # they stand there already
        there = {(r.measure, r.inference, r.unit) for r in rows}
        others = [r for r in others if (r.measure, r.inference, r.unit) not in there]
    corrected = _corrected(others)
    if declared is not None:
        return [*rows, *(dataclasses.replace(row, verdict=SECONDARY) for row in corrected)]
    return [
        dataclasses.replace(row, verdict=_verdict(row, comparison.main_score)) for row in corrected
    ]


def primary_differences(
    comparison: Comparison, measured: Measures, compared: Sequence[Pair] | None = None
) -> list[PairedDifference]:
    """Return the differences that decide, with their verdicts; nothing where nothing was declared.

    No verdict is given while planned runs are missing: who looks early and stops where it suits decides by
    chance more often than the test says.

    Args:
        comparison: The plan and the records.
        measured: The measures of each run.
        compared: All pairs of settings; None to find them.
    """
    declared = comparison.primary
    if declared is None:
        return []
    if compared is None:
        compared = pairs(comparison) + tuned_pairs(comparison, measured)
    measure, inference = primary_measure(comparison)
    values = measured.values.get((measure, inference), {})
    found = []
    for pair in compared:
        names = _names(comparison, pair)
        if declared.population == PEOPLE:
            row = _crossed_row(names, pair, measured, measure, inference)
        else:
            both = list(paired(values, pair).values())
            row = _row(names, pair.tuned, measure, inference, SEEDS, True, both)
        found.append(_with_reached(row, measured, pair))
    whole = not comparison.missing
    return [
        dataclasses.replace(
            row,
            primary=True,
            verdict=_verdict(row, comparison.main_score) if whole else "undecided",
        )
        for row in _corrected(found)
    ]


def deviation(comparison: Comparison, measured: Measures) -> float:
    """Return the standard deviation of paired differences in what decides, pooled over all pairs."""
    values = measured.values.get(primary_measure(comparison), {})
    found = []
    for pair in pairs(comparison):
        d = np.array([a - b for a, b in paired(values, pair).values()])
        d = d[np.isfinite(d)]
        if len(d) > 1:
            found.append(d.var(ddof=1))
    return float(np.sqrt(np.mean(found))) if found else math.nan


def _corrected(rows: Sequence[PairedDifference]) -> list[PairedDifference]:
    """Return rows as one family."""
    size = sum(row.n > 0 for row in rows)
    return [
        dataclasses.replace(row, p_holm=float(p), family=max(1, size))
        for row, p in zip(rows, holm([row.p for row in rows]), strict=True)
    ]


def of_subjects(measured: Measures, inference: str, pair: Pair) -> dict[str, float]:
    """Return each subject's mean difference over the paired seeds, in the main score.

    The seeds are averaged first: they measure the noise of training, and are no more subjects.
    """
    found = {}
    for subject in measured.subjects:
        both = paired(measured.by_subject[inference, subject], pair)
        d = [a - b for a, b in both.values() if not math.isnan(a - b)]
        if d:
            found[subject] = float(np.mean(d))
    return found


def paired(values: Mapping[Run, float], pair: Pair) -> dict[int, tuple[float, float]]:
    """Return seed to the values of setting and reference, for the seeds that both have."""
    seeds = [seed for key, seed in values if key == pair.setting]
    return {
        seed: (values[pair.setting, seed], values[pair.reference, seed])
        for seed in sorted(seeds)
        if (pair.reference, seed) in values
    }


def _names(comparison: Comparison, pair: Pair) -> tuple[str, str, str, str]:
    """Return the axis, both values, and the values of the other axes."""
    axis = next(i for i, a in enumerate(comparison.axes) if a.name == pair.axis)
    within = _others(comparison, pair.setting, axis)
    if pair.tuned:
        theirs = _others(comparison, pair.reference, axis)
        within = f"each at its best: {within}" + (f" and {theirs}" if theirs != within else "")
    return pair.axis, pair.setting[axis], pair.reference[axis], within


def _rows(comparison: Comparison, measured: Measures, pair: Pair) -> Iterator[PairedDifference]:
    names = _names(comparison, pair)
    for (measure, inference), values in measured.values.items():
        both = paired(values, pair)
        main = measure in (comparison.main_score, CHOSEN) or is_updates(measure)
        main = main or (measure, inference) == (BEST, "")
        row = _row(names, pair.tuned, measure, inference, SEEDS, main, list(both.values()))
        yield _with_reached(row, measured, pair)
        # drawn anew, a name is somebody else for each seed
        if measure == comparison.main_score and measured.subjects and not comparison.drawn:
            yield _row(names, pair.tuned, measure, inference, SUBJECTS, True,
                       _subject_pairs(measured, inference, pair))  # fmt: skip


def _with_reached(row: PairedDifference, measured: Measures, pair: Pair) -> PairedDifference:
    """Return a difference of updates with who reached the target, and the log-rank test."""
    if row.measure not in measured.updates:
        return row
    updates = measured.updates[row.measure]
    a, b = zip(*both, strict=True) if (both := list(paired(updates, pair).values())) else ((), ())
    reached = [float(np.mean([u < NEVER for u in each])) if each else math.nan for each in (a, b)]
    return dataclasses.replace(
        row,
        reached=reached[0],
        reference_reached=reached[1],
        log_rank=log_rank(a, b, measured.horizon[row.measure]),
    )


def _crossed_row(
    names: tuple[str, str, str, str], pair: Pair, measured: Measures, measure: str, inference: str
) -> PairedDifference:
    """Return the difference over people and seeds, both random."""
    by_person = (
        measured.by_validated
        if measure == BEST
        else {s: measured.by_subject[inference, s] for s in measured.subjects}
    )
    each = {person: paired(values, pair) for person, values in by_person.items()}
    seeds = sorted({seed for both in each.values() for seed in both})
    table = np.array(
        [[both.get(seed, (math.nan, math.nan)) for both in each.values()] for seed in seeds]
    ).reshape(len(seeds), len(each), 2)
    d = table[..., 0] - table[..., 1]
    whole = np.isfinite(d).all(axis=1)
    table, d = table[whole], d[whole]
    found = crossed(d)
    people = d.mean(axis=0) if len(d) else np.empty(0)
    means = table.mean(axis=(0, 1)) if d.size else (math.nan, math.nan)
    return PairedDifference(
        axis=names[0], setting=names[1], reference=names[2], within=names[3], tuned=pair.tuned,
        measure=measure, inference=inference, unit=CROSSED, main=True,
        n=found.people if found.seeds else 0, undefined=int((~whole).sum()),
        mean=float(means[0]), reference_mean=float(means[1]),
        difference=found.difference, low=found.low, high=found.high,
        d_z=cohens_dz(people), superiority=superiority(people),
        p=found.p, exact=False, ties=int((people == 0).sum()),
        smallest_p=0.0 if min(found.people, found.seeds) > 1 else 1.0,
    )  # fmt: skip


def _others(comparison: Comparison, key: Key, axis: int) -> str:
    """Return the values of the axes but one."""
    pairs = enumerate(zip(comparison.axes, key, strict=True))
    return ", ".join(f"{a.name}={value}" for i, (a, value) in pairs if i != axis)


def _subject_pairs(measured: Measures, inference: str, pair: Pair) -> list[tuple[float, float]]:
    found = []
    for subject in measured.subjects:
        both = list(paired(measured.by_subject[inference, subject], pair).values())
        known = [(a, b) for a, b in both if not math.isnan(a - b)]
        if known:
            a, b = np.mean(known, axis=0)
            found.append((float(a), float(b)))
        elif both:
            found.append((float("nan"), float("nan")))
    return found


def _row(
    names: tuple[str, str, str, str],
    tuned: bool,
    measure: str,
    inference: str,
    unit: str,
    main: bool,
    both: list[tuple[float, float]],
) -> PairedDifference:
    known = np.array([p for p in both if not math.isnan(p[0] - p[1])]).reshape(-1, 2)
    d = known[:, 0] - known[:, 1]
    # What only the order of adding makes is a tie.
    d[np.abs(d) <= ROUNDING * np.abs(known).max(axis=1, initial=0.0)] = 0.0
    test = sign_flip(d)
    low, high = interval(d)
    means = known.mean(axis=0) if len(d) else (math.nan, math.nan)
    return PairedDifference(
        axis=names[0], setting=names[1], reference=names[2], within=names[3], tuned=tuned,
        measure=measure, inference=inference, unit=unit, main=main,
        n=len(d), undefined=len(both) - len(d),
        mean=float(means[0]), reference_mean=float(means[1]),
        difference=float(d.mean()) if len(d) else math.nan, low=low, high=high,
        d_z=cohens_dz(d), superiority=superiority(d),
        p=test.p, exact=test.exact, ties=test.ties, smallest_p=test.smallest_p,
    )  # fmt: skip


def _verdict(row: PairedDifference, main_score: str) -> str:
    if not row.p_holm <= ALPHA or row.difference == 0:
        return "undecided"
    up = row.difference > 0
    if row.measure == main_score:
        return "better" if up != smaller_is_better(main_score) else "worse"
    if is_loss(row.measure):
        return "worse" if up else "better"
    return "higher" if up else "lower"
