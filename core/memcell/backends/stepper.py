"""One step at a time, for streams: the memory is held here, and a step costs microseconds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from memcell.backends.eager import unroll_eager
from memcell.backends.layer import Layer
from memcell.backends.step_masks import WindowMarks
from memcell.recurrent.state import State
from memcell_compiler.trace.unsupported import Unsupported


class Stepper:
    """Runs a layer step by step without gradient, where its weights are.

    As generated C where the cell can be, on a CPU (bit for bit what a window of the same way gives), else on
    the eager loop; ``reason`` says why not.

    Args:
        layer: The layer; its parameters may change in place, the next step sees it.
        lanes: B.

    >>> # stepper = Stepper(layer); y = stepper.step(x)   # [B, I] -> [B, H]
    """

    def __init__(self, layer: Layer, lanes: int = 1) -> None:
        self.reason = ""
        self._inner: Any
        try:
            if layer.unroll == "eager":
                raise Unsupported("the eager loop was asked for")
            if layer.eager_because:
                raise Unsupported(layer.eager_because)
            from memcell_compiler import NativeStepper

            self._inner = NativeStepper(layer.cell, layer.norms, lanes)
        except Unsupported as refused:
            self.reason = str(refused)
            self._inner = _EagerStepper(layer, lanes)
        #: ``step(x [B, I]) -> [B, H]``; the same tensor every time, copy what is kept. Bound here, for
        #: a call between costs as much as a small step.
        self.step = self._inner.step

    @property
    def state(self) -> State:
        """A copy of the memory."""
        return self._inner.state

    def load(self, state: State, age: Tensor | None = None) -> None:
        """Set the memory ``[B, …]`` and its age ``[B]`` (0 by default)."""
        self._inner.load(state, age)


class _EagerStepper:
    def __init__(self, layer: Layer, lanes: int) -> None:
        self._layer = layer
        like = next(layer.cell.parameters(), torch.zeros(()))
        self.state: State = layer.cell.initial_state(lanes, device=like.device, dtype=like.dtype)
        self._age = torch.zeros(lanes, dtype=torch.int64, device=like.device)
        self._no = torch.zeros(1, lanes, dtype=torch.bool, device=like.device)

    def load(self, state: State, age: Tensor | None = None) -> None:
        self.state = state
        self._age = torch.zeros_like(self._age) if age is None else age.clone()

    @torch.no_grad()
    def step(self, x: Tensor) -> Tensor:
        cell, norms = self._layer.cell, self._layer.norms
        marks = WindowMarks.of(self._no, ~self._no, self._age)
        outputs, states = unroll_eager(
            cell, norms, x.unsqueeze(0), self.state, self.state, marks, (1,), False
        )
        self.state = states[1]
        self._age = self._age + 1
        return outputs[0]
