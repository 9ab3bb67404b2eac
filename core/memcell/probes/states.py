"""Runs of a network that keep the state after every step, attached to the graph, on the eager loop."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from memcell.backends import Layer, StepMasks
from memcell.network.network import Network
from memcell.probes.context import ProbeWindows
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import State, leaves


class StateTrace(NamedTuple):
    """What a run gave.

    Args:
        logits: ``[T, B, n_outputs]``.
        states: ``states[layer][t]``: the layer's state after step t, t from 0 to T - 1.
        ages: ``[T, B]`` steps since the last reset.
    """

    logits: Tensor
    states: list[list[State]]
    ages: Tensor


def keep_states(network: Network, windows: ProbeWindows, carried: CarriedState) -> StateTrace:
    """Run windows layer by layer, without dropout, normalizers as in inference.

    Args:
        network: On the eager loop (`ProbeContext.looking`).
        windows: The windows.
        carried: State and age of each lane at the window's beginning.
    """
    steps, lanes = windows.shape
    initial_state = network.initial_state(lanes)
    masks = StepMasks.of(windows.starts, windows.valid, carried.age)
    inputs = network.encoder(windows.x)
    x, states = inputs, []
    for i, layer in enumerate(layers(network)):
        x, kept = layer(x, carried.state[i], initial_state[i], masks, range(1, steps + 1), False)
        states.append([kept[t] for t in range(1, steps + 1)])
    logits = network.logits(network.read(x, inputs, masks), windows.x)
    return StateTrace(logits, states, masks.ages)


def layers(network: Network) -> list[Layer]:
    """Return the recurrent layers, from the input upwards."""
    return [layer for layer in network.recurrent.layers if isinstance(layer, Layer)]


def part_names(state: State) -> list[str]:
    """Return a name for each tensor of one layer's state: its field where it has one."""
    count = len(list(leaves(state)))
    fields = list(getattr(state, "_fields", ()))
    return fields if len(fields) == count else [str(i) for i in range(count)]


def width(network: Network) -> int:
    """Return how many numbers a lane of the top layer remembers."""
    return sum(t[0].numel() for t in leaves(network.start.template[-1]))
