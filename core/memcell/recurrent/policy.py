"""The state-policy contract: the only one that decides when memory restarts and from what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from memcell.recurrent.start import Start, ZeroStart
from memcell.recurrent.state import State, detach
from memcell.sequences.batch import Batch


class Remembered(NamedTuple):
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

    def fresh(self, batch_size: int) -> State:
        """Return the model's start: zeros, or what the model has learned to start from."""

    def replay(self, sequence: int, start: int, stop: int, remembered: Remembered) -> Remembered:
        """Run encoder and all layers over earlier steps of one sequence.

        Under today's parameters, without gradient and without folding statistics; restarts at the
        sequence's own breaks.

        Args:
            sequence: Index of the sequence.
            start: First step.
            stop: One past the last step.
            remembered: State and age of one lane, ``[1, …]``, before ``start``.
        """


class StatePolicy:
    """Base class of policies, and the simplest one: every batch starts afresh.

    A policy keeps what it carries in attributes and gives it out in `memory_dict`, so that a resumed run
    goes on from the same memory.
    """

    def make_start(self, template: State) -> Start:
        """Return the start that becomes part of the model (zeros unless overridden)."""
        return ZeroStart(template)

    def begin_epoch(self, memory: Memory) -> None:
        """Take note that an epoch begins."""

    def begin(self, batch: Batch, memory: Memory) -> Remembered:
        """Return what each lane starts the batch from."""
        return self.afresh(batch, memory)

    def restarts(self, batch: Batch, memory: Memory) -> Tensor:
        """Return ``[T, B]`` bool: where memory restarts; never less than ``batch.starts``."""
        return batch.starts

    def fresh(self, batch: Batch, memory: Memory) -> State:
        """Return what a restart starts from, also in the middle of a window."""
        return memory.fresh(batch.batch_size)

    def wants(self, batch: Batch) -> tuple[int, ...]:
        """Return the numbers of steps after which `end` is to see the states (default: all T)."""
        return (batch.time_steps,)

    def end(self, batch: Batch, states: Mapping[int, Remembered], memory: Memory) -> None:
        """Take the states after the steps that were wanted; they are detached."""

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
    def afresh(batch: Batch, memory: Memory) -> Remembered:
        """Return fresh memory for every lane, at age 0."""
        age = torch.zeros(batch.batch_size, dtype=torch.int64, device=batch.x.device)
        return Remembered(memory.fresh(batch.batch_size), age)

    @staticmethod
    def detached(remembered: Remembered) -> Remembered:
        """Return it cut from the graph that made it."""
        return Remembered(detach(remembered.state), remembered.age)
