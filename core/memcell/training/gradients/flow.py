"""A cell whose gradient is multiplied by a factor each time it flows back over a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell, Norm
from memcell.recurrent.state import State, map_state


class FlowScaled(Cell):
    """Another cell, its state handed on as ``s = detach(s) + factor * (s - detach(s))``.

    The value is s to the bit, the gradient into s is ``factor`` times what it was. The output of a step is
    not scaled, nor is the state that a window or a restart begins with: only what flows from a step to the
    one before it. The step stays plain PyTorch, so every way of unrolling runs it.

    Args:
        inner: The cell.
        factor: What the gradient is multiplied by.
    """

    def __init__(self, inner: Cell, factor: float) -> None:
        super().__init__(inner.input_size, inner.hidden_size)
        self.inner = inner
        self.factor = factor
        self._draws = inner.draws

    @property
    def draws(self) -> bool:
        """The cell's."""
        return self._draws

    @property
    def output_size(self) -> int:
        """The cell's."""
        return self.inner.output_size

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """The cell's."""
        return self.inner.state_spec

    @property
    def norm_sites(self) -> Mapping[str, int]:
        """The cell's."""
        return self.inner.norm_sites

    def initial_state(
        self,
        batch_size: int,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> State:
        """Return the cell's."""
        return self.inner.initial_state(batch_size, device=device, dtype=dtype)

    def project(
        self, x: Tensor, generator: torch.Generator | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """Return the cell's."""
        inner: Any = self.inner
        found: Tensor | tuple[Tensor, ...] = (
            inner.project(x, generator=generator) if self._draws else inner.project(x)
        )
        return found

    def step(self, p: Any, state: Any, norm: Norm) -> tuple[Tensor, Any]:
        """Do the cell's step, and scale what flows back into the state that it leaves."""
        output, after = self.inner.step(p, state, norm)
        return output, map_state(self._scaled, after)

    def _scaled(self, part: Tensor) -> Tensor:
        value = part.detach()
        return value + self.factor * (part - value)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Initialize the cell."""
        self.inner.reset_parameters(initialize)
