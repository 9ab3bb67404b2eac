"""The Inductor backend: chunks of the cell's own step through `torch.compile`, CUDA graphs on a GPU."""

from __future__ import annotations

from typing import ClassVar, NoReturn

from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.window_call import WindowCall, WindowOutput


class InductorBackend:
    """Runs windows in chunks that `torch.compile` has compiled."""

    name: ClassVar[str] = "inductor"
    phrase: ClassVar[str] = "through Inductor"
    tells: ClassVar[bool] = True

    # imported where it is used: torch's compiler takes a second to load
    def why_not(self, cell: Cell, norms: SiteNorms) -> str | None:
        """Return why a cell with its normalizers is not compiled, or None where nothing is against it."""
        from memcell.backends.inductor.unroll import inductor_reason

        return inductor_reason(cell, norms)

    def run(self, call: WindowCall) -> WindowOutput:
        """Run a window, compiling chunks that are new."""
        from memcell.backends.inductor.unroll import unroll_inductor

        return unroll_inductor(call)

    def stepper(self, cell: Cell, norms: SiteNorms, lanes: int) -> NoReturn:
        """Refuse: a chunk has sixteen steps.

        Raises:
            Unsupported: Always.
        """
        raise Unsupported("Inductor runs chunks of steps, not single ones")
