"""What the engine offers a state policy: today's network, the run's random numbers, and replay."""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from memcell.old_methods import keep_old_names, old_arguments
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.start import ZeroStart
from memcell.recurrent.state import State, leaves, map_state, rebuild
from memcell.sequences.time_series import TimeSeries

#: Steps of a replay that are run at once: what bounds its memory.
CHUNK = 256


class Replayed(Protocol):
    """A network as far as a replay needs one; `memcell.network.network.Network` is one."""

    @property
    def training(self) -> bool:
        """Whether it is in the mode of training."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""

    def initial_state(self, batch_size: int) -> State:
        """Return the state of lanes that are reset."""

    def eval(self) -> Any:
        """Go into the mode of inference."""

    def train(self, mode: bool) -> Any:
        """Go into the mode of training, or back to what it was in."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return all weights and buffers by name; not copies."""

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> Any:
        """Take the values of all weights and buffers."""

    def __call__(
        self,
        x: Tensor,
        carried: CarriedState,
        initial_state: State,
        resets: Tensor,
        valid: Tensor,
        *,
        return_steps: tuple[int, ...],
    ) -> Any:
        """Run a window; the result's ``states`` are by number of steps."""


class RunMemory:
    """Implements `memcell.recurrent.policy.Memory` over a network and its training sequences.

    Args:
        network: The network in training.
        sequences: What `replay` may run over.
        generator: The run's random numbers.
    """

    def __init__(
        self, network: Replayed, sequences: Sequence[TimeSeries], generator: torch.Generator
    ) -> None:
        self.network = network
        self.sequences = sequences
        self.generator = generator
        self.update = 0
        self.epoch = 0
        self._zeros: dict[int, State] = {}
        self._copy: Replayed | None = None
        self._copied: Mapping[str, Tensor] | None = None

    def initial_state(self, batch_size: int) -> State:
        """Return the model's start; one of zeros is made once, as long as nobody writes into it."""
        if type(getattr(self.network, "start", None)) is not ZeroStart:
            return self.network.initial_state(batch_size)
        known = self._zeros.get(batch_size)
        if known is None or any(part._version for part in leaves(known)):
            with torch.inference_mode(False):
                known = self._zeros[batch_size] = self.network.initial_state(batch_size)
        return known

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of all weights and buffers by name."""
        found = self.network.state_dict().items()
        return {name: tensor.detach().clone() for name, tensor in found}

    def _under(self, weights: Mapping[str, Tensor]) -> Replayed:
        """Return a copy of the network with other weights; it is made once."""
        if self._copy is None:
            self._copy = copy.deepcopy(self.network)
        if weights is not self._copied:
            self._copy.load_state_dict(weights)
            self._copied = weights
        return self._copy

    @old_arguments(remembered="carried")
    @torch.no_grad()
    def replay(
        self,
        sequence: Tensor,
        start: Tensor,
        stop: Tensor,
        carried: CarriedState,
        weights: Mapping[str, Tensor] | None = None,
    ) -> CarriedState:
        """Run over steps ``[start, stop)`` of each lane's sequence; see the protocol.

        The steps are taken in chunks of `CHUNK`. On a CPU a lane that is done drops out at the next
        chunk, so that one long lane is not paid for by all.
        """
        network = self.network if weights is None else self._under(weights)
        spans = self._spans(sequence, start, stop)
        parts = [part.detach().clone() for part in leaves(carried.state)]
        age = carried.age.clone()
        if not spans:
            return CarriedState(rebuild(carried.state, iter(parts)), age)
        device, template = self.network.device, carried.state
        # code for a GPU is made for a number of lanes: there all stay, as padding where they have no steps
        fixed = device.type != "cpu"
        if fixed:
            spans += _idle(len(age), {span.lane for span in spans})
        lanes = torch.tensor([span.lane for span in spans], device=device)
        state = rebuild(template, (part[lanes] for part in parts))
        running = CarriedState(state, age[lanes])
        was_training = network.training
        network.eval()
        try:
            for first in range(0, spans[0].steps, CHUNK):
                active = len(spans) if fixed else sum(span.steps > first for span in spans)
                running = self._chunk(network, spans[:active], first, _first(running, active))
                for all_lanes, part in zip(parts, leaves(running.state), strict=True):
                    all_lanes[lanes[:active]] = part.to(all_lanes.dtype)
                age[lanes[:active]] = running.age
        finally:
            network.train(was_training)
            # Weights cast to bfloat16 here are cut from their graph; training must not find them.
            torch.clear_autocast_cache()
        return CarriedState(rebuild(template, iter(parts)), age)

    def _spans(self, sequence: Tensor, start: Tensor, stop: Tensor) -> list[_Span]:
        """Return what there is to run, longest first."""
        spans = []
        lanes = zip(sequence.tolist(), start.tolist(), stop.tolist(), strict=True)
        for lane, (which, begin, end) in enumerate(lanes):
            if which < 0 or end <= begin:
                continue
            breaks = self.sequences[which].breaks
            before = bisect_left(breaks, end)
            reset = breaks[before - 1] if before else 0
            first = max(begin, reset)
            spans.append(_Span(lane, which, first, end - first, first == reset))
        return sorted(spans, key=lambda span: (-span.steps, span.lane))

    def _chunk(
        self, network: Replayed, spans: list[_Span], first: int, carried: CarriedState
    ) -> CarriedState:
        """Run steps ``[first, first + CHUNK)`` of each span; lanes that end before are padded."""
        device = network.device
        steps = min(CHUNK, spans[0].steps - first)
        x = torch.zeros(steps, len(spans), self.sequences[0].n_features)
        valid = torch.zeros(steps, len(spans), dtype=torch.bool)
        resets = torch.zeros_like(valid)
        for lane, span in enumerate(spans):
            here = span.start + first
            n = min(steps, span.steps - first)
            if n <= 0:
                continue
            # np.array copies: a memory map must not be handed to torch writable
            features = np.array(self.sequences[span.sequence].features[here : here + n])
            x[:n, lane] = torch.from_numpy(features)
            valid[:n, lane] = True
            # a span begins at its last reset or after it, so no other step can be one
            resets[0, lane] = span.resets and first == 0
        output = network(
            x.to(device),
            carried,
            network.initial_state(len(spans)),
            resets.to(device),
            valid.to(device),
            return_steps=(steps,),
        )
        after: CarriedState = output.states[steps]
        return after


keep_old_names(RunMemory, {"fresh": "initial_state"})


class _Span(NamedTuple):
    """Steps of one lane to run: ``resets`` where its first step is a sequence's start or follows a gap."""

    lane: int
    sequence: int
    start: int
    steps: int
    resets: bool


def _idle(lanes: int, busy: set[int]) -> list[_Span]:
    """Return spans without a step for the other lanes."""
    return [_Span(lane, -1, 0, 0, False) for lane in range(lanes) if lane not in busy]


def _first(carried: CarriedState, n: int) -> CarriedState:
    return CarriedState(map_state(lambda t: t[:n], carried.state), carried.age[:n])
