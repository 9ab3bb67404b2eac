"""What the engine offers a state policy: today's network, the run's random numbers, and replay."""

from __future__ import annotations

from collections.abc import Sequence as ListOf

import numpy as np
import torch

from memcell.network import Network
from memcell.recurrent.policy import Remembered
from memcell.recurrent.state import State
from memcell.sequences.sequence import Sequence


class RunMemory:
    """Implements `memcell.recurrent.policy.Memory` over a network and its training sequences.

    Args:
        network: The network in training.
        sequences: What `replay` may run over.
        generator: The run's random numbers.
    """

    def __init__(
        self, network: Network, sequences: ListOf[Sequence], generator: torch.Generator
    ) -> None:
        self.network = network
        self.sequences = sequences
        self.generator = generator
        self.update = 0
        self.epoch = 0

    def fresh(self, batch_size: int) -> State:
        """Return the model's start."""
        return self.network.fresh(batch_size)

    @torch.no_grad()
    def replay(self, sequence: int, start: int, stop: int, remembered: Remembered) -> Remembered:
        """Run over steps ``[start, stop)`` of one sequence; see the protocol."""
        if stop <= start:
            return remembered
        source, device = self.sequences[sequence], self.network.device
        x = torch.from_numpy(np.array(source.features[start:stop])).unsqueeze(1).to(device)
        restarts = torch.from_numpy(source.starts[start:stop]).unsqueeze(1).to(device)
        was_training = self.network.training
        self.network.eval()
        try:
            steps = stop - start
            ran = self.network(
                x, remembered, self.fresh(1), restarts, torch.ones_like(restarts), keep=(steps,)
            )
        finally:
            self.network.train(was_training)
        after: Remembered = ran.states[steps]
        return after
