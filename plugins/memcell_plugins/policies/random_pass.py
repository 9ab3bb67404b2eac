"""Random pass: a window begins with the state that some other window ended in.

Each lane draws, with equal chances, one of the newest n final states of the run, whosever they are. The
state is one that a memory really has, so its scale and its correlations are right, but it says nothing of
this window's past: what remains of carrying when the context is taken away. It is a random start, so its
age is 0. At a sequence's start and after a gap memory starts from the model's start, as always. Until the
first batch has ended there is nothing to draw, and every lane begins afresh.

Cost: the pool, n states.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from memcell.recurrent.policy import CarriedState, Memory, StatePolicy
from memcell.recurrent.state import State, where
from memcell.sequences.batch import Batch
from memcell_plugins.policies.configs import RandomPassConfig
from memcell_plugins.policies.pool import Pool


class RandomPass(StatePolicy):
    """Begin from other windows' final states.

    Args:
        config: Options.
    """

    def __init__(self, config: RandomPassConfig) -> None:
        super().__init__()
        self.pool = Pool(config.pool)

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        """Return drawn states at age 0."""
        initial = self.initial_carried(batch, memory)
        # drawn also where nothing is in the pool: what is drawn later does not depend on it
        chance = torch.rand(batch.batch_size, generator=memory.generator, dtype=torch.float64)
        if not len(self.pool):
            return initial
        drawn = self.pool.state((chance * len(self.pool)).long(), initial.state)
        return CarriedState(where(batch.sequence >= 0, drawn, initial.state), initial.age)

    def end(self, batch: Batch, states: Mapping[int, CarriedState], memory: Memory) -> None:
        """Put the final states into the pool."""
        self.pool.add(batch, states[batch.advance])

    def memory_dict(self) -> dict[str, Tensor]:
        """Return the pool."""
        return self.pool.memory_dict()

    def load_memory_dict(self, tensors: Mapping[str, Tensor], template: State) -> None:
        """Take back the pool."""
        self.pool.load_memory_dict(tensors)
