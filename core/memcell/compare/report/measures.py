"""The measures of each run; a diverged run has those of a stated rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from memcell.compare.records import RunRecord
from memcell.compare.report.folder import Comparison, Key
from memcell.statistics.targets import (
    NEVER,
    Curve,
    horizon,
    log_updates,
    target_of,
    updates_to_target,
)

NAN = float("nan")
#: Measures of a run as such, without an inference policy.
BEST, FINAL, TRAINING = "best_validation_loss", "final_validation_loss", "final_training_loss"
#: Of the network that was kept, under each inference policy.
CHOSEN = "chosen_validation_loss"
UPDATES = "log_updates_to_target"
LOSSES = (BEST, FINAL, TRAINING, UPDATES)
#: Inference policy of a measure that takes each setting under its own.
OWN = "own"
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
        targets: Measure of updates to its target loss; NaN where there is none.
        given: The targets were given and not found.
        horizon: Measure of updates to the update up to which every run was followed.
        budget: The most updates that any run made.
        chance: The loss of guessing, which a diverged run has.
        values: ``(measure, inference policy or "")`` to run to value; NaN where not defined.
        by_subject: ``(inference policy, subject)`` to run to main score.
        by_validated: Validation subject to run to the validation loss of the network that was kept, under the
            declared inference.
        updates: Measure of updates to run to updates to the target, `NEVER` where it was not reached.
        curves: Run to its validation curve, under the inference policy that it was validated with.
        curves_under: Inference policy to run to its validation curve under it, where there is one.
        rule_lacks: No baseline has the score that a diverged run would have; it is NaN.
    """

    inferences: tuple[str, ...]
    scores: tuple[str, ...]
    subjects: tuple[str, ...]
    targets: dict[str, float]
    given: bool
    horizon: dict[str, float]
    budget: float
    chance: float
    values: dict[tuple[str, str], dict[Run, float]]
    by_subject: dict[tuple[str, str], dict[Run, float]]
    by_validated: dict[str, dict[Run, float]]
    updates: dict[str, dict[Run, float]]
    curves: dict[Run, Curve]
    curves_under: dict[str, dict[Run, Curve]]
    rule_lacks: bool

    @property
    def target(self) -> float:
        """The first target; NaN where there is none."""
        return self.targets[UPDATES]


def is_loss(measure: str) -> bool:
    """Whether a measure is better where it is lower, whatever the task."""
    return measure in LOSSES or measure == CHOSEN or is_updates(measure)


def is_updates(measure: str) -> bool:
    """Whether a measure is the logarithm of updates to a target."""
    return measure.startswith("log_updates_to")


def primary_measure(comparison: Comparison) -> tuple[str, str]:
    """Return measure and inference policy of what decides; the main score where nothing was declared."""
    declared = comparison.primary
    if declared is None:
        return comparison.main_score, "carry"
    if declared.outcome == "score":
        return comparison.main_score, declared.inference
    return (BEST if declared.outcome == "validation_loss" else UPDATES), ""


def measure(comparison: Comparison) -> Measures:
    """Return the measures of all runs that count.

    A run that diverged, or failed and was not tried again, counts, by this rule: its scores are those of the
    majority-class baseline (of values: of the best constant), its losses those of chance, and it never
    reached the target.
    """
    runs, main = comparison.counted, comparison.main_score
    scored = [scores for r in runs.values() for scores in r.scores.values()]
    names = list(dict.fromkeys([main, *(name for scores in scored for name in scores)]))
    inferences = list(dict.fromkeys(policy for r in runs.values() for policy in r.scores))
    subjects = sorted({s for r in runs.values() for each in r.subjects.values() for s in each})
    chance = comparison.chance_loss
    if chance is None:
        chance = math.log(comparison.n_classes)
    best = {k: _best(r, chance, r.validation) for k, r in runs.items()}
    found_target = target_of(best.values(), chance)
    targets = {UPDATES: comparison.targets[0] if comparison.targets else found_target}
    targets |= {f"log_updates_to_{t:g}": t for t in comparison.targets[1:]}
    updates = {
        name: {k: _updates(r, target) for k, r in runs.items()} for name, target in targets.items()
    }
    budget = float(max((r.updates for r in runs.values()), default=1))
    followed = [NEVER if _fallen(r) else float(r.updates) for r in runs.values()]
    until = {name: horizon(list(each.values()), followed) for name, each in updates.items()}
    until = {name: budget if math.isnan(u) else u for name, u in until.items()}
    majority = next(
        (b for b in comparison.baselines if any(word in b.name.lower() for word in NO_SKILL)), None
    )
    pooled = majority.scores if majority else {}
    each = majority.subjects if majority else {}

    def score(r: RunRecord, policy: str, name: str) -> float:
        return pooled.get(name, NAN) if _fallen(r) else r.scores.get(policy, {}).get(name, NAN)

    def of_subject(r: RunRecord, policy: str, subject: str) -> float:
        if _fallen(r):
            return each.get(subject, pooled).get(main, pooled.get(main, NAN))
        own = r.own if policy == OWN else policy
        return r.subjects.get(own, {}).get(subject, {}).get(main, NAN)

    values = {(name, p): {k: score(r, p, name) for k, r in runs.items()}
              for p in inferences for name in names}  # fmt: skip
    values[BEST, ""] = best
    values[FINAL, ""] = {k: _last(r, r.validation, chance) for k, r in runs.items()}
    values[TRAINING, ""] = {k: _last(r, r.training, chance) for k, r in runs.items()}
    under = sorted({p for r in runs.values() for p in r.validations})
    for policy in under:
        own_curves = {k: _under(r, policy, comparison) for k, r in runs.items()}
        values[BEST, policy] = {k: _best(r, chance, own_curves[k]) for k, r in runs.items()}
        values[FINAL, policy] = {k: _last(r, own_curves[k], chance) for k, r in runs.items()}
    for policy in dict.fromkeys(p for r in runs.values() for p in r.chosen):
        values[CHOSEN, policy] = {
            k: chance if _fallen(r) else r.chosen.get(policy, NAN) for k, r in runs.items()
        }
    for name, target in targets.items():
        values[name, ""] = {
            k: NAN if math.isnan(target) or not (r.validation or _fallen(r))
            else log_updates(updates[name][k], until[name]) for k, r in runs.items()
        }  # fmt: skip
    declared = comparison.primary.inference if comparison.primary is not None else ""
    scored_by = [*inferences, OWN] if declared == OWN else inferences
    if declared == OWN:
        values[main, OWN] = {k: score(r, r.own, main) for k, r in runs.items()}

    def valid_subjects(r: RunRecord) -> Mapping[str, float]:
        return r.valid_subjects.get(r.own if declared == OWN else declared, {})

    validated = sorted({s for r in runs.values() for s in valid_subjects(r)})
    fallen = any(map(_fallen, runs.values()))
    return Measures(
        inferences=tuple(inferences),
        scores=tuple(names),
        subjects=tuple(subjects),
        targets=targets,
        given=bool(comparison.targets),
        horizon=until,
        budget=budget,
        chance=chance,
        values=values,
        by_subject={(p, s): {k: of_subject(r, p, s) for k, r in runs.items()}
                    for p in scored_by for s in subjects},
        by_validated={
            s: {k: chance if _fallen(r) else valid_subjects(r).get(s, NAN) for k, r in runs.items()}
            for s in validated
        },
        updates=updates,
        curves={k: _curve(r, r.validation, chance) for k, r in runs.items()},
        curves_under={
            p: {k: _curve(r, _under(r, p, comparison), chance) for k, r in runs.items()} for p in under
        },
        rule_lacks=fallen and main not in pooled,
    )  # fmt: skip


def _fallen(record: RunRecord) -> bool:
    """Whether a run counts by the rule for those that did not come to their end."""
    return record.status != "done"


def _updates(record: RunRecord, target: float) -> float:
    """Return the first update at which validation was at the target, looks within epochs included."""
    if _fallen(record):
        return NEVER
    return updates_to_target(sorted([*record.validation, *record.looks]), target)


def _under(record: RunRecord, policy: str, comparison: Comparison) -> Curve:
    """Return a run's validation curve under an inference policy, also where it has that one alone."""
    declared = "" if comparison.primary is None else comparison.primary.inference
    validated_by = record.own if declared == OWN else declared
    return record.validations.get(policy) or (record.validation if policy == validated_by else ())


def _best(record: RunRecord, chance: float, curve: Curve) -> float:
    if _fallen(record):
        return chance
    losses = [loss for _, loss in curve if not math.isnan(loss)]
    return min(losses, default=NAN)


def _last(record: RunRecord, curve: Curve, chance: float) -> float:
    if _fallen(record):
        return chance
    return float(curve[-1][1]) if curve else NAN


def _curve(record: RunRecord, curve: Curve, chance: float) -> Curve:
    """Return a validation curve; that of a diverged run goes on at chance from where it broke."""
    finite = [(u, loss) for u, loss in curve if np.isfinite(loss)]
    if _fallen(record):
        begun = finite[-1][0] + 1 if finite else 0
        return [*finite, (begun, chance)]
    return finite
