"""One step at a time, at the cost of microseconds: for streaming, where a window is a single step.

Weights are packed once and kept as long as the parameters stay at the same version; buffers and addresses
are made once. What a step computes is what `unroll_native` computes, bit for bit.
"""

from __future__ import annotations

import ctypes
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.state import State, leaves, rebuild
from memcell.recurrent.step_masks import StepMasks
from memcell_compiler.runtime.ages import AgeInputs
from memcell_compiler.runtime.double_backward import preparing
from memcell_compiler.runtime.pool import Lease
from memcell_compiler.runtime.products import products_for, without_autocast
from memcell_compiler.runtime.unroll import checked, fixed_buffers, named_parameters, planned
from memcell_compiler.runtime.window import NativeMasks, Window

_version = attrgetter("_version")


class NativeStepper:
    """Runs one layer step by step, without gradient and without padding; it holds the memory.

    Args:
        cell: The cell. Its parameters may change in place (the next step sees it), not be replaced.
        norms: Its normalizers, likewise with their buffers. Those that want to know the lanes' ages and
            do not say how many they tell apart (`Normalizer.inference_ages`) are asked at each step,
            which costs tens of microseconds; so are they while the lanes are of several ages.
        lanes: B.

    Made under torch's autocast it multiplies bfloat16 numbers, as a window does there, and goes on so.

    Raises:
        Unsupported: It cannot run natively.
    """

    @torch.inference_mode(False)  # what is made here may be written outside that mode later
    @torch.no_grad()
    def __init__(self, cell: Cell, norms: SiteNorms, lanes: int = 1) -> None:
        dtype = next((p.dtype for p in cell.parameters()), torch.float32)
        self._prepare(cell, norms, lanes, dtype, products_for(dtype))

    @without_autocast
    def _prepare(
        self, cell: Cell, norms: SiteNorms, lanes: int, dtype: torch.dtype, products: torch.dtype
    ) -> None:
        held = (m for module in (cell, norms) for m in (*module.parameters(), *module.buffers()))
        if any(tensor.is_inference() for tensor in held):
            raise Unsupported("weights made in inference mode: when they change is not known")
        self._cell, self._norms, self._lanes = cell, norms, lanes
        self._structure = cell.initial_state(lanes, dtype=dtype)
        self._x = torch.zeros(1, lanes, cell.input_size, dtype=dtype)
        with preparing:
            owners = named_parameters(cell, norms)
            checked(owners, self._x, self._structure, self._structure)
            self._ages = AgeInputs(norms, lanes, dtype)
            windows = self._ages.windows
            plan, inputs = planned(
                cell, norms, owners, windows, self._x, self._structure, None, products
            )
        if not inputs.projects:
            raise Unsupported("project does not work step by step")
        layout = plan.layout
        self._plan, self._runner = plan, plan.inference
        if self._runner.mixes:
            raise Unsupported("its lanes meet at inference")
        self._aging = self._ages.any
        self._y = torch.zeros(1, lanes, layout.output, dtype=dtype)
        self._x0, self._y0 = self._x[0], self._y[0]
        self._dtype, self._shape = dtype, self._x0.shape
        #: Where the output lies, and where x is given to the program: one place more where it reads none.
        self._first = self._y.data_ptr()
        self._end = self._first + self._y.numel() * dtype.itemsize
        arrays = self._runner.arrays
        self._x_at = arrays.index("x0") if "x0" in arrays else len(arrays)
        self._run = self._runner.run
        self._history = [torch.zeros(2, lanes, w, dtype=dtype) for w in layout.states]
        self._phase = 0
        no = torch.zeros(1, lanes, dtype=torch.bool)
        self._masks = NativeMasks(StepMasks.of(no, ~no, torch.zeros(lanes, dtype=torch.int64)), ())
        self._windows = [self._described(phase) for phase in (0, 1)]
        self._addresses = [ctypes.addressof(w) for w in self._windows]
        self._lease, self._packing = Lease(), Lease()
        scratch = self._lease.take((self._runner.scratch(self._windows[0]) + 64,), dtype)
        self._scratch = -(-scratch.data_ptr() // 64) * 64
        self._parameters = {c: owners[n] for c, n in layout.parameters.items()}
        buffers = [
            *(cell.buffers() if layout.buffers or layout.before.parameters else ()),
            *norms.buffers(),
        ]
        self._watched = [*self._parameters.values(), *buffers]
        self._take_parameters()

    @property
    def state(self) -> State:
        """A copy of the memory."""
        shapes = (part.shape for part in leaves(self._structure))
        parts = zip(self._history, shapes, strict=True)
        return rebuild(self._structure, iter([h[self._phase].clone().view(s) for h, s in parts]))

    @property
    def output(self) -> Tensor:
        """``[B, H]``: the last step's output, overwritten by the next."""
        return self._y0

    @torch.inference_mode(False)
    def load(self, state: State, age: Tensor | None = None) -> None:
        """Set the memory and its age (0 by default)."""
        for history, part in zip(self._history, leaves(state), strict=True):
            history[self._phase] = part.detach().reshape(history.shape[1:])
        self._ages.load(age)

    def step(self, x: Tensor) -> Tensor:
        """Take ``[B, I]`` and return ``[B, H]``: the same memory every time, copy what is kept."""
        if self._versions != list(map(_version, self._watched)):
            self._take_parameters()
        at = x.data_ptr() if type(x) is Tensor and x.is_cpu else 0
        if (
            at
            and x.dtype is self._dtype
            and x.shape == self._shape
            and x.is_contiguous()
            and not x.is_neg()
            and not self._first
            <= at
            < self._end  # the last output, which is written before x is read
        ):
            self._pointers[self._x_at] = at
        else:
            self._x0.copy_(x.detach())
            self._pointers[self._x_at] = self._x.data_ptr()
        if self._aging:
            self._ages.put(self._pointers)
        phase = self._phase
        self._run(self._addresses[phase], self._arrays, self._packed_at, self._scratch, 0)
        self._phase = phase ^ 1
        return self._y0

    def _take_parameters(self) -> None:
        self._versions = list(map(_version, self._watched))
        self._fixed = fixed_buffers(
            self._plan, self._cell, self._norms, named_parameters(self._cell, self._norms)
        )
        self._weights = {c: p.detach().contiguous() for c, p in self._parameters.items()}
        arrays: dict[str, Tensor | None] = {**self._fixed, **self._weights}
        arrays.update({"x0": self._x, "y": self._y})
        arrays.update({f"s{i}_history": h for i, h in enumerate(self._history)})
        found = self._runner.pointers(arrays)
        self._pointers: Any = (ctypes.c_void_p * (len(found) + 1))(*found)
        self._arrays = ctypes.addressof(self._pointers)
        self._packing.end()
        self._packed_at = self._runner.pack(self._pointers, self._packing).data_ptr()
        self._ages.renew(self._runner.arrays)

    def _described(self, phase: int) -> Window:
        window = self._runner.window(1, self._lanes, 1, ring=True)
        window.phase = phase
        self._masks.put(window)
        return window
