"""The native backend as a contender, with its own stepper."""

from __future__ import annotations

from torch import Tensor

from memcell_benchmarks.contenders import BenchmarkProblem, CellContender, CellParts
from memcell_compiler.runtime.stepper import NativeStepper
from memcell_compiler.runtime.unroll import unroll_native


class Native(CellContender):
    """A cell as generated C; single steps through what `memcell.backends.Stepper` hands out.

    Args:
        parts: Cell and normalizers.
        problem: The problem.
    """

    def __init__(self, parts: CellParts, problem: BenchmarkProblem) -> None:
        super().__init__(parts, problem, unroll_native)
        self._stepper: NativeStepper | None = None
        self._lane = self._x[0]

    def step(self) -> Tensor:
        """Go on by one step of one lane."""
        if self._stepper is None:
            self._stepper = NativeStepper(self.parts.cell, self.parts.norms, lanes=1)
        return self._stepper.step(self._lane)
