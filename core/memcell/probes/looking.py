"""A network put into a state for looking, and back as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from memcell.network.network import Network


@contextlib.contextmanager
def modes(network: Network, grad: bool, dropout: bool, eager: bool) -> Iterator[None]:
    """Set the modes of all modules for a run of a probe, and put them back.

    Args:
        network: The network.
        grad: A gradient is wanted. The layers are then in the mode of training, otherwise in that of
            inference: each is what their compiled programs are known with.
        dropout: Layers drop out.
        eager: Run on the eager loop.
    """
    flags = [(module, module.training) for module in network.modules()]
    backends = [(layer, layer.backend) for layer in network.layers]
    network.eval()
    try:
        network.recurrent.layers.train(grad)
        network.recurrent.training = dropout
        for layer, backend in backends:
            layer.backend = _backend(backend, eager, network.device)
        yield
    finally:
        for layer, backend in backends:
            layer.backend = backend
        for module, training in flags:
            module.training = training


def _backend(backend: str, eager: bool, device: torch.device) -> str:
    """Return the backend of a layer for a probe.

    On a GPU a probe looks between training's forward and its backward. CUDA graphs that are replayed then
    would write over what the backward needs, so Inductor is left out.
    """
    if eager or backend == "eager":
        return "eager"
    return "torch" if device.type == "cuda" else backend


@contextlib.contextmanager
def seeded(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's own generators for what a cell may draw, and give them back as they were."""
    if device.type == "cuda":
        with torch.random.fork_rng(devices=[device]):
            torch.manual_seed(seed)
            yield
        return
    # fork_rng and manual_seed ask for every kind of device, at half a millisecond a call
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)
