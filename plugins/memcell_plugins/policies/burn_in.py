"""Burn-in: the l steps before the window are run first, from an empty memory, without gradient.

Today's parameters make the state, so it is never stale, and it knows the last l steps and nothing older.
A window closer than l steps to its sequence's start or to a gap is burnt in from there; with an l that
reaches every window's restart this is ``oracle``. The age counts the burnt-in steps. From Kapturowski et
al. 2019 (R2D2, ICLR), there together with a stored state: ``stored_burn_in``.

The replay is that of `memcell.recurrent.policy.Memory.replay`: no dropout, running statistics in
normalizers. Cost: l forward steps for every window. Any sampler.
"""

from __future__ import annotations

import torch

from memcell.recurrent.policy import CarriedState, Memory, StatePolicy
from memcell.sequences.batch import Batch
from memcell_plugins.policies.configs import BurnInConfig


class BurnIn(StatePolicy):
    """Run the steps before the window from zeros.

    Args:
        config: Options.
    """

    def __init__(self, config: BurnInConfig) -> None:
        super().__init__()
        self.steps = config.steps

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        """Return the burnt-in states."""
        before = (batch.offset - self.steps).clamp_min(0)
        start = torch.where(batch.starts[0], batch.offset, before)
        return memory.replay(
            batch.sequence, start, batch.offset, self.initial_carried(batch, memory)
        )
