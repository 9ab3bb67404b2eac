"""Oracle: a window begins with the state that today's parameters make of all that came before it.

For a window at step s the lane runs, without gradient, from its sequence's start, or from the last gap
before s, to s under the parameters of this update. This is what ``carry`` pretends to have: there the
state of step s was made by the parameters of earlier updates, one batch older with every batch further
back. With a learning rate of 0 the two are the same. The yardstick for staleness (carry against oracle
with the same seeds), and it works with any sampler.

The replay is that of `memcell.recurrent.policy.Memory.replay`: no dropout, running statistics in
normalizers. Cost: the mean distance from restart to window in forward steps for every window, so many
times that of carry where recordings are long.
"""

from __future__ import annotations

import torch

from memcell.recurrent.policy import CarriedState, Memory, StatePolicy
from memcell.sequences.batch import Batch


class Oracle(StatePolicy):
    """Recompute what carry would have.

    Args:
        config: Ignored; the policy has no options.
    """

    def __init__(self, config: object = None) -> None:
        super().__init__()

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        """Return the state of each window's first step, made under today's parameters."""
        start = torch.where(batch.starts[0], batch.offset, torch.zeros_like(batch.offset))
        return memory.replay(
            batch.sequence, start, batch.offset, self.initial_carried(batch, memory)
        )
