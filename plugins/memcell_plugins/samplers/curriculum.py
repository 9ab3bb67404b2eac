"""Curriculum: easy windows first, the rest little by little.

Y. Bengio, J. Louradour, R. Collobert and J. Weston, ICML 2009. At epoch e the easiest share

    min(1, start + (1 - start) * e / grow)

of the windows is trained on, in random order. What is easy is what the network last found easy (a window's
mean loss when it was last seen; windows not seen yet come after those that were, by the order of the
table, and the first epoch takes all of them), or what has few changes of label. Windows without a labelled
step have no loss and no label that could change, and come last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.windows import WindowTable
from memcell_plugins.samplers.configs import CurriculumConfig
from memcell_plugins.samplers.decided import Decided


class Curriculum(Decided):
    """See the module.

    Args:
        config: Options.
    """

    def __init__(self, config: CurriculumConfig) -> None:
        super().__init__()
        self.config = config
        self._losses: dict[int, float] = {}

    def decide(
        self, windows: WindowTable, epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the easiest share, shuffled."""
        n, c = len(windows), self.config
        if c.by == "loss" and not self._losses:
            return rng.permutation(n)
        if c.by == "transitions":
            windows.check_classes()
        share = min(1.0, c.start + (1 - c.start) * epoch / c.grow)
        hardness = (
            windows.transitions.astype(np.float64)
            if c.by == "transitions"
            else np.array([self._losses.get(i, math.inf) for i in range(n)])
        )
        # nothing is learned from these, so they are not easy: their loss of 0 says nothing
        hardness[windows.weight <= 0] = math.inf
        easiest = np.argsort(hardness, kind="stable")[: max(1, math.ceil(share * n))]
        return rng.permutation(easiest)

    def observe(
        self,
        windows: NDArray[np.int64],
        losses: NDArray[np.float64],
        gradients: NDArray[np.float32] | None = None,
    ) -> None:
        """Remember how hard each window was."""
        for row, loss in zip(windows.tolist(), losses.tolist(), strict=True):
            if row >= 0:
                self._losses[row] = loss

    def state_dict(self) -> Mapping[str, Any]:
        """Return the orders and the losses."""
        losses = {str(row): loss for row, loss in self._losses.items()}
        return {**super().state_dict(), "losses": losses}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        super().load_state_dict(state)
        self._losses = {int(row): loss for row, loss in state["losses"].items()}
