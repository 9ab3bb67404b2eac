"""What a backend is: an object that says why it cannot run a cell, runs windows, and makes steppers."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor

from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.state import State
from memcell.recurrent.window_call import WindowCall, WindowGradient, WindowOutput


class BackendWarning(UserWarning):
    """A layer runs on another backend than the fastest, or the one asked for; says why."""


class StreamStepper(Protocol):
    """One layer in a stream: it holds the state, and goes on by one step at a time."""

    @property
    def step(self) -> Callable[[Tensor], Tensor]:
        """``step(x [B, I]) -> [B, H]``; the same tensor every time, copy what is kept."""

    @property
    def state(self) -> State:
        """A copy of the state."""

    def load(self, state: State, age: Tensor | None = None) -> None:
        """Set the state ``[B, …]`` and its age ``[B]`` (0 by default)."""


class Backend(Protocol):
    """One implementation of the time loop. Every backend equals the eager one, to rounding.

    Attributes:
        name: What ``--backend`` takes.
        phrase: Where a layer runs, after "it runs".
        tells: Whether a person is told why it refused; not where refusing is the normal case.
    """

    name: ClassVar[str]
    phrase: ClassVar[str]
    tells: ClassVar[bool]

    def why_not(self, cell: Cell, norms: SiteNorms) -> str | None:
        """Return why a cell with its normalizers cannot run here, or None where it can; nothing is run."""

    def run(self, call: WindowCall) -> WindowOutput:
        """Run a window.

        Raises:
            UnsupportedWindow: It cannot run this window; it may run the next.
            Unsupported: It cannot run this cell. In both cases nothing has happened yet.
        """

    def stepper(self, cell: Cell, norms: SiteNorms, lanes: int) -> StreamStepper:
        """Make what runs a cell step by step.

        Raises:
            Unsupported: It cannot run single steps.
        """


@runtime_checkable
class GivesGradient(Protocol):
    """A backend that runs a window and its gradient without autograd."""

    def run_with_gradient(self, call: WindowCall) -> tuple[WindowOutput, WindowGradient]:
        """Run a window, and return its gradient as a function.

        Raises:
            Unsupported: It cannot, so that autograd has to; nothing has happened yet.
        """
