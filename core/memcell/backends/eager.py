"""The eager backend: a plain loop over `Cell.step`. The reference that every faster backend must equal."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from memcell.backends.subnormal import flushed
from memcell.recurrent.cell import Cell, projected
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.reference import run_steps
from memcell.recurrent.state import State
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import WindowCall, WindowOutput


class EagerBackend:
    """The loop over the steps in plain PyTorch; it runs anything."""

    name: ClassVar[str] = "eager"
    phrase: ClassVar[str] = "on the eager loop"
    tells: ClassVar[bool] = True

    def why_not(self, cell: Cell, norms: SiteNorms) -> str | None:
        """Return None: it runs anything."""
        return None

    def run(self, call: WindowCall) -> WindowOutput:
        """Run a window."""
        return unroll_eager(call)

    def stepper(self, cell: Cell, norms: SiteNorms, lanes: int) -> EagerStepper:
        """Make a stepper whose steps are windows of one step."""
        return EagerStepper(cell, norms, lanes)


def unroll_eager(call: WindowCall) -> WindowOutput:
    """Run a window.

    On the calling thread subnormal numbers count as zero meanwhile, as in the generated loop.
    """
    with flushed():
        return _unrolled(call)


def _unrolled(call: WindowCall) -> WindowOutput:
    cell, norms, x = call.cell, call.norms, call.x
    if not call.masks.time_steps:
        return WindowOutput(_no_steps(cell, x), {0: call.state} if 0 in call.return_steps else {})
    update = call.update_statistics and x.shape[1] > 0  # no lanes have no statistics
    found = projected(cell, x, call.generator)
    single = isinstance(found, Tensor)
    parts = (found,) if isinstance(found, Tensor) else found
    windows = norms.windows(call.masks, update)
    outputs, states, statistics = run_steps(call, parts, single, windows)
    if update:
        norms.accumulate(windows, statistics)
    return WindowOutput(outputs, states)


def _no_steps(cell: Cell, x: Tensor) -> Tensor:
    """Return the outputs ``[0, B, H]`` of a window without steps; the gradient of x is as empty as x."""
    return x.sum(-1, keepdim=True).expand(0, x.shape[1], cell.output_size)


class EagerStepper:
    """One layer in a stream on the eager loop.

    Args:
        cell: The cell.
        norms: Its normalizers.
        lanes: B.
    """

    def __init__(self, cell: Cell, norms: SiteNorms, lanes: int = 1) -> None:
        self._cell, self._norms = cell, norms
        like = next(cell.parameters(), torch.zeros(()))
        self.state: State = cell.initial_state(lanes, device=like.device, dtype=like.dtype)
        self._age = torch.zeros(lanes, dtype=torch.int64, device=like.device)
        self._no = torch.zeros(1, lanes, dtype=torch.bool, device=like.device)

    def load(self, state: State, age: Tensor | None = None) -> None:
        """Set the state and its age (0 by default)."""
        self.state = state
        self._age = torch.zeros_like(self._age) if age is None else age.clone()

    @torch.no_grad()
    def step(self, x: Tensor) -> Tensor:
        """Take ``[B, I]`` and return ``[B, H]``."""
        masks = StepMasks.of(self._no, ~self._no, self._age)
        call = WindowCall(
            self._cell, self._norms, x.unsqueeze(0), self.state, self.state, masks, (1,)
        )
        outputs, states = unroll_eager(call)
        self.state = states[1]
        self._age = self._age + 1
        return outputs[0]
