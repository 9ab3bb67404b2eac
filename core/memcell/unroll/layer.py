"""One recurrent layer: a cell, its normalizers, and the way it is run."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from torch import Tensor, nn

from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import Normalizer
from memcell.recurrent.state import State
from memcell.unroll import ways
from memcell.unroll.marks import WindowMarks
from memcell.unroll.native.unsupported import Seldom, Unsupported
from memcell.unroll.norms import SiteNorms
from memcell.unroll.transforms import transforming


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
        unroll: ``"auto"``, ``"native"``, ``"compiled"`` or ``"eager"`` (`memcell.unroll.ways`). What
            cannot run as asked runs on the eager loop, and an `UnrollWarning` says why, once.
    """

    def __init__(
        self, cell: Cell, normalizer: Callable[[int], Normalizer] | None, unroll: str = "auto"
    ) -> None:
        super().__init__()
        self.cell = cell
        self.norms = SiteNorms(cell.norm_sites, normalizer)
        self.unroll = unroll
        self._refused: dict[str, str] = {}

    @property
    def way(self) -> str:
        """Which way it runs where its weights are, and why not a faster one, in words."""
        device = next((p.device.type for p in self.cell.parameters()), "cpu")
        reasons: list[str] = []
        for way in ways.candidates(self.unroll, device):
            reason = ways.refusal(way, self)
            if reason is None:
                tail = f" ({'; '.join(reasons)})" if reasons else ""
                return ways.NAMES[way] + tail
            reasons.append(f"not {ways.NAMES[way]}: {reason}")
        raise AssertionError("the eager loop runs anything")

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
        said: dict[str, str] = {}
        # no steps, no lanes, or transformed by torch: this window only, and nothing to warn of
        plain = 0 in x.shape[:2] or transforming()
        for way in ("eager",) if plain else ways.candidates(self.unroll, x.device.type):
            if way in self._refused:
                continue
            try:
                result = ways.run(way, self, x, state, fresh, marks, keep, gather)
            except Seldom as reason:
                if way != "torch":
                    said[way] = str(reason)
                continue
            except Unsupported as reason:
                self._refused[way] = str(reason)
                if way != "torch":  # not being one of torch's own cells is no fault
                    said[way] = str(reason)
                continue
            for refused, reason_why in said.items():
                ways.warn_once(self, refused, reason_why, way)
            return Unrolled(*result)
        raise AssertionError("the eager loop runs anything")
