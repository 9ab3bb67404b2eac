"""Stored state and burn-in: the l steps before the window are run from the state stored before them.

R2D2 (Kapturowski et al. 2019, ICLR) found that both together do best: the stored state is stale, and l
steps under today's parameters bring it nearer to what it should be, while its content reaches further
back than l. For a window at step s the state is looked up at s - l and run to s without gradient. So
states are stored not at windows' ends but l steps before windows begin: l = q T + r stores each window's
state r steps before its end, for the window q + 1 windows on.

A window that finds nothing is burnt in from an empty memory, as ``burn_in``; counted as in ``stored``.
Needs a grid of windows that stays where it is. The replay is that of
`memcell.recurrent.policy.Memory.replay`: no dropout, running statistics in normalizers. Cost: that of
``stored``, and l forward steps for every window.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from memcell.recurrent.policy import CarriedState, Memory
from memcell.sequences.batch import Batch
from memcell_plugins.policies.configs import BurnInConfig
from memcell_plugins.policies.stored import Stored


class StoredBurnIn(Stored):
    """Burn in from stored states.

    Args:
        config: Options.
    """

    def __init__(self, config: BurnInConfig) -> None:
        super().__init__()
        self.steps = config.steps

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        """Return stored states, run over the steps before the window."""
        # closer than l to the sequence's start there is nothing to look up: the burn-in begins there
        start = (batch.offset - self.steps).clamp_min(0)
        stored = self.look_up(batch, start, batch.starts[0] | (start == 0), memory)
        start = torch.where(batch.starts[0], batch.offset, start)
        return memory.replay(batch.sequence, start, batch.offset, stored)

    def return_steps(self, batch: Batch) -> tuple[int, ...]:
        """Ask for the states at which some later window's burn-in begins."""
        return (self._kept_after(batch),)

    def end(self, batch: Batch, states: Mapping[int, CarriedState], memory: Memory) -> None:
        """Store them."""
        self.keep(batch, self._kept_after(batch), states, memory)

    def _kept_after(self, batch: Batch) -> int:
        return batch.advance - self.steps % batch.advance
