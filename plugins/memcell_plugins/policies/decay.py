"""Decay: as ``carry``, with the carried state multiplied by lambda at each batch.

A state of k batches ago has the weight lambda^k in what a batch starts from: memory that fades instead of
being cut. lambda = 1 is ``carry``. The age goes on as if nothing had faded.
"""

from __future__ import annotations

from memcell.recurrent.state import State, map_state
from memcell_plugins.policies.carry import Carry
from memcell_plugins.policies.configs import DecayConfig


class Decay(Carry):
    """Carry a fading state.

    Args:
        config: Options.
    """

    def __init__(self, config: DecayConfig) -> None:
        super().__init__(config)
        self.rate = config.rate

    def recall(self, state: State) -> State:
        """Return the state times lambda."""
        return map_state(lambda part: part * self.rate, state)
