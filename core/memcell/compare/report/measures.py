"""The measures of each run; a diverged run has those of a stated rule."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from memcell.compare.records import RunRecord
from memcell.compare.report.folder import Comparison, Key
from memcell.statistics.targets import NEVER, Curve, log_updates, target_of, updates_to_target

NAN = float("nan")
#: Measures of a run as such, without an inference policy.
BEST, FINAL, TRAINING = "best_validation_loss", "final_validation_loss", "final_training_loss"
UPDATES = "log_updates_to_target"
LOSSES = (BEST, FINAL, TRAINING, UPDATES)
#: A baseline of such a name knows nothing of the features.
NO_SKILL = ("majority", "best constant")
Run = tuple[Key, int]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """The measures of all runs that are included.

    Args:
        inferences: Inference policies, in order of appearance.
        scores: Names of scores, the main one first.
        subjects: Test subjects, sorted.
        target: The target loss; NaN where there is none.
        given: The target was given and not found.
        budget: The most updates that any run made.
        chance: The loss of guessing, which a diverged run has.
        values: ``(measure, inference policy or "")`` to run to value; NaN where not defined.
        by_subject: ``(inference policy, subject)`` to run to main score.
        updates: Run to updates to the target, `NEVER` where it was not reached.
        curves: Run to its validation curve.
        rule_lacks: No baseline has the score that a diverged run would have; it is NaN.
    """

    inferences: tuple[str, ...]
    scores: tuple[str, ...]
    subjects: tuple[str, ...]
    target: float
    given: bool
    budget: float
    chance: float
    values: dict[tuple[str, str], dict[Run, float]]
    by_subject: dict[tuple[str, str], dict[Run, float]]
    updates: dict[Run, float]
    curves: dict[Run, Curve]
    rule_lacks: bool


def measure(comparison: Comparison) -> Measures:
    """Return the measures of all runs that count.

    A diverged run counts, by this rule: its scores are those of the majority-class baseline (of values: of
    the best constant), its losses ``ln(n_classes)`` (guessing; of values, the loss of their middle), and it
    never reached the target.
    """
    runs, main = comparison.counted, comparison.main_score
    scored = [scores for r in runs.values() for scores in r.scores.values()]
    names = list(dict.fromkeys([main, *(name for scores in scored for name in scores)]))
    inferences = list(dict.fromkeys(policy for r in runs.values() for policy in r.scores))
    subjects = sorted({s for r in runs.values() for each in r.subjects.values() for s in each})
    chance = comparison.chance_loss
    if chance is None:
        chance = math.log(comparison.n_classes)
    best = {k: _best(r, chance) for k, r in runs.items()}
    target = comparison.target_loss
    if target is None:
        by_setting = {
            str(key): [loss for (k, _), loss in best.items() if k == key]
            for key in comparison.settings
        }
        target = target_of(by_setting)
    updates = {
        k: NEVER if r.status == "diverged" else updates_to_target(r.validation, target)
        for k, r in runs.items()
    }
    budget = float(max((r.updates for r in runs.values()), default=1))
    majority = next(
        (b for b in comparison.baselines if any(word in b.name.lower() for word in NO_SKILL)), None
    )
    pooled = majority.scores if majority else {}
    each = majority.subjects if majority else {}

    def score(r: RunRecord, policy: str, name: str) -> float:
        fallen = r.status == "diverged"
        return pooled.get(name, NAN) if fallen else r.scores.get(policy, {}).get(name, NAN)

    def of_subject(r: RunRecord, policy: str, subject: str) -> float:
        if r.status == "diverged":
            return each.get(subject, pooled).get(main, pooled.get(main, NAN))
        return r.subjects.get(policy, {}).get(subject, {}).get(main, NAN)

    values = {(name, p): {k: score(r, p, name) for k, r in runs.items()}
              for p in inferences for name in names}  # fmt: skip
    values[BEST, ""] = best
    values[FINAL, ""] = {k: _last(r, r.validation, chance) for k, r in runs.items()}
    values[TRAINING, ""] = {k: _last(r, r.training, chance) for k, r in runs.items()}
    values[UPDATES, ""] = {
        k: NAN if math.isnan(target) or not (r.validation or r.status == "diverged")
        else log_updates(updates[k], budget) for k, r in runs.items()
    }  # fmt: skip
    fallen = any(r.status == "diverged" for r in runs.values())
    return Measures(
        inferences=tuple(inferences),
        scores=tuple(names),
        subjects=tuple(subjects),
        target=target,
        given=comparison.target_loss is not None,
        budget=budget,
        chance=chance,
        values=values,
        by_subject={(p, s): {k: of_subject(r, p, s) for k, r in runs.items()}
                    for p in inferences for s in subjects},
        updates=updates,
        curves={k: _curve(r, chance) for k, r in runs.items()},
        rule_lacks=fallen and main not in pooled,
    )  # fmt: skip


def _best(record: RunRecord, chance: float) -> float:
    if record.status == "diverged":
        return chance
    losses = [loss for _, loss in record.validation if not math.isnan(loss)]
    return min(losses, default=NAN)


def _last(record: RunRecord, curve: Curve, chance: float) -> float:
    if record.status == "diverged":
        return chance
    return float(curve[-1][1]) if curve else NAN


def _curve(record: RunRecord, chance: float) -> Curve:
    """Return the validation curve; that of a diverged run goes on at chance from where it broke."""
    finite = [(u, loss) for u, loss in record.validation if np.isfinite(loss)]
    if record.status == "diverged":
        begun = finite[-1][0] + 1 if finite else 0
        return [*finite, (begun, chance)]
    return finite
