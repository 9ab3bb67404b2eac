"""Carry: a lane goes on from the state that its last batch ended with.

The state is detached (truncated back-propagation through time: memory runs on, the gradient does not) and
keeps its age. Lanes go on only where their window continues the last one; all others begin from the
initial state at age 0, and resets inside a window (a recording's start, a gap) come from the batch.
Carrying through a gap or from one recording to the next is not possible.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from memcell.recurrent.policy import CarriedState, Memory, StatePolicy
from memcell.recurrent.state import State, leaves, rebuild, where
from memcell.sequences.batch import Batch
from memcell_plugins.policies.configs import CarryConfig


class Carry(StatePolicy):
    """Carry states from batch to batch.

    Args:
        config: Options.
    """

    def __init__(self, config: CarryConfig) -> None:
        super().__init__()
        self.config = config
        self._carried: CarriedState | None = None

    def begin_epoch(self, memory: Memory) -> None:
        """Forget, unless lanes go on across epochs."""
        if self.config.reset_each_epoch:
            self._carried = None

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        """Return the carried state and age in lanes that go on, the initial ones elsewhere."""
        goes_on = self.goes_on(batch, memory)
        if self._carried is None:
            return self.initial_carried(batch, memory)
        if bool(goes_on.all()):
            state = memory.initial_state(batch.batch_size)
            if not any(
                part.requires_grad for part in leaves(state)
            ):  # learned: a gradient of zeros
                return CarriedState(self.recall(self._carried.state), self._carried.age)
        initial = self.initial_carried(batch, memory)
        state = where(goes_on, self.recall(self._carried.state), initial.state)
        return CarriedState(state, torch.where(goes_on, self._carried.age, initial.age))

    def goes_on(self, batch: Batch, memory: Memory) -> Tensor:
        """Return ``[B]`` bool: lanes that keep their memory; at most ``batch.continues``."""
        return batch.continues

    def recall(self, state: State) -> State:
        """Return what a kept state has become."""
        return state

    def end(self, batch: Batch, states: Mapping[int, CarriedState], memory: Memory) -> None:
        """Keep the states at which the lanes go on."""
        self._carried = self.detached(states[batch.advance])

    def memory_dict(self) -> dict[str, Tensor]:
        """Return ``age`` and ``state.0``, ``state.1``, ...; nothing where nothing is carried."""
        if self._carried is None:
            return {}
        parts = {f"state.{i}": part for i, part in enumerate(leaves(self._carried.state))}
        return {"age": self._carried.age, **parts}

    def load_memory_dict(self, tensors: Mapping[str, Tensor], template: State) -> None:
        """Take back what `memory_dict` gave."""
        if not tensors:
            self._carried = None
            return
        parts = (tensors[f"state.{i}"] for i in range(len(tensors) - 1))
        self._carried = CarriedState(rebuild(template, parts), tensors["age"])
