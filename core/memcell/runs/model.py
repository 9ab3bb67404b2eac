"""A trained network on disk: ``model.safetensors`` of a run folder, enough to predict with."""

from __future__ import annotations

import os
from typing import Any

import torch

from memcell.applications.app import App
from memcell.errors import CheckpointError
from memcell.files.reading import refusing
from memcell.inference.model_facts import ModelFacts as ModelFacts
from memcell.inference.model_facts import read_facts
from memcell.network.network import Network
from memcell.plugins import Registry
from memcell.runs.run_folder import RunFolder
from memcell.settings.run_config import RunConfig
from memcell.training.checkpoint import load_checkpoint, read_head, save_checkpoint, shapes_of
from memcell.training.fits import builder, check_fits, compare


def save_model(folder: RunFolder, network: Network, facts: ModelFacts) -> None:
    """Write the weights and the facts."""
    meta: dict[str, Any] = {"facts": facts.stored()}
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
    facts = read_facts(folder.model, head.meta)
    with refusing(folder.model):
        own_check = getattr(app, "check_facts", None)
        if own_check is not None:
            own_check(facts.task)
        build = builder(config, registry, app, facts.n_features, facts.target, facts.task)
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
    for layer in network.layers:
        layer.eager_because = str(head.meta.get("eager_because", ""))[:500]
    return network.eval(), facts
