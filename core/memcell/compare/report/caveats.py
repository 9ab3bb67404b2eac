"""The caveats of a comparison: what limits the conclusions, in sentences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from memcell.compare.report.differences import SEEDS, SUBJECTS, PairedDifference
from memcell.compare.report.folder import NATS, Comparison, Key
from memcell.compare.report.measures import BEST, OWN, UPDATES, Measures
from memcell.compare.report.phrasing import listed, measure_name
from memcell.reports.numbers import counted, number
from memcell.statistics.paired import ALPHA, smallest_p
from memcell.statistics.targets import NEVER, clearly_below

MANY_SEEDS = 20
FEW_SUBJECTS = 6


def missing_line(comparison: Comparison) -> str:
    """Return the first line of the page: which runs are missing, or that all are there."""
    planned = len(comparison.settings) * len(comparison.seeds)
    missing = comparison.missing
    if not missing:
        return f"All {planned} runs are complete."
    failed = sum(r.status == "failed" for r in comparison.records) * (comparison.primary is None)
    begun = min(len(comparison.begun), max(0, len(missing) - failed))
    rest = len(missing) - failed - begun
    parts = [
        f"{begun} unfinished" * bool(begun),
        f"{failed} failed" * bool(failed),
        f"{rest} not started" * bool(rest > 0),
    ]
    where = listed([f"{named(comparison, key)} seed {seed}" for key, seed in missing])
    return (
        f"{len(missing)} of {planned} runs are missing: {', '.join(p for p in parts if p)} ({where}). "
        f"The results below are those of the other {planned - len(missing)} runs and may change."
    )


def named(comparison: Comparison, key: Key) -> str:
    """Return ``"policy=carry, learning_rate=.01"``."""
    pairs = zip(comparison.axes, key, strict=True)
    return ", ".join(f"{axis.name}={value}" for axis, value in pairs)


def caveats(
    comparison: Comparison, measured: Measures, differences: Sequence[PairedDifference]
) -> list[str]:
    """Return the caveats, the most important first."""
    lines = _declared(comparison)
    lines += [note[:1].upper() + note[1:].rstrip(".") + "." for note in comparison.notes]
    lines += [*_seeds(comparison, differences), *_subjects(comparison, measured, differences)]
    lines += [*_alike(comparison), *_diverged(comparison, measured), *_failed(comparison)]
    lines += _target(comparison, measured)
    if any(d.tuned for d in differences):
        lines.append(
            "“Each at its best” compares every setting at those values of the other axes where its median "
            "validation loss is lowest. No test sequence enters this choice; the validation loss itself is "
            "then slightly optimistic on both sides."
        )
    undefined = Counter(
        measure_name(d.measure) for d in differences if d.main and d.unit == SEEDS and d.undefined
    )
    if undefined:
        lines.append(
            f"Some runs have no value for {listed(list(undefined))}; their pairs are excluded there, as the "
            f"number of pairs shows."
        )
    lines.append(
        "“Undecided” does not mean “no difference”: the interval shows which differences remain compatible "
        "with the data. Bootstrap intervals are descriptive; with fewer than about 20 pairs they are too "
        "narrow, so verdicts rest on the test alone."
    )
    lines += _environments(comparison)
    lines += [
        f"Not read: {reason.replace(f'{comparison.folder}/', '')}" for reason in comparison.damaged
    ]
    return lines


def _declared(comparison: Comparison) -> list[str]:
    """Return what the declaration leaves open, and where it was not kept to."""
    declared, lines = comparison.primary, []
    if declared is None:
        return [
            "This comparison was made by a version that declared no primary outcome: all differences are "
            "corrected together. Each training policy was validated, and its epoch chosen, under an "
            "inference "
            "policy of its own unless --eval-policy was typed, so losses and updates of policies are of "
            "training "
            "and inference together."
        ]
    if declared.inference == OWN and any(a.name == "policy" for a in comparison.axes):
        lines.append(
            "Each training policy is inferred in its own way, so a difference is of training and inference "
            "together."
        )
    if 0 < comparison.declared_seeds < len(comparison.seeds):
        lines.append(
            f"Seeds were added: it began with {comparison.declared_seeds}, and has "
            f"{len(comparison.seeds)}. A p "
            "value holds for a number of seeds that was fixed beforehand; seeds added after a look make it "
            "smaller than it is."
        )
    return lines


def _alike(comparison: Comparison) -> list[str]:
    """Return that settings are one training under two names: its losses are the same to the bit."""
    curves: dict[tuple[int, Any], list[str]] = {}
    for (key, seed), r in comparison.counted.items():
        if r.training:
            curves.setdefault((seed, r.training), []).append(", ".join(key))
    same = Counter(tuple(names) for names in curves.values() if len(names) > 1)
    return [
        f"{' and '.join(names)} gave the same losses to the bit in {n} of {len(comparison.seeds)} seeds of "
        "training: it is one training under two names there, and what differs between them is of "
        "inference alone."
        for names, n in same.items()
    ]


def _seeds(comparison: Comparison, differences: Sequence[PairedDifference]) -> list[str]:
    rows = [d for d in differences if d.main and d.unit == SEEDS and d.n]
    if comparison.primary is not None:
        rows = [d for d in rows if d.primary]
    lines = []
    # ties are no lack of seeds: what this many could have decided
    least = min((min(1.0, smallest_p(d.n) * d.family) for d in rows), default=1.0)
    if rows and least > ALPHA:
        lines.append(
            f"There are too few seeds to decide anything: with {counted(max(d.n for d in rows), 'pair')} the "
            f"smallest "
            f"possible corrected p is {number(least)}, above .05. Without correction at least 6 seeds are "
            f"needed; {MANY_SEEDS} or more are advised."
        )
    elif rows and min(d.n for d in rows) < MANY_SEEDS:
        lines.append(
            f"Some comparisons rest on {min(d.n for d in rows)} pairs of runs. With fewer than {MANY_SEEDS}, "
            f"only large differences can be detected."
        )
    if comparison.drawn:
        lines.append(
            "The data are drawn anew for each seed (simulated ones made, others divided), beside initial "
            "weights and the order of training: "
            "tests over seeds generalize to other draws of these data. Baselines are those of the first draw."
        )
    else:
        lines.append(
            "Seeds vary the initial weights and the order of training: tests over seeds generalize to other "
            "trainings on the same data, not to other subjects. Tests over subjects generalize to other "
            "subjects "
            "for these trained networks, and one outlying run, such as a diverged one, affects every "
            "subject. "
            "Rely on what both agree on; a test over people and seeds, where there is one, does both."
        )
    return lines


def _subjects(
    comparison: Comparison, measured: Measures, differences: Sequence[PairedDifference]
) -> list[str]:
    n = len(measured.subjects)
    if n == 1:
        return ["There is one test subject: the results do not generalize to other subjects."]
    if (
        n and comparison.primary is not None
    ):  # whom it is about is declared, and said with the results
        return []
    rows = [d for d in differences if d.unit == SUBJECTS and d.n]
    if n and n < FEW_SUBJECTS:
        return [f"There are {n} test subjects: too few for any test over subjects to reach .05."]
    if rows and not any(smallest_p(d.n) * d.family <= ALPHA for d in rows):
        return [
            f"There are {n} test subjects: too few to decide this many comparisons over subjects."
        ]
    if not n:
        return [
            "The runs have no scores by subject, so differences between subjects are not tested."
        ]
    return []


def _diverged(comparison: Comparison, measured: Measures) -> list[str]:
    fallen = Counter(
        named(comparison, comparison.key(r)) for r in comparison.records if r.status == "diverged"
    )
    if not fallen:
        return []
    where = listed([f"{name}: {n}" for name, n in fallen.items()])
    without = "majority-class" if comparison.loss_unit == NATS else "best constant"
    lines = [
        f"{sum(fallen.values())} run(s) diverged: their loss was no longer finite ({where}). They are "
        f"included with the scores of the {without} baseline, the loss of chance "
        f"({number(measured.chance)} {comparison.loss_unit}), and as never having reached the target."
    ]
    if measured.rule_lacks:
        lines.append(
            f"The folder has no {without} baseline, so the diverged runs have no score and their pairs "
            "are missing from the scores, which flatters a setting that diverges."
        )
    return lines


def _failed(comparison: Comparison) -> list[str]:
    failed = [r for r in comparison.records if r.status == "failed"]
    if not failed:
        return []
    reasons = Counter(r.reason.strip() or "no reason was given" for r in failed)
    return [
        f"{len(failed)} run(s) failed and "
        + ("are missing: " if comparison.primary is None else "count as those that diverged, until the same "
           "command has done them: ")
        + listed([f"{reason} ({n})" for reason, n in reasons.items()], 4) + "."
    ]  # fmt: skip


def _target(comparison: Comparison, measured: Measures) -> list[str]:
    if math.isnan(measured.target):
        losses = measured.values.get((BEST, ""), {})
        if all(map(math.isnan, losses.values())):
            return [
                "No run has a validation loss, so there is no target loss and no time to reach it."
            ]
        return [
            f"The median run is not clearly below chance ({number(measured.chance)} "
            f"{comparison.loss_unit}), so "
            "no target is chosen and no time to it is counted; give one with --target-loss."
        ]
    rule = (
        "as given by --target-loss"
        if measured.given
        else f"nine tenths of the way from chance ({number(measured.chance)}) to the best loss of the median "
        "run of all settings"
    )
    looked = any(r.looks for r in comparison.counted.values())
    never = not any(u < NEVER for u in measured.updates[UPDATES].values())
    lines = [
        f"No run reached the target loss of {number(measured.target, 4)}: nothing is known of updates to it. "
        "Take one that a good run reaches, or train longer, in another --out."
    ] * never
    lines += [
        f"The target is a validation loss of {number(measured.target, 4)}: {rule}. It is looked for at the "
        "end of "
        f"each epoch{' and within epochs' * looked}. Differences are of the restricted mean of log "
        "updates: up to "
        f"update {measured.horizon[UPDATES]:.0f}, until which every run was followed that did not get "
        "there. A "
        "run that was not there by then counts as just there, so the true difference may be larger; the "
        "share of "
        "runs that reached it, and a log-rank test, are given beside it."
    ]
    if measured.given and measured.target > clearly_below(measured.chance):
        lines.append(
            f"The target loss is no better than guessing ({number(measured.chance)}), or hardly, so the "
            "time to "
            "reach it means little; set a lower one with --target-loss."
        )
    return lines


def _environments(comparison: Comparison) -> list[str]:
    kinds = {
        (str(e.get("memcell")), str(e.get("git")), str(e.get("device")), str(e.get("libraries")))
        for e in comparison.environments.values() if e
    }  # fmt: skip
    if len(kinds) < 2:
        return []
    return [
        f"The runs were made in {len(kinds)} different environments (versions or devices), which may be "
        f"confounded with the settings."
    ]
