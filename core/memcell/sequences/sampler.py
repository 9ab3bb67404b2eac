"""The sampler contract: an epoch's order of windows, lane by lane, as indices only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.windows import WindowTable

#: In an order: this lane is empty in this batch.
EMPTY = -1


class Sampler:
    """Base class of samplers.

    A sampler is a function of the table, the epoch and the random numbers it is given, and of what it
    has observed. So a run resumed in the middle of an epoch asks for the same epoch again and skips
    what was done.

    Attributes:
        seed: The run's seed, set by the engine; what is to stay the same over epochs is drawn from
            generators made of it.
    """

    seed: int = 0

    def phase(self, epoch: int, time_steps: int, rng: np.random.Generator) -> int:
        """Return the length of each sequence's first window, 0 for the fixed grid.

        A sampler that returns anything else moves the grid and must declare ``fixed_grid=False``.
        """
        return 0

    def order(
        self, windows: WindowTable, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the epoch's order.

        Args:
            windows: The table.
            batch_size: B, lanes.
            epoch: Number of the epoch, from 0.
            rng: Seeded from the run's seed and the epoch.

        Returns:
            ``[n_batches, B]`` rows of the table, `EMPTY` (-1) where a lane has none.
        """
        raise TypeError(f"{type(self).__name__} does not define order")

    def observe(
        self,
        windows: NDArray[np.int64],
        losses: NDArray[np.float64],
        gradients: NDArray[np.float32] | None = None,
    ) -> None:
        """Learn the mean loss of each window of a batch (only where the spec says ``observes``).

        Args:
            windows: ``[B]`` rows of the table, `EMPTY` (-1) for an empty lane.
            losses: ``[B]`` mean loss, nats.
            gradients: ``[B, D]`` gradient of each window's mean loss to weights and biases of the readout,
                flat; only where the spec says ``observes_gradients``.

        What is learned may change the epochs to come, never the one in progress: a resumed run asks
        for the order of its epoch again, with all observations so far loaded.
        """

    def state_dict(self) -> Mapping[str, Any]:
        """Return what was observed, as JSON values and lists (empty for most)."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""


def in_rows(order: NDArray[np.int64], batch_size: int) -> NDArray[np.int64]:
    """Lay a flat order out as batches ``[n_batches, B]``, the last one filled up with `EMPTY`.

    >>> in_rows(np.array([4, 2, 0]), 2).tolist()
    [[4, 2], [0, -1]]
    """
    n_batches = -(-len(order) // batch_size)
    rows = np.full(n_batches * batch_size, EMPTY, dtype=np.int64)
    rows[: len(order)] = order
    return rows.reshape(n_batches, batch_size)
