"""One step at a time, for streams: the state is held here, and a step costs microseconds."""

from __future__ import annotations

from torch import Tensor

from memcell.backends.backend import StreamStepper
from memcell.backends.choose import EAGER, NATIVE
from memcell.backends.layer import Layer
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.state import State


class Stepper:
    """Runs a layer step by step without gradient, where its weights are.

    As generated C where the cell can be, on a CPU (bit for bit what a window of the same backend gives), else
    on the eager loop; ``reason`` says why not.

    Args:
        layer: The layer; its parameters may change in place, the next step sees it.
        lanes: B.

    >>> # stepper = Stepper(layer); y = stepper.step(x)   # [B, I] -> [B, H]
    """

    def __init__(self, layer: Layer, lanes: int = 1) -> None:
        self.reason = ""
        self._inner: StreamStepper
        try:
            if layer.backend == "eager":
                raise Unsupported("the eager loop was asked for")
            if layer.eager_because:
                raise Unsupported(layer.eager_because)
            self._inner = NATIVE.stepper(layer.cell, layer.norms, lanes)
        except Unsupported as refused:
            self.reason = str(refused)
            self._inner = EAGER.stepper(layer.cell, layer.norms, lanes)
        #: ``step(x [B, I]) -> [B, H]``; the same tensor every time, copy what is kept. Bound here, for
        #: a call between costs as much as a small step.
        self.step = self._inner.step

    @property
    def state(self) -> State:
        """A copy of the state."""
        return self._inner.state

    def load(self, state: State, age: Tensor | None = None) -> None:
        """Set the state ``[B, …]`` and its age ``[B]`` (0 by default)."""
        self._inner.load(state, age)
