"""What a trained network needs beside its weights, as its file says it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memcell.files.reading import refusing
from memcell.sequences.targets import Classes, TargetKind, target_from_facts
from memcell.settings.options import EVAL_POLICIES

#: In a file that does not say what its targets are; how many classes stands beside it.
ANY_CLASSES = Classes(0)


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a trained network needs beside its weights.

    Args:
        n_features: F.
        n_classes: Outputs a step.
        target: What a step's target is; in a file that does not say it, ``n_classes`` classes.
        eval_policy: The inference policy that belongs to the training policy.
        decisions: Inference policy to what the app decided on the validation split.
        task: The app's facts (channels, rate, ...).
        notes: Lines that every output must carry.
    """

    n_features: int
    n_classes: int
    eval_policy: str
    decisions: Mapping[str, Mapping[str, float]]
    task: Mapping[str, Any]
    notes: tuple[str, ...]
    target: TargetKind = ANY_CLASSES

    def stored(self) -> dict[str, Any]:
        """Return this as JSON holds it; of classes the file says no more than it always did."""
        found = {**vars(self), "notes": list(self.notes), "target": self.target.facts()}
        if isinstance(self.target, Classes):
            del found["target"]
        return found


#: More features or classes than any network here has had.
_MOST = 1_000_000


def read_facts(path: Path, meta: Mapping[str, Any]) -> ModelFacts:
    """Return the facts of a model file, of the types that a run writes."""
    with refusing(path):
        found = meta["facts"]
        facts = ModelFacts(
            **{**found, "notes": tuple(map(str, found["notes"])), "target": ANY_CLASSES}
        )
        for name in ("n_features", "n_classes"):
            n = getattr(facts, name)
            if type(n) is not int or not 1 <= n <= _MOST:
                raise ValueError(f"{name} is {str(n)[:40]}")
        target_facts = found.get("target")
        target = (
            Classes(facts.n_classes) if target_facts is None else target_from_facts(target_facts)
        )
        if target.n_outputs != facts.n_classes:
            raise ValueError(f"its targets have {target.n_outputs} outputs, not {facts.n_classes}")
        if facts.eval_policy not in EVAL_POLICIES:
            raise ValueError(f"eval_policy is {str(facts.eval_policy)[:40]}")
        if not isinstance(facts.task, dict):
            raise ValueError("the facts of its task are no object")
        decisions = {
            str(policy): {str(k): float(v) for k, v in values.items()}
            for policy, values in facts.decisions.items()
        }
        missing = set(EVAL_POLICIES) - decisions.keys()
        if missing:
            raise ValueError(f"it has no decision for inference {missing.pop()}")
        return dataclasses.replace(facts, decisions=decisions, target=target)
