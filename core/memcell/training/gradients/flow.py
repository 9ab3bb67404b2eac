"""A cell whose gradient is multiplied by a factor each time it flows back over a step."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from memcell.recurrent.cell import Cell, Norm
from memcell.recurrent.state import map_state
from memcell.recurrent.wrapped import WrappedCell


class FlowScaled(WrappedCell):
    """Another cell, its state handed on as ``s = detach(s) + factor * (s - detach(s))``.

    The value is s to the bit, the gradient into s is ``factor`` times what it was. The output of a step is
    not scaled, nor is the state that a window or a restart begins with: only what flows from a step to the
    one before it. The step stays plain PyTorch, so every way of unrolling runs it.

    Args:
        inner: The cell.
        factor: What the gradient is multiplied by.
    """

    def __init__(self, inner: Cell, factor: float) -> None:
        super().__init__(inner)
        self.factor = factor

    def step(self, p: Any, state: Any, norm: Norm) -> tuple[Tensor, Any]:
        """Do the cell's step, and scale what flows back into the state that it leaves."""
        output, after = self.inner.step(p, state, norm)
        return output, map_state(self._scaled, after)

    def _scaled(self, part: Tensor) -> Tensor:
        value = part.detach()
        return value + self.factor * (part - value)
