"""The first task of a comparison: a look at its data, and at what it cannot answer, before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from memcell.applications.app import Task
from memcell.compare.answerable import (
    Lanes,
    Limit,
    limits_of_data,
    limits_of_lanes,
    limits_of_targets,
    policy_of,
)
from memcell.compare.prepared import data_name, prepared
from memcell.jobs import Working
from memcell.plugins import Registry, default_registry
from memcell.runs.own_functions import OwnFunctions
from memcell.sequences.sampler import Sampler
from memcell.sequences.targets import Classes
from memcell.settings.run_config import RunConfig, resolve
from memcell.training.parts import build_gradient_mode, build_part
from memcell.training.seeds import epoch_rng, lengths_rng

#: Lines for the person at the screen, not kept.
REMARKS = "remarks"
#: What was found, not kept as such.
LIMITS = "limits"
#: Losses of classes are compared in these.
NATS = "nats"


@dataclass(frozen=True, kw_only=True)
class ExamineTask:
    """The data of a comparison, looked at.

    Args:
        app: Name of the app.
        sections: The config of each setting's first run.
        settings: Axis to value of each setting.
        targets: Target losses that were given.
        outcome: The primary outcome.
        own: Python functions that the app is built with.
    """

    app: str
    sections: Sequence[Mapping[str, Any]]
    settings: Sequence[Mapping[str, str]]
    targets: Sequence[float]
    outcome: str
    own: OwnFunctions = field(default_factory=OwnFunctions)
    id: str = "examine"

    @property
    def data(self) -> str:
        """Its data, which a process prepares once for tasks in a row (`memcell.jobs.tasks.data_of`)."""
        return data_name(self.app, self.sections[0])


def do_examine(task: ExamineTask, working: Working) -> dict[str, Any]:
    """Return what a comparison has to know about its data, what to say of it, and what it cannot answer.

    Raises:
        CannotPrepare: The data cannot be used.
    """
    registry = default_registry()
    configs = [resolve(task.app, sections, registry) for sections in task.sections]
    data = prepared(configs[0], task.own, working.progress).task
    chance = chance_of(data)
    facts = {
        "main_score": data.main_score,
        "shown_scores": list(data.shown_scores),
        "n_classes": data.n_classes,
        "chance_loss": chance if chance == chance else None,
        "loss_unit": NATS if isinstance(data.target, Classes) else data.target.unit,
        "simulated": bool(data.facts.get("simulated")),
        "validates": any(bool(s.labelled.any()) for s in data.valid),
        "notes": list(data.notes),
        "splits": {
            part: {
                "sequences": len(sequences),
                "steps": sum(s.n_steps for s in sequences),
                "subjects": sorted({s.subject for s in sequences}),
            }
            for part, sequences in _parts(data).items()
        },
    }
    found: list[Limit] = [*limits_of_data(facts, task.outcome)]
    found += limits_of_targets(task.targets, chance)
    found += limits_of_lanes(_lanes(task, configs, registry, data))
    return {
        REMARKS: [*data.preview, *data.remarks],
        LIMITS: [(limit.sentence, limit.refused) for limit in found],
        **facts,
    }


def chance_of(task: Task) -> float:
    """Return the loss of the best constant prediction on the validation data, or else on training data."""
    known = [s for s in task.valid if s.labelled.any()] or list(task.train)
    if not isinstance(task.target, Classes):
        return float(task.target.chance(known))
    counts = np.zeros(task.n_classes)
    for sequence in known:
        counts += np.bincount(sequence.targets[sequence.labelled], minlength=task.n_classes)
    weights = np.ones(task.n_classes) if task.class_weights is None else task.class_weights
    share = counts * weights / (counts * weights).sum()
    some = share[share > 0]
    return float(-(some * np.log(some)).sum())


def _parts(task: Task) -> dict[str, tuple[Any, ...]]:
    return {"train": task.train, "valid": task.valid, "test": task.test}


def _lanes(
    task: ExamineTask, configs: Sequence[RunConfig], registry: Registry, data: Task
) -> dict[str, Lanes]:
    """Return the lanes of each value of the axis of policies, at the first setting that has it."""
    found: dict[str, Lanes] = {}
    for setting, config in zip(task.settings, configs, strict=True):
        value = setting.get("policy")
        if value is not None and value not in found:
            found[value] = lanes_of(config, registry, data, policy_of(value))
    return found


def lanes_of(config: RunConfig, registry: Registry, data: Task, policy: str) -> Lanes:
    """Return how the first epoch of a run goes along its lanes."""
    choice = config.choices["policy"]
    can = registry.get("policy", choice.name).capabilities(choice.config)
    training, seed = config.training, config.training.seed_of_order
    sampler = build_part(registry, config, "sampler", Sampler)
    sampler.seed = seed
    rng = epoch_rng(seed, 0)
    table = build_gradient_mode(config, registry).table(
        data.train, data.n_classes, data.train_weights,
        sampler.phase(0, training.time_steps, rng), lengths_rng(seed, 0),
    )  # fmt: skip
    order = sampler.order(table, training.batch_size, 0, rng)
    continued = cut = 0
    ends = None
    for rows in order:
        goes_on = np.zeros(len(rows), np.bool_) if ends is None else table.follow(rows, ends)
        continued += int(goes_on.sum())
        for row in rows[(rows >= 0) & ~goes_on]:
            sequence, start = data.train[table.sequence[row]], int(table.start[row])
            cut += start > 0 and start not in sequence.breaks
        ends = table.ends(rows)
    return Lanes(
        policy=policy,
        carries=bool(can["needs_streams"]),
        recomputes=bool(can["uses_context"]) and not can["needs_streams"],
        windows=int((order >= 0).sum()),
        lanes=training.batch_size,
        continued=continued,
        cut=cut,
        sequences=len(data.train),
    )
