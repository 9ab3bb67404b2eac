"""The parts of a run, built from its config: network, sampler, policy, optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from memcell.applications.app import App, Task, encoder_of
from memcell.backends import Layer, RecurrentStack
from memcell.errors import MemcellError, PluginError
from memcell.network.around import Chain, HeadPlace, Unchanged, WindowHead, width_of
from memcell.network.input_noise import InputNoise
from memcell.network.linear_path import LinearPath
from memcell.network.network import Network
from memcell.plugins import Registry
from memcell.recurrent.cell import Cell
from memcell.recurrent.initializers import initializer
from memcell.recurrent.normalizer import Normalizer
from memcell.recurrent.policy import StatePolicy
from memcell.recurrent.zoneout import zoned_out
from memcell.sequences.sampler import Sampler
from memcell.sequences.targets import TargetKind
from memcell.settings.run_config import RunConfig
from memcell.training.gradients.mode import GradientMode
from memcell.training.initial import start_at
from memcell.training.regression_start import start_at_regression
from memcell.training.seeds import WEIGHTS, torch_seed

P = TypeVar("P")


@dataclass(frozen=True, kw_only=True)
class TrainingParts:
    """What trains and is trained.

    Args:
        network: The network.
        sampler: Orders windows.
        policy: What memory a window begins with.
        optimizer: Of the network's parameters.
        gradient: What a window is and what of it counts.
        streams: As the sampler declares, and the next three.
        observes: Likewise.
        observes_gradients: Likewise.
        covers_once: Likewise.
        starts_fitted: The network is a fitted model before its first update, which may stay the best.
    """

    network: Network
    sampler: Sampler
    policy: StatePolicy
    optimizer: torch.optim.Optimizer
    gradient: GradientMode
    streams: bool
    observes: bool
    observes_gradients: bool
    covers_once: bool
    starts_fitted: bool = False


def build_parts(
    config: RunConfig, registry: Registry, app: App, task: Task, device: torch.device
) -> TrainingParts:
    """Build everything that a run trains with.

    Two runs that differ only in policy or sampler begin with the same weights.

    Raises:
        PluginError: A plugin failed; names it with its distribution and version.
    """
    n_features = task.train[0].n_features
    # Modules of third parties draw their weights from torch's global generator: it is seeded here and
    # given back as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(config.training.seed, WEIGHTS))
        policy = build_part(registry, config, "policy", StatePolicy)
        network = build_network(
            config,
            registry,
            encoder_of(app, n_features, task.facts),
            task.target,
            policy,
            n_features,
        )
    path = network.skip if config.network.start == "regression" else None
    if config.init is not None:
        start_at(network, config.init)
    elif path is not None:
        start_at_regression(network, path, task, config.network.inverse_penalty)
    network.to(device)
    sampler = build_part(registry, config, "sampler", Sampler)
    sampler.seed = config.training.seed_of_order
    optimizer = build_part(
        registry,
        config,
        "optimizer",
        torch.optim.Optimizer,
        network.parameters(),
        config.training.learning_rate,
    )
    spec = config.choices["sampler"]
    can = registry.get("sampler", spec.name).capabilities(spec.config)
    return TrainingParts(
        network=network,
        sampler=sampler,
        policy=policy,
        optimizer=optimizer,
        gradient=build_gradient_mode(config, registry),
        streams=bool(can["preserves_streams"]),
        observes=bool(can["observes"]),
        observes_gradients=bool(can["observes_gradients"]),
        covers_once=bool(can["covers_once"]),
        starts_fitted=path is not None or config.init is not None,
    )


def build_network(
    config: RunConfig,
    registry: Registry,
    encoder: nn.Module,
    target: TargetKind,
    policy: StatePolicy,
    n_features: int,
) -> Network:
    """Build the network, its weights drawn from torch's global generator.

    Args:
        config: The run's config.
        registry: What is installed.
        encoder: The app's encoder, with an attribute ``output_size``; the run's own stands behind it.
        target: What a step's target is.
        policy: Makes the start.
        n_features: Features of a step, for a linear path around the recurrent layers.
    """
    size = config.network
    # a module's attribute is a tensor or a module to the type checker; the contract asks for an int
    inputs = width = int(encoder.output_size)  # type: ignore[arg-type]
    layers = []
    gradient = build_gradient_mode(config, registry)
    below = _part(config, registry, "encoder", width)
    if isinstance(below, Cell):
        layers.append(Layer(gradient.cell(below), None, config.training.backend))
    elif not isinstance(below, Unchanged):
        encoder = Chain(encoder, below)
        inputs = width_of(encoder)
    width = width_of(below)
    for _ in range(size.layers):
        cell = gradient.cell(zoned_out(_cell(config, registry, width), size.zoneout))
        norm = None if config.choices["normalizer"].name == "none" else _Norm(config, registry)
        layers.append(Layer(cell, norm, config.training.backend))
        width = cell.output_size
    place = HeadPlace(
        width=width,
        input_width=inputs,
        n_outputs=target.n_outputs,
        cell=lambda inputs: _cell(config, registry, inputs),
        backend=config.training.backend,
    )
    head: nn.Module | None = _part(config, registry, "head", place)
    if isinstance(head, Cell):
        layers.append(Layer(gradient.cell(head), None, config.training.backend))
        head = None
    stack = RecurrentStack(layers, size.dropout)
    noise = InputNoise(shift=size.input_shift, dropout=size.input_dropout, white=size.input_noise)
    start = policy.make_start(stack.initial_state(1))
    n_outputs = target.n_outputs
    network = Network(encoder, stack, n_outputs, start, noise, target=target, head=head)
    nn.init.xavier_uniform_(network.readout.weight)
    nn.init.zeros_(network.readout.bias)
    # the last to be drawn: the other weights are those of a network without one
    if size.skip != "none":
        network.skip = LinearPath(n_features, n_outputs, trained=size.skip == "linear")
    return network


def build_gradient_mode(config: RunConfig, registry: Registry) -> GradientMode:
    """Build the gradient mode of a run.

    Raises:
        PluginError: It failed, or is none; names the plugin.
    """
    return build_part(registry, config, "gradient", GradientMode, config.training.time_steps)


def _part(config: RunConfig, registry: Registry, kind: str, place: Any) -> nn.Module:
    """Build the encoder or the head of a run.

    Raises:
        PluginError: It failed, or is none; names the plugin.
    """
    choice = config.choices[kind]
    entry = registry.get(kind, choice.name)
    built = entry.build(place, choice.config)
    offline = bool(entry.capabilities(choice.config).get("offline"))
    if not isinstance(built, nn.Module) or isinstance(built, WindowHead) != offline:
        expected = "a WindowHead, as its spec says offline" if offline else "a Cell or a module"
        raise PluginError(f"{entry.origin} built a {type(built).__name__}; expected {expected}")
    try:
        width_of(built)
    except PluginError as error:
        raise PluginError(f"{entry.origin}: {error}") from None
    return built


def _cell(config: RunConfig, registry: Registry, width: int) -> Cell:
    choice, size = config.choices["cell"], config.network
    entry = registry.get("cell", choice.name)
    cell = entry.build(width, size.hidden_size, choice.config)
    if not isinstance(cell, Cell):
        raise PluginError(f"{entry.origin} built a {type(cell).__name__}; expected a Cell")
    try:
        cell.reset_parameters(
            {
                "input": initializer(size.input_init, size.hidden_size, None),
                "recurrent": initializer(size.recurrent_init, size.hidden_size, None),
            }
        )
    except MemcellError:
        raise
    except Exception as error:
        raise PluginError(f"{entry.origin}: reset_parameters failed: {error}") from error
    return cell


class _Norm:
    """Makes the normalizer of a width; a class, so that a network can be copied."""

    def __init__(self, config: RunConfig, registry: Registry) -> None:
        choice = config.choices["normalizer"]
        self.entry, self.config = registry.get("normalizer", choice.name), choice.config

    def __call__(self, width: int) -> Normalizer:
        built = self.entry.build(width, self.config)
        if not isinstance(built, Normalizer):
            raise PluginError(
                f"{self.entry.origin} built a {type(built).__name__}; expected a Normalizer"
            )
        return built


def build_part(registry: Registry, config: RunConfig, kind: str, base: type[P], *args: Any) -> P:
    """Build the plugin that a run chose of a kind.

    Raises:
        PluginError: It failed, or is none; names the plugin.
    """
    choice = config.choices[kind]
    entry = registry.get(kind, choice.name)
    built = entry.build(*args, choice.config)
    if not isinstance(built, base):
        raise PluginError(
            f"{entry.origin} built a {type(built).__name__}; expected a {base.__name__}"
        )
    return built
