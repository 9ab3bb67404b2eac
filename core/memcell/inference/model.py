"""A trained network on disk: ``model.safetensors`` of a run folder, enough to predict with."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from memcell.applications.app import App
from memcell.errors import CheckpointError
from memcell.files.reading import refusing
from memcell.network.network import Network
from memcell.plugins import Registry
from memcell.runs.run_config import RunConfig
from memcell.runs.run_folder import RunFolder
from memcell.training.checkpoint import load_checkpoint, read_head, save_checkpoint
from memcell.training.fits import builder, check_fits, compare, shapes_of


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a trained network needs beside its weights.

    Args:
        n_features: F.
        n_classes: Outputs a step.
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


def save_model(folder: RunFolder, network: Network, facts: ModelFacts) -> None:
    """Write the weights and the facts."""
    meta: dict[str, Any] = {"facts": {**vars(facts), "notes": list(facts.notes)}}
    reason = network.recurrent.each[0].eager_because
    if reason:  # it was trained so, and predicts so
        meta["eager_because"] = reason
    save_checkpoint(folder.model, network.state_dict(), meta)


def load_model(
    folder: RunFolder, config: RunConfig, registry: Registry, app: App
) -> tuple[Network, ModelFacts]:
    """Build the network of a run and load its weights.

    Raises:
        CheckpointError: The run has no trained network.
        RunFolderError: It has one that is damaged, or does not fit its config.
    """
    if not os.path.lexists(folder.model):
        raise CheckpointError(
            f"run '{folder.path}' has no trained network yet; finish it with "
            f"'memcell train {config.app} --resume {folder.path}'"
        )
    head = read_head(folder.model)
    facts = _facts(folder.model, head.meta)
    with refusing(folder.model):
        own_check = getattr(app, "check_facts", None)
        if own_check is not None:
            own_check(facts.task)
        build = builder(config, registry, app, facts.n_features, facts.n_classes, facts.task)
        check_fits(folder.model, head.tensors, config, build)
        tensors, _ = load_checkpoint(folder.model)
        # The weights drawn here are overwritten; the person's random numbers are left as they were.
        with torch.random.fork_rng(devices=[]):
            network = build()
        compare(folder.model, head.tensors, shapes_of(network))
        network.load_state_dict(tensors)
        for name, value in network.named_parameters():
            if not bool(torch.isfinite(value).all()):
                raise ValueError(f"'{name}' has values that are no numbers; train it again")
    for layer in network.recurrent.each:
        layer.eager_because = str(head.meta.get("eager_because", ""))[:500]
    return network.eval(), facts


#: More features or classes than any network here has had.
_MOST = 1_000_000


def _facts(path: Path, meta: Mapping[str, Any]) -> ModelFacts:
    """Return the facts of a model file, of the types that a run writes."""
    with refusing(path):
        found = meta["facts"]
        facts = ModelFacts(**{**found, "notes": tuple(map(str, found["notes"]))})
        for name in ("n_features", "n_classes"):
            n = getattr(facts, name)
            if type(n) is not int or not 1 <= n <= _MOST:
                raise ValueError(f"{name} is {str(n)[:40]}")
        if facts.eval_policy not in ("carry", "reset"):
            raise ValueError(f"eval_policy is {str(facts.eval_policy)[:40]}")
        if not isinstance(facts.task, dict):
            raise ValueError("the facts of its task are no object")
        decisions = {
            str(policy): {str(k): float(v) for k, v in values.items()}
            for policy, values in facts.decisions.items()
        }
        missing = {"carry", "reset"} - decisions.keys()
        if missing:
            raise ValueError(f"it has no decision for inference {missing.pop()}")
        return dataclasses.replace(facts, decisions=decisions)
