"""Noise: every batch, and every reset, begins from a random state.

``h, c, ... ~ N(0, sigma^2)``, each number by itself, at age 0. Where all sequences start alike the early
steps have no variance between lanes; Cooijmans et al. (2016) add noise to the initial state for that
reason, and here it also keeps a network from relying on an exactly empty memory. A cell whose states are
bounded (h of an LSTM in -1 to 1) may be handed values outside for a large sigma.

Cost: nothing to speak of. Drawn from the run's own generator, twice a batch (the batch's beginning, and
what a lane restarts from within it), whatever the lanes do.
"""

from __future__ import annotations

import torch

from memcell.recurrent.policy import CarriedState, Memory, StatePolicy
from memcell.recurrent.state import State, map_state
from memcell.sequences.batch import Batch
from memcell_plugins.policies.configs import NoiseConfig


class Noise(StatePolicy):
    """Begin from random states.

    Args:
        config: Options.
    """

    def __init__(self, config: NoiseConfig) -> None:
        super().__init__()
        self.sigma = config.sigma

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        """Return random states at age 0."""
        return CarriedState(
            self.initial_state(batch, memory), self.initial_carried(batch, memory).age
        )

    def initial_state(self, batch: Batch, memory: Memory) -> State:
        """Return random states around the model's start."""

        def noisy(part: torch.Tensor) -> torch.Tensor:
            # drawn on the generator's device (the CPU), so that a run is the same on any device
            drawn = torch.randn(part.shape, generator=memory.generator)
            return part + self.sigma * drawn.to(device=part.device, dtype=part.dtype)

        return map_state(noisy, memory.initial_state(batch.batch_size))
