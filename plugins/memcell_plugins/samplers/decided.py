"""Orders that depend on what was observed, decided once an epoch and then kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.sampler import Sampler, in_rows
from memcell.sequences.windows import WindowTable


class Decided(Sampler):
    """Base class: `decide` is asked once for each epoch, at its beginning.

    What is observed afterwards must not change the epoch in progress, and a resumed run asks for that epoch
    again, and at an epoch's start for the one before: so the last two orders are kept.
    """

    def __init__(self) -> None:
        self._orders: dict[int, list[int]] = {}

    def decide(
        self, windows: WindowTable, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the rows of the table in the order of this epoch."""
        raise NotImplementedError

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the epoch's order, decided when it was first asked for."""
        if epoch not in self._orders:
            self._orders[epoch] = self.decide(windows, epoch, rng).tolist()
            for old in [e for e in self._orders if e < epoch - 1]:
                del self._orders[old]
        return in_rows(np.array(self._orders[epoch], dtype=np.int64), batch_size)

    def state_dict(self) -> Mapping[str, Any]:
        """Return the orders that are kept."""
        return {"orders": {str(e): order for e, order in self._orders.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self._orders = {int(e): list(order) for e, order in state["orders"].items()}
