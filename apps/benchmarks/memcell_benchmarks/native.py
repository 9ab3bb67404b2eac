"""The native backend as a contender, with its own stepper: in float32, and multiplying bfloat16 numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from memcell.recurrent.window_call import WindowCall, WindowOutput
from memcell_benchmarks.contenders import (
    BenchmarkProblem,
    CannotRun,
    CellContender,
    CellParts,
    Unroll,
)
from memcell_compiler.build.bfloat16 import without_bfloat16
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


class NativeBfloat16(Native):
    """The same under torch's autocast to bfloat16.

    Args:
        parts: Cell and normalizers, in float32.
        problem: The problem.

    Raises:
        CannotRun: This CPU multiplies no bfloat16 numbers, or the problem is not in float32.
    """

    def __init__(self, parts: CellParts, problem: BenchmarkProblem) -> None:
        super().__init__(parts, problem)
        self.unroll = in_bfloat16(unroll_native)
        why = without_bfloat16()
        if problem.x.dtype is not torch.float32:
            why = f"there is nothing of it in {str(problem.x.dtype).removeprefix('torch.')}"
        if why:
            raise CannotRun(why)

    def step(self) -> Tensor:
        """Go on by one step of one lane."""
        if self._stepper is not None:
            return super().step()
        with autocast():
            return super().step()


def autocast() -> torch.autocast:
    """Return what asks for bfloat16."""
    return torch.autocast("cpu", torch.bfloat16)


def in_bfloat16(unroll: Unroll) -> Unroll:
    """Return what runs a window under it."""

    def run(call: WindowCall) -> WindowOutput:
        with autocast():
            return unroll(call)

    return run
