"""GraB: the next epoch's order is made so that this epoch's gradients balance each other.

Y. Lu, W. Guo and C. De Sa, "GraB: Finding Provably Better Data Permutations than Random Reshuffling",
NeurIPS 2022. While an epoch runs, each window's gradient, less the mean of the epoch before, is given the
sign that keeps the running sum short; windows with + go to the front of the next order, those with - to its
back, from the end inwards::

    c = g - m,   sign = + if |s + c| < |s - c| else -,   s = s + sign * c

The rate is O(T^(-2/3)) updates against O(T^(-1/2)) of random reshuffling in the paper's setting. The paper
balances the gradient of all weights; here it is that of the readout, which costs no further backward pass.
The first epoch is shuffled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.windows import WindowTable
from memcell_plugins.samplers.decided import Decided


class GraB(Decided):
    """See the module.

    Args:
        config: Ignored; the sampler has no options.
    """

    def __init__(self, config: object = None) -> None:
        super().__init__()
        self._front: list[int] = []
        self._back: list[int] = []
        self._stale_mean: list[float] = []
        self._mean: list[float] = []
        self._sum: list[float] = []
        self._seen = 0
        self._placed: set[int] = set()

    def decide(
        self, windows: WindowTable, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the order that the epoch before has made; windows that it missed come last, shuffled."""
        order = self._front + self._back[::-1]
        missed = [row for row in range(len(windows)) if row not in self._placed]
        rest = rng.permutation(np.array(missed, dtype=np.int64)).tolist()
        self._front, self._back, self._seen, self._placed = [], [], 0, set()
        self._stale_mean, self._mean, self._sum = self._mean, [], []
        return np.array([*order, *rest], dtype=np.int64)

    def observe(
        self,
        windows: NDArray[np.int64],
        losses: NDArray[np.float64],
        gradients: NDArray[np.float32] | None = None,
    ) -> None:
        """Place each window of a batch in the order to come."""
        if gradients is None:
            raise TypeError("sampler 'grab' needs gradients: its spec declares observes_gradients")
        for row, gradient in zip(windows.tolist(), gradients.astype(np.float64), strict=True):
            if row < 0 or row in self._placed:
                continue
            self._placed.add(row)
            stale, mean, total = (
                np.array(kept) if kept else np.zeros_like(gradient)
                for kept in (self._stale_mean, self._mean, self._sum)
            )
            self._seen += 1
            self._mean = (mean + (gradient - mean) / self._seen).tolist()
            centered = gradient - stale
            if np.linalg.norm(total + centered) < np.linalg.norm(total - centered):
                self._front.append(row)
                self._sum = (total + centered).tolist()
            else:
                self._back.append(row)
                self._sum = (total - centered).tolist()

    def state_dict(self) -> Mapping[str, Any]:
        """Return the orders and what is being made of the next."""
        return {**super().state_dict(), **{name: getattr(self, f"_{name}") for name in _KEPT}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        super().load_state_dict(state)
        for name in _KEPT:
            kept = state[name]
            setattr(self, f"_{name}", list(kept) if isinstance(kept, list) else kept)
        self._placed = {*self._front, *self._back}


_KEPT = ("front", "back", "stale_mean", "mean", "sum", "seen")
