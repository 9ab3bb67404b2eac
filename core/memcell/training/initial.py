"""The weights of a trained model as those that a training begins with."""

from __future__ import annotations

import torch

from memcell.applications.models import checksum
from memcell.errors import CheckpointError, UsageError
from memcell.files.reading import refusing
from memcell.network.network import Network
from memcell.settings.source import SourceModel
from memcell.training.checkpoint import Shapes, load_checkpoint, read_head, shapes_of


def start_at(network: Network, source: SourceModel) -> None:
    """Give a network the weights of a trained model, so that it is that model before its first update.

    Args:
        network: On the CPU.
        source: The model, its file found.

    Raises:
        CheckpointError: The file is missing, damaged, or another model's.
        UsageError: The model is of other shapes; says which.
    """
    file = source.file
    if file is None or not file.is_file():
        raise CheckpointError(
            f"the model that training goes on from, {source}, is not at '{file or source.model}': put it "
            "back, or begin anew with --init"
        )
    if (found := checksum(file)) != source.sha256:
        raise CheckpointError(
            f"'{file}' is not the model that training goes on from, {source}: its SHA-256 is "
            f"{found[:12]}..., so it was changed; put the other back, or begin anew with --init"
        )
    compare_form(source, read_head(file).tensors, network)
    tensors, _ = load_checkpoint(file)
    with refusing(file):
        for name, value in tensors.items():
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise ValueError(f"'{name}' has values that are no numbers; train it again")
        network.load_state_dict(tensors)


def compare_form(source: SourceModel, stored: Shapes, network: Network) -> None:
    """Refuse weights of another form than a network's.

    Args:
        source: The model, for the message.
        stored: Its weights.
        network: May be without numbers (torch's meta device).

    Raises:
        UsageError: Names the first that differs.
    """
    expected = shapes_of(network)
    for name in sorted(expected.keys() | stored.keys()):
        its, here = _described(stored, name), _described(expected, name)
        if its != here:
            raise UsageError(
                f"model {source} is of another form than the network that was asked for: '{name}' is {its} "
                f"there and {here} here; leave out the options of the network, or --init"
            )


def _described(shapes: Shapes, name: str) -> str:
    return str(list(shapes[name][1])) if name in shapes else "missing"
