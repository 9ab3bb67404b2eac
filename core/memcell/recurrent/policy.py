"""The state-policy contract: it alone decides when memory is reset, and to what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor

from memcell.old_methods import keep_old_names, old_arguments
from memcell.old_paths import renamed_in
from memcell.recurrent.start import Start, ZeroStart
from memcell.recurrent.state import State, detach, leaves
from memcell.sequences.batch import Batch

#: Methods of a policy under their names of version 0.1.
_RENAMED = {
    "afresh": "initial_carried",
    "fresh": "initial_state",
    "restarts": "resets",
    "wants": "return_steps",
}


class CarriedState(NamedTuple):
    """A state together with its age.

    Args:
        state: ``[B, …]`` over layers.
        age: ``[B]`` int64, steps since the state was last reset.
    """

    state: State
    age: Tensor


class Memory(Protocol):
    """What the engine offers a policy."""

    @property
    def generator(self) -> torch.Generator:
        """The run's own random numbers (on the CPU, saved with checkpoints)."""

    @property
    def update(self) -> int:
        """Optimizer steps done so far."""

    @property
    def epoch(self) -> int:
        """Epochs begun so far, from 0."""

    def initial_state(self, batch_size: int) -> State:
        """Return the model's start: zeros, or what the model has learned to start from."""

    def weights(self) -> Mapping[str, Tensor]:
        """Return a copy of all weights and buffers of the network as they are now, by name."""

    def replay(
        self,
        sequence: Tensor,
        start: Tensor,
        stop: Tensor,
        carried: CarriedState,
        weights: Mapping[str, Tensor] | None = None,
    ) -> CarriedState:
        """Run encoder and all layers over earlier steps, all lanes at once.

        Under today's parameters, or earlier ones, without gradient, without dropout, and as in inference:
        normalizers use their running statistics and accumulate none. Memory is reset at a sequence's start
        and at its gaps; what lies before the last of these is not run, since nothing of it is left.

        Args:
            sequence: ``[B]`` index of the sequence; a lane of -1 is left as it is.
            start: ``[B]`` first step.
            stop: ``[B]`` one past the last step; a lane with nothing to run is left as it is.
            carried: State and age of each lane before ``start``.
            weights: What `weights` returned at an earlier update, to run under these; None for today's.

        Returns:
            State and age of each lane before ``stop``, detached.
        """


class StatePolicy:
    """Base class of policies, and the simplest one: every batch begins from the initial state.

    A policy keeps what it carries in attributes and gives it out in `memory_dict`, so that a resumed run
    goes on from the same memory.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        keep_old_names(cls, _RENAMED)

    def make_start(self, template: State) -> Start:
        """Return the start that becomes part of the model (zeros unless overridden)."""
        return ZeroStart(template)

    def begin_epoch(self, memory: Memory) -> None:
        """Take note that an epoch begins."""

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        """Return what each lane starts the batch from."""
        return self.initial_carried(batch, memory)

    def resets(self, batch: Batch, memory: Memory) -> Tensor:
        """Return ``[T, B]`` bool: where memory is reset; never less than ``batch.starts``."""
        return batch.starts

    def initial_state(self, batch: Batch, memory: Memory) -> State:
        """Return the state of a lane that is reset, also in the middle of a window."""
        return memory.initial_state(batch.batch_size)

    def return_steps(self, batch: Batch) -> tuple[int, ...]:
        """Return the numbers of steps after which the state is returned to `end`.

        The default is ``batch.advance``, where the lane goes on: all T, unless windows overlap.
        """
        return (batch.advance,)

    def end(self, batch: Batch, states: Mapping[int, CarriedState], memory: Memory) -> None:
        """Take the states after the steps of `return_steps`; they are detached."""

    def counts(self) -> dict[str, float]:
        """Return what was counted since the epoch began, for its line in ``metrics.jsonl``.

        What is counted is part of `memory_dict`, so that a resumed epoch counts on.
        """
        return {}

    def memory_dict(self) -> dict[str, Tensor]:
        """Return what is carried, as tensors by name (empty when nothing is)."""
        return {}

    def load_memory_dict(self, tensors: Mapping[str, Tensor], template: State) -> None:
        """Take back what `memory_dict` gave.

        Args:
            tensors: As `memory_dict` returned them.
            template: A state of one lane, for its types.
        """

    @staticmethod
    def initial_carried(batch: Batch, memory: Memory) -> CarriedState:
        """Return the model's start for every lane, at age 0."""
        age = torch.zeros(batch.batch_size, dtype=torch.int64, device=batch.x.device)
        return CarriedState(memory.initial_state(batch.batch_size), age)

    @staticmethod
    @old_arguments(remembered="carried")
    def detached(carried: CarriedState) -> CarriedState:
        """Return the state cut from the graph that made it."""
        if not any(part.requires_grad for part in leaves(carried.state)):
            return carried
        return CarriedState(detach(carried.state), carried.age)


keep_old_names(StatePolicy, _RENAMED)

if not TYPE_CHECKING:
    __getattr__ = renamed_in(__name__)  # names of version 0.1
