"""One recurrent layer: a cell, its normalizers, and the way it is run."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

import torch
from torch import Tensor, nn

from memcell.backends import choose as ways
from memcell.backends.agreement import Window
from memcell.backends.first_window import FirstWindow
from memcell.backends.norms import SiteNorms
from memcell.backends.operator import numbered, run_window
from memcell.backends.step_masks import WindowMarks
from memcell.backends.transforms import transforming
from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import Normalizer
from memcell.recurrent.state import State
from memcell_compiler.trace.unsupported import Seldom, Unsupported


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
        unroll: ``"auto"``, ``"native"``, ``"compiled"`` or ``"eager"`` (`memcell.backends.choose`). What
            cannot run as asked runs on the eager loop, and an `UnrollWarning` says why, once.
    """

    def __init__(
        self, cell: Cell, normalizer: Callable[[int], Normalizer] | None, unroll: str = "auto"
    ) -> None:
        super().__init__()
        self.cell = cell
        self.norms = SiteNorms(cell.norm_sites, normalizer)
        self.unroll = unroll
        #: What stands for it in compiled code.
        self.number = numbered(self)
        self._refused: dict[str, str] = {}
        #: Why it runs on the eager loop whatever was asked for, streams included; empty where it need not.
        self.eager_because = ""
        #: Looks at the first window that is trained on; None where nobody has to.
        self.first_window: FirstWindow | None = None

    @property
    def way(self) -> str:
        """Which way it runs where its weights are, and why not a faster one, in words."""
        if self.eager_because:
            return f"{ways.NAMES['eager']} ({self.eager_because})"
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
        generator: torch.Generator | None = None,
    ) -> Unrolled:
        """Run a window; see `memcell.backends.eager.unroll_eager` for the arguments.

        Under `torch.compile` a window is one operation (`memcell.backends.operator`), under `torch.export`
        the loop over its steps, which holds without this package.
        """
        if torch.compiler.is_compiling():
            folds = gather and len(self.norms) > 0
            marks = WindowMarks.unread(marks.restarts, marks.valid, marks.ages)
            call = (x, state, fresh, marks, keep)
            if torch.compiler.is_exporting() or folds or self.cell.draws or 0 in x.shape[:2]:
                return Unrolled(*ways.run("eager", self, *call, gather, generator))
            return Unrolled(*run_window(self, x, state, fresh, marks, tuple(sorted(set(keep)))))
        said: dict[str, str] = {}
        drawing = generator if self.cell.draws else None
        masks = None if drawing is None else drawing.get_state()
        # no steps, no lanes, or transformed or recorded by torch: this window only, and nothing to warn of
        plain = 0 in x.shape[:2] or transforming() or torch._C._get_tracing_state() is not None
        choice = "eager" if plain or self.eager_because else self.unroll
        for way in ways.candidates(choice, x.device.type):
            if way in self._refused:
                continue
            if self._to_check(way, x):
                keeping = tuple(sorted(set(keep)))
                grad = x.requires_grad
                window = Window(x, state, fresh, marks, keeping, True, gather, masks, grad)
                if not self._agrees(way, window):
                    return self.forward(x, state, fresh, marks, keep, gather, generator)
            if drawing is not None and masks is not None:
                drawing.set_state(masks)  # every way draws the same, whatever was tried before
            try:
                result = ways.run(way, self, x, state, fresh, marks, keep, gather, drawing)
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

    def _to_check(self, way: str, x: Tensor) -> bool:
        return (
            self.first_window is not None
            and way != "eager"
            and x.is_cpu
            and torch.is_grad_enabled()
        )

    def _agrees(self, way: str, window: Window) -> bool:
        """Check the first window, and run eagerly where it differs."""
        check, self.first_window = self.first_window, None
        assert check is not None
        if check.agrees(way, self, window):
            return True
        self.eager_because = check.reason
        return False
