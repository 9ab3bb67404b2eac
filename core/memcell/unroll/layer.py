"""One recurrent layer: a cell, its normalizers, and the choice of how it is run."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from torch import Tensor, nn

from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import Normalizer
from memcell.recurrent.state import State
from memcell.unroll.eager import unroll_eager
from memcell.unroll.marks import WindowMarks
from memcell.unroll.norms import SiteNorms
from memcell.unroll.torch_own import MIN_MEAN_CUT, cuts, unroll_torch


class Unrolled(NamedTuple):
    """What a window gave.

    Args:
        outputs: ``[T, B, H]``.
        states: The states after the numbers of steps that were wanted.
    """

    outputs: Tensor
    states: dict[int, State]


class Layer(nn.Module):
    """One recurrent layer.

    Args:
        cell: The cell.
        normalizer: Makes the normalizer of a site of a given width, or None.
        unroll: ``"auto"`` uses torch's own kernel where the cell is exactly that; ``"eager"`` always
            loops over the cell's step.
    """

    def __init__(
        self, cell: Cell, normalizer: Callable[[int], Normalizer] | None, unroll: str = "auto"
    ) -> None:
        super().__init__()
        self.cell = cell
        self.norms = SiteNorms(cell.norm_sites, normalizer)
        self.unroll = unroll

    @property
    def way(self) -> str:
        """Which way it runs and why, in words."""
        if self.unroll == "eager":
            return "eager loop (asked for)"
        form = self.cell.torch_form()
        if form is None:
            return "eager loop (not one of torch's own cells)"
        if len(self.norms):
            return "eager loop (a normalizer is set)"
        return f"torch's own {form.name}"

    def forward(
        self,
        x: Tensor,
        state: State,
        fresh: State,
        marks: WindowMarks,
        keep: Collection[int],
        gather: bool,
    ) -> Unrolled:
        """Run a window; see `memcell.unroll.eager.unroll_eager` for the arguments."""
        form = None if self.unroll == "eager" or len(self.norms) else self.cell.torch_form()
        if form is not None:
            pieces = len(cuts(marks, keep)) - 1
            if marks.time_steps >= MIN_MEAN_CUT * pieces or pieces == 1:
                return Unrolled(*unroll_torch(form, self.cell, x, state, fresh, marks, keep))
        return Unrolled(*unroll_eager(self.cell, self.norms, x, state, fresh, marks, keep, gather))
