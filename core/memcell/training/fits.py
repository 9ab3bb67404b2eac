"""Whether stored weights fit a config, found out before anything of that size is made.

A config is a few words and can ask for a network that takes minutes to initialize, or more memory than there
is. Its weights are there already, so their shapes are compared first: with those of the same network built
without numbers (torch's meta device), or, where a plugin cannot be built so, with what the config says
plainly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch

from memcell.applications.app import App, encoder_of
from memcell.errors import MemcellError, RunFolderError
from memcell.network.network import Network
from memcell.plugins import Registry
from memcell.recurrent.policy import StatePolicy
from memcell.sequences.targets import TargetKind
from memcell.settings.run_config import RunConfig
from memcell.training.checkpoint import Shapes, shapes_of
from memcell.training.parts import build_network

_LAYER = re.compile(r"recurrent\.layers\.(\d+)\.")


def check_fits(
    path: Path, stored: Shapes, config: RunConfig, network: Callable[[], Network]
) -> None:
    """Refuse stored weights that are not those of a config.

    Args:
        path: The file, for the message.
        stored: The weights, by the names of the network's state.
        config: What they should be of.
        network: Builds the network; called where making its numbers costs nothing.

    Raises:
        RunFolderError: They are not; names the first that differs.
    """
    layers = {int(found[1]) for name in stored if (found := _LAYER.match(name))}
    # an encoder and a head may be a layer each, without weights even: which of them is, building it says
    more = len(config.around())
    least = config.network.layers
    if layers and not (least <= len(layers) and max(layers) < least + more):
        raise RunFolderError(
            f"'{path}' holds {len(layers)} recurrent layer(s), and its config says {config.network.layers}"
        )
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            expected = shapes_of(network())
    except MemcellError:
        raise
    except Exception:  # whatever a plugin does with numbers that are not there
        _check_width(path, stored, config)
        return
    compare(path, stored, expected)


def compare(path: Path, stored: Shapes, expected: Shapes) -> None:
    """Refuse weights whose names, types or shapes differ from a network's.

    Raises:
        RunFolderError: Names the first that differs.
    """
    for name in sorted(expected.keys() | stored.keys()):
        if name not in stored:
            raise RunFolderError(f"'{path}' does not fit its config: it lacks '{name}'")
        if name not in expected:
            raise RunFolderError(f"'{path}' does not fit its config: it has '{name}'")
        if stored[name] != expected[name]:
            raise RunFolderError(
                f"'{path}' does not fit its config: '{name}' is {_described(*stored[name])}, and "
                f"{_described(*expected[name])} is expected"
            )


def builder(
    config: RunConfig,
    registry: Registry,
    app: App,
    n_features: int,
    target: TargetKind,
    facts: object,
) -> Callable[[], Network]:
    """Return what builds the network of a config, its weights drawn from torch's global generator."""
    choice = config.choices["policy"]

    def build() -> Network:
        policy = registry.get("policy", choice.name).build(choice.config)
        assert isinstance(policy, StatePolicy)
        # facts of a file may be anything: whatever an app says to them is refused by the caller
        encoder = encoder_of(app, n_features, facts)  # type: ignore[arg-type]
        return build_network(config, registry, encoder, target, policy, n_features)

    return build


def _check_width(path: Path, stored: Shapes, config: RunConfig) -> None:
    width = config.network.hidden_size
    sizes = [n for name, (_, shape) in stored.items() if _LAYER.match(name) for n in shape]
    if sizes and not any(n and n % width == 0 for n in sizes):
        raise RunFolderError(
            f"'{path}' does not fit its config: no weight of its recurrent layers is of hidden_size {width}"
        )


def _described(dtype: torch.dtype, shape: tuple[int, ...]) -> str:
    return f"{str(dtype).removeprefix('torch.')} {list(shape)}"
