"""A small task without EEG, and the parts to train on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memcell.applications.app import Task
from memcell.backends import Layer, RecurrentStack
from memcell.network.network import Network
from memcell.plugins import default_registry
from memcell.probes.scheduler import observe
from memcell.runs.run_folder import RunFolder
from memcell.sequences import TimeSeries
from memcell.settings.options import NetworkConfig, TrainingConfig
from memcell.settings.run_config import DEFAULTS, Choice, RunConfig, chosen_probes, upgraded
from memcell.training.parts import build_parts
from memcell.training.trainer import Trainer


class Plain(torch.nn.Identity):
    """An encoder that passes features on."""

    def __init__(self, size):
        super().__init__()
        self.output_size = size


class ToyApp:
    """Targets are whether the running sum of the last features is positive."""

    def encoder(self, n_features):
        return Plain(n_features)


def toy_sequence(name, n_steps, seed, breaks=()):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n_steps, 3)).astype(np.float32)
    targets = (np.convolve(features[:, 0], np.ones(5), "full")[:n_steps] > 0).astype(np.int64)
    return TimeSeries(
        name=name, subject=name[:2], features=features, targets=targets, breaks=tuple(breaks)
    )


@pytest.fixture(scope="session")
def small_network():
    """A function that returns a network of three features and six units a layer, its weights drawn wide."""

    def make(cell, options=(), layers=1):
        registry = default_registry()
        torch.manual_seed(0)
        entry = registry.get("cell", cell)
        config = entry.config(dict(options))
        sizes = (3, *[6] * (layers - 1))
        stack = RecurrentStack([Layer(entry.build(size, 6, config), None) for size in sizes])
        policy = registry.get("policy", "carry").build(registry.get("policy", "carry").config({}))
        network = Network(Plain(3), stack, 2, policy.make_start(stack.initial_state(1)))
        for weight in network.parameters():
            torch.nn.init.normal_(weight, std=0.5)
        return network.eval()

    return make


@pytest.fixture
def toy_task():
    train = tuple(
        toy_sequence(f"s{i}", n, i, b)
        for i, (n, b) in enumerate(
            [(97, ()), (61, (20, 33)), (40, ()), (83, (50,)), (7, ()), (120, ())]
        )
    )
    valid = (toy_sequence("v0", 70, 50, (31,)),)
    test = (toy_sequence("t0", 90, 60),)
    return Task(train=train, valid=valid, test=test, n_classes=2, main_score="accuracy")


@pytest.fixture
def make_config():
    def make(training=None, network=None, **choices):
        registry = default_registry()
        sections = upgraded({"training": training or {}})
        training = sections["training"]
        if "gradient" in sections:
            values = dict(sections["gradient"])
            choices["gradient"] = (values.pop("name"), values)
        chosen = {}
        for kind, default in DEFAULTS.items():
            name, values = default, {}
            if kind in choices:
                name, values = (
                    choices[kind] if isinstance(choices[kind], tuple) else (choices[kind], {})
                )
            chosen[kind] = Choice(name=name, config=registry.get(kind, name).config(values))
        options = {
            "time_steps": 10,
            "batch_size": 4,
            "epochs": 3,
            "min_updates": 0,
            **(training or {}),
        }
        return RunConfig(
            app="toy",
            app_config=None,
            dataset=None,
            training=TrainingConfig(**options),
            network=NetworkConfig(**{"hidden_size": 6, **(network or {})}),
            choices=chosen,
            probes=chosen_probes(registry, options.get("probe", ()), {}),
        )

    return make


@pytest.fixture
def make_trainer(make_config, toy_task, tmp_path):
    def make(where="run", task=None, eval_policy="carry", **how):
        config = make_config(**how)
        path = tmp_path / where
        path.mkdir(exist_ok=True)
        task = task or toy_task
        parts = build_parts(config, default_registry(), ToyApp(), task, torch.device("cpu"))
        trainer = Trainer(config.training, eval_policy, task, parts, RunFolder(path))
        observe(trainer, RunFolder(path), config, default_registry())
        return trainer

    return make
