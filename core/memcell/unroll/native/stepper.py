"""One step at a time, at the cost of microseconds: for streaming, where a window is a single step.

Weights are packed once and kept as long as the parameters stay at the same version; buffers and addresses
are made once. What a step computes is what `unroll_native` computes, bit for bit.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.state import State, leaves, rebuild
from memcell.unroll.marks import WindowMarks
from memcell.unroll.native.pool import Lease
from memcell.unroll.native.unroll import checked, fixed_arrays, named_parameters, planned
from memcell.unroll.native.unsupported import Unsupported
from memcell.unroll.native.window import Marks, Window
from memcell.unroll.norms import SiteNorms


class NativeStepper:
    """Runs one layer step by step, without gradient and without padding; it holds the memory.

    Args:
        cell: The cell. Its parameters may change in place (the next step sees it), not be replaced.
        norms: Its normalizers; where their inputs follow the age, a step costs some tens of
            microseconds more.
        lanes: B.

    Raises:
        Unsupported: It cannot run natively.
    """

    def __init__(self, cell: Cell, norms: SiteNorms, lanes: int = 1) -> None:
        dtype = next((p.dtype for p in cell.parameters()), torch.float32)
        self._cell, self._norms, self._lanes = cell, norms, lanes
        self._age = torch.zeros(lanes, dtype=torch.int64)
        self._structure = cell.initial_state(lanes, dtype=dtype)
        self._x = torch.zeros(1, lanes, cell.input_size, dtype=dtype)
        checked(cell, norms, self._x, self._structure, self._structure)
        marks, windows = self._now()
        plan, inputs = planned(cell, norms, windows, self._x, self._structure)
        if not inputs.projects:
            raise Unsupported("project does not work step by step")
        programs = plan.programs
        self._programs, self._runner = programs, plan.inference
        self._fixed = fixed_arrays(plan, cell, norms, windows, False)
        self._aging = any(w.inputs for w in windows.values())
        self._y = torch.zeros(1, lanes, programs.output, dtype=dtype)
        self._history = [torch.zeros(2, lanes, w, dtype=dtype) for w in programs.states]
        self._phase = 0
        self._marks = Marks(marks, ())
        self._windows = [self._described(phase) for phase in (0, 1)]
        self._addresses = [ctypes.addressof(w) for w in self._windows]
        self._lease = Lease()
        scratch = self._lease.take((self._runner.scratch(self._windows[0]) + 64,), dtype)
        self._scratch = -(-scratch.data_ptr() // 64) * 64
        owners = named_parameters(cell, norms)
        self._parameters = {c: owners[n] for c, n in programs.parameters.items()}
        self._take_parameters()

    @property
    def state(self) -> State:
        """A copy of the memory."""
        return rebuild(self._structure, iter([h[self._phase].clone() for h in self._history]))

    @property
    def output(self) -> Tensor:
        """``[B, H]``: the last step's output, overwritten by the next."""
        return self._y[0]

    def load(self, state: State, age: Tensor | None = None) -> None:
        """Set the memory and its age (0 by default)."""
        for history, part in zip(self._history, leaves(state), strict=True):
            history[self._phase] = part.detach()
        self._age = torch.zeros_like(self._age) if age is None else age.clone()

    def step(self, x: Tensor) -> Tensor:
        """Take ``[B, I]`` and return ``[B, H]``: the same memory every time, copy what is kept."""
        self._x[0] = x.detach()
        if self._versions != [p._version for p in self._parameters.values()]:
            self._take_parameters()
        if self._aging:
            self._take_age()
        self._runner.call(
            self._addresses[self._phase], self._pointers, self._packed_at, self._scratch
        )
        self._phase ^= 1
        return self._y[0]

    def _now(self) -> tuple[WindowMarks, dict[str, NormWindow]]:
        no = torch.zeros(1, self._lanes, dtype=torch.bool)
        marks = WindowMarks.of(no, ~no, self._age)
        return marks, self._norms.windows(marks, False)

    def _take_age(self) -> None:
        _, windows = self._now()
        inputs = [i for w in windows.values() for i in w.inputs]
        for i, tensor in enumerate(inputs):
            self._fixed[f"m{i}"].copy_(tensor)
        self._age += 1

    def _take_parameters(self) -> None:
        self._versions = [p._version for p in self._parameters.values()]
        self._weights = {c: p.detach().contiguous() for c, p in self._parameters.items()}
        arrays: dict[str, Tensor | None] = {**self._fixed, **self._weights}
        arrays.update({"x0": self._x, "y": self._y})
        arrays.update({f"s{i}_history": h for i, h in enumerate(self._history)})
        self._pointers: Any = self._runner.pointers(arrays)
        self._packed = self._runner.pack(self._pointers, self._lease)
        self._packed_at = self._packed.data_ptr()

    def _described(self, phase: int) -> Window:
        window = self._runner.window(1, self._lanes, 1, ring=True)
        window.phase = phase
        self._marks.put(window)
        return window
