"""A cell around another one: whatever it does not change is the inner cell's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell, Norm, projected
from memcell.recurrent.state import State


class WrappedCell(Cell):
    """Base class of cells around a cell; ``step`` is for a subclass to change.

    Args:
        inner: The cell.
    """

    def __init__(self, inner: Cell) -> None:
        super().__init__(inner.input_size, inner.hidden_size)
        self.inner = inner
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
        return projected(self.inner, x, generator)

    def step(self, p: Any, state: Any, norm: Norm) -> tuple[Tensor, Any]:
        """Do the cell's step."""
        return self.inner.step(p, state, norm)

    def reset_parameters(self, initialize: Mapping[str, Callable[[Tensor], None]]) -> None:
        """Initialize the cell."""
        self.inner.reset_parameters(initialize)

    def load_torch(self, weights: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        """Take torch's weights, where the cell can."""
        self.inner.load_torch(weights)
