"""Fitted noise: a window begins with a draw from a normal distribution fitted to final states.

Mean m and covariance C are those of the newest n final states s_i of the run, all parts of all layers
together, so a draw has the scale and the correlations (of h with c, say) of real memory, but is none. With
independent z_i, e ~ N(0, 1) and shrinkage a a draw is

    m + sqrt(1 - a) / sqrt(n) * sum_i z_i (s_i - m)  +  sqrt(a) * std * e

whose covariance is (1 - a) C + a diag(C): the full covariance, shrunk towards its diagonal (after Ledoit &
Wolf 2004, J. Multivariate Anal. 88; a is an option, not estimated). Made of the states themselves it needs
neither the matrix nor its root, and fewer states than numbers in a state are no harm.

It is a random start: its age is 0, and at a sequence's start and after a gap memory starts from the
model's start. Until enough states were seen every lane begins afresh. Cost: the pool of n states, and n
multiplications for each number drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from memcell.recurrent.policy import CarriedState, Memory, StatePolicy
from memcell.recurrent.state import State, leaves, rebuild, where
from memcell.sequences.batch import Batch
from memcell_plugins.policies.configs import FittedNoiseConfig
from memcell_plugins.policies.pool import Pool


class FittedNoise(StatePolicy):
    """Begin from draws that are like final states.

    Args:
        config: Options.
    """

    def __init__(self, config: FittedNoiseConfig) -> None:
        super().__init__()
        self.config = config
        self.pool = Pool(config.pool)

    def begin(self, batch: Batch, memory: Memory) -> CarriedState:
        """Return drawn states at age 0."""
        initial = self.initial_carried(batch, memory)
        if len(self.pool) < min(self.config.least, self.pool.size):
            return initial
        drawn = self._drawn(batch.batch_size, initial.state, memory)
        return CarriedState(where(batch.sequence >= 0, drawn, initial.state), initial.age)

    def _drawn(self, lanes: int, template: State, memory: Memory) -> State:
        n, shrinkage = len(self.pool), self.config.shrinkage
        # one mixture for all parts, so that they stay correlated as they are
        mixture = torch.randn(lanes, n, generator=memory.generator) * math.sqrt((1 - shrinkage) / n)
        parts = []
        for kept, like in zip(self.pool.parts, leaves(template), strict=True):
            seen = kept[:n].flatten(1)
            mean = seen.mean(0)
            apart = torch.randn(lanes, seen.shape[1], generator=memory.generator).to(seen)
            std = seen.var(0, correction=0).sqrt()
            drawn = mean + mixture.to(seen) @ (seen - mean) + math.sqrt(shrinkage) * std * apart
            parts.append(drawn.view_as(like).to(like.dtype))
        return rebuild(template, iter(parts))

    def end(self, batch: Batch, states: Mapping[int, CarriedState], memory: Memory) -> None:
        """Put the final states into the pool."""
        self.pool.add(batch, states[batch.advance])

    def memory_dict(self) -> dict[str, Tensor]:
        """Return the pool."""
        return self.pool.memory_dict()

    def load_memory_dict(self, tensors: Mapping[str, Tensor], template: State) -> None:
        """Take back the pool."""
        self.pool.load_memory_dict(tensors)
