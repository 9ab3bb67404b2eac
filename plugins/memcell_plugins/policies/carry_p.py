"""Carry with random forgetting: as ``carry``, and each lane restarts with probability p at each batch.

The network meets both long memory and none, so that it neither depends on a long past nor unlearns the
start. p = 0 is ``carry``, p = 1 is ``reset``. Restarts are drawn from the run's own generator, one number
a lane and batch whatever the lanes do, so a resumed run draws the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memcell.recurrent.policy import Memory
from memcell.sequences.batch import Batch
from memcell_plugins.policies.carry import Carry
from memcell_plugins.policies.configs import CarryPConfig


class CarryP(Carry):
    """Carry, but forget at random.

    Args:
        config: Options.
    """

    def __init__(self, config: CarryPConfig) -> None:
        super().__init__(config)
        self.p = config.p

    def goes_on(self, batch: Batch, memory: Memory) -> Tensor:
        """Return ``[B]`` bool: lanes that continue and are not made to forget."""
        drawn = torch.rand(batch.batch_size, generator=memory.generator)
        return batch.continues & (drawn >= self.p).to(batch.continues.device)
