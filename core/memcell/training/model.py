"""A trained network on disk: ``model.safetensors`` of a run folder, enough to predict with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from memcell.app import App, encoder_of
from memcell.errors import CheckpointError
from memcell.network import Network
from memcell.recurrent.policy import StatePolicy
from memcell.registry import Registry
from memcell.training.checkpoint import load_checkpoint, save_checkpoint
from memcell.training.parts import build_network
from memcell.training.run_config import RunConfig
from memcell.training.run_folder import RunFolder


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
        CheckpointError: The run has no trained network, or one that does not fit its config.
    """
    if not folder.model.exists():
        raise CheckpointError(
            f"run '{folder.path}' has no trained network yet; finish it with "
            f"'memcell train {config.app} --resume {folder.path}'"
        )
    tensors, meta = load_checkpoint(folder.model)
    try:
        facts = ModelFacts(**{**meta["facts"], "notes": tuple(meta["facts"]["notes"])})
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"'{folder.model}' lacks what belongs to it: {error}") from None
    choice = config.choices["policy"]
    policy = registry.get("policy", choice.name).build(choice.config)
    assert isinstance(policy, StatePolicy)
    # The weights drawn here are overwritten; the person's random numbers are left as they were.
    with torch.random.fork_rng(devices=[]):
        network = build_network(
            config,
            registry,
            encoder_of(app, facts.n_features, facts.task),
            facts.n_classes,
            policy,
        )
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"'{folder.model}' does not fit its config: {reason}") from None
    for layer in network.recurrent.each:
        layer.eager_because = str(meta.get("eager_because", ""))
    return network.eval(), facts
