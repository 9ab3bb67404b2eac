"""What speaks against believing a comparison, said beside it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from memcell.compare.report.differences import SEEDS, SUBJECTS, Difference
from memcell.compare.report.folder import Comparison, Key
from memcell.compare.report.measured import UPDATES, Measured
from memcell.compare.report.words import listed, measure_name, number
from memcell.statistics.paired import ALPHA, smallest_p
from memcell.statistics.targets import NEVER

MANY_SEEDS = 20
FEW_SUBJECTS = 6


def missing_line(comparison: Comparison) -> str:
    """Return the page's first line: which runs are missing, or that none is."""
    planned = len(comparison.settings) * len(comparison.seeds)
    missing = comparison.missing
    if not missing:
        return f"All {planned} runs are here."
    failed = sum(r.status == "failed" for r in comparison.records)
    begun = min(len(comparison.begun), max(0, len(missing) - failed))
    rest = len(missing) - failed - begun
    parts = [
        f"{begun} begun and not finished" * bool(begun),
        f"{failed} could not be run" * bool(failed),
        f"{rest} not begun" * bool(rest > 0),
    ]
    where = listed([f"{named(comparison, key)} seed {seed}" for key, seed in missing])
    return (
        f"{len(missing)} of {planned} runs are missing: {', '.join(p for p in parts if p)} ({where}). "
        f"What follows is of the {planned - len(missing)} runs that are here, and may change."
    )


def named(comparison: Comparison, key: Key) -> str:
    """Return ``"policy=carry, learning_rate=.01"``."""
    pairs = zip(comparison.axes, key, strict=True)
    return ", ".join(f"{axis.name}={value}" for axis, value in pairs)


def caveats(
    comparison: Comparison, measured: Measured, differences: Sequence[Difference]
) -> list[str]:
    """Return every reason for doubt, the weightiest first."""
    lines = [note[:1].upper() + note[1:].rstrip(".") + "." for note in comparison.notes]
    lines += [*_seeds(comparison, differences), *_subjects(measured, differences)]
    lines += [*_diverged(comparison, measured), *_failed(comparison)]
    lines += _target(comparison, measured)
    if any(d.tuned for d in differences):
        lines.append(
            "“Each at its best” holds every setting at those values of the other axes where its median "
            "validation loss was lowest. The choice looks at no test recording; the validation loss itself "
            "is then a little too good on both sides."
        )
    undefined = Counter(
        measure_name(d.measure) for d in differences if d.main and d.unit == SEEDS and d.undefined
    )
    if undefined:
        lines.append(
            f"Some runs have no value for {listed(list(undefined))}: their pairs are left out there, and "
            f"the number of pairs says so."
        )
    lines.append(
        "“Undecided” does not mean “no difference”: it means that these runs cannot tell. The interval says "
        "which differences remain possible. Intervals describe; with fewer than about 20 pairs they are "
        "too narrow, so the test alone decides."
    )
    lines += _environments(comparison)
    lines += [
        f"Not read: {reason.replace(f'{comparison.folder}/', '')}" for reason in comparison.damaged
    ]
    return lines


def _seeds(comparison: Comparison, differences: Sequence[Difference]) -> list[str]:
    rows = [d for d in differences if d.main and d.unit == SEEDS and d.n]
    lines = []
    # ties are no lack of seeds: what this many could have decided
    least = min((min(1.0, smallest_p(d.n) * d.family) for d in rows), default=1.0)
    if rows and least > ALPHA:
        lines.append(
            f"There are too few seeds to decide anything: with {max(d.n for d in rows)} pairs the smallest "
            f"possible p is {number(least)} after correction, and .05 is needed. Without correction, 6 seeds "
            f"are the least; {MANY_SEEDS} or more are advised."
        )
    elif rows and min(d.n for d in rows) < MANY_SEEDS:
        lines.append(
            f"Some comparisons rest on {min(d.n for d in rows)} pairs of runs. With fewer than {MANY_SEEDS}, "
            f"only large differences can be told from chance."
        )
    lines.append(
        "Seeds measure the noise of training (other initial weights, another order): they say whether the "
        "same thing would happen on these recordings again, not whether it would on other people. The test "
        "over subjects asks the other question, of these very runs: one odd run, such as a diverged one, "
        "weighs on every subject alike. Believe what both agree on."
    )
    return lines


def _subjects(measured: Measured, differences: Sequence[Difference]) -> list[str]:
    n = len(measured.subjects)
    if n == 1:
        return ["There is one test subject: nothing here speaks about any other person."]
    rows = [d for d in differences if d.unit == SUBJECTS and d.n]
    if n and n < FEW_SUBJECTS:
        return [f"There are {n} test subjects: too few for any test over subjects to reach .05."]
    if rows and not any(smallest_p(d.n) * d.family <= ALPHA for d in rows):
        return [
            f"There are {n} test subjects: too few to decide so many comparisons over subjects."
        ]
    if not n:
        return ["The runs hold no scores by subject: differences between people are not looked at."]
    return []


def _diverged(comparison: Comparison, measured: Measured) -> list[str]:
    fallen = Counter(
        named(comparison, comparison.key(r)) for r in comparison.records if r.status == "diverged"
    )
    if not fallen:
        return []
    where = listed([f"{name}: {n}" for name, n in fallen.items()])
    lines = [
        f"{sum(fallen.values())} run(s) diverged: their loss was no longer a number ({where}). They are "
        f"counted, not dropped: with the scores of the majority-class baseline, with the loss of guessing "
        f"({number(measured.chance)} nats), and as never having reached the target."
    ]
    if measured.rule_lacks:
        lines.append(
            "No majority-class baseline lies in the folder, so the diverged runs have no score: in scores "
            "their pairs are missing, which flatters a setting that diverges."
        )
    return lines


def _failed(comparison: Comparison) -> list[str]:
    failed = [r for r in comparison.records if r.status == "failed"]
    if not failed:
        return []
    reasons = Counter(r.reason.strip() or "no reason was given" for r in failed)
    return [
        f"{len(failed)} run(s) could not be run and are missing: "
        + listed([f"{reason} ({n})" for reason, n in reasons.items()], 4) + "."
    ]  # fmt: skip


def _target(comparison: Comparison, measured: Measured) -> list[str]:
    if math.isnan(measured.target):
        return ["No run has a validation loss, so there is no target and no time to reach it."]
    rule = (
        "as --target-loss asked"
        if measured.given
        else "the largest, over settings, of the median best validation loss, so that at least half of the "
        "runs of every setting get there"
    )
    runs = comparison.counted
    ended_before = any(
        u == NEVER and runs[run].status == "done" and runs[run].updates < measured.budget
        for run, u in measured.updates.items()
    )
    smaller = ", or smaller, since some of these runs ended before it was used up" * ended_before
    lines = [
        f"The target is a validation loss of {number(measured.target, 4)}: {rule}. A run that never got "
        f"there counts with the whole budget of {measured.budget:.0f} updates in the comparison of times "
        f"({measure_name(UPDATES)}), so the true difference may be larger{smaller}; the share that got "
        f"there stands beside it."
    ]
    if measured.target >= measured.chance:
        lines.append(
            "The target is no better than guessing, so the time to reach it means little: name a lower one "
            "with --target-loss."
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
        f"The runs were made in {len(kinds)} different environments (versions or devices): differences "
        f"between them may be mistaken for differences between settings."
    ]
