"""The native backend, by which the compiler is entered: a cell's step as generated C, on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.window_call import WindowCall, WindowGradient, WindowOutput

if TYPE_CHECKING:
    from memcell_compiler.runtime.stepper import NativeStepper


class NativeBackend:
    """Runs whole windows as generated C."""

    name: ClassVar[str] = "native"
    phrase: ClassVar[str] = "as generated C"
    tells: ClassVar[bool] = True

    # imported where it is used: a machine that never compiles does not load the compiler
    def why_not(self, cell: Cell, norms: SiteNorms) -> str | None:
        """Return why a cell with its normalizers cannot run as generated C here, or None where it can."""
        from memcell_compiler.runtime.unroll import native_reason

        return native_reason(cell, norms)

    def run(self, call: WindowCall) -> WindowOutput:
        """Run a window, tracing and compiling the step where it is new."""
        from memcell_compiler.runtime.unroll import unroll_native

        return unroll_native(call)

    def run_with_gradient(self, call: WindowCall) -> tuple[WindowOutput, WindowGradient]:
        """Run a window and return its gradient as a function ."""
        from memcell_compiler.runtime.unroll import unroll_with_gradient

        return unroll_with_gradient(call)

    def stepper(self, cell: Cell, norms: SiteNorms, lanes: int) -> NativeStepper:
        """Make what runs a cell step by step in microseconds."""
        from memcell_compiler.runtime.stepper import NativeStepper

        return NativeStepper(cell, norms, lanes)

    def toolchain(self) -> str:
        """Return what generated code depends on beside its source: torch, instruction set, compiler."""
        from memcell_compiler.build.compiler import find_compiler
        from memcell_compiler.build.target import chosen

        try:
            version = find_compiler().version.splitlines()
        except Unsupported as error:
            return str(error)
        return (
            f"torch {torch.__version__}, {chosen().name}, {version[0] if version else 'a compiler'}"
        )
