"""Programs that say where their time goes, in the place of a plan's own for a while."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.window_call import WindowCall
from memcell_compiler.build.unit import program_unit
from memcell_compiler.emit.emit import write
from memcell_compiler.emit.timers import SECTIONS
from memcell_compiler.ir.program import Program
from memcell_compiler.runtime.double_backward import preparing
from memcell_compiler.runtime.plan import NativePlan
from memcell_compiler.runtime.pool import Lease
from memcell_compiler.runtime.products import products_for, without_autocast
from memcell_compiler.runtime.programs import trace_programs
from memcell_compiler.runtime.runner import INPUT_ROWS, SUM_ROWS, Runner
from memcell_compiler.runtime.standing import forget
from memcell_compiler.runtime.unroll import named_parameters, planned
from memcell_compiler.runtime.window import NativeMasks, Window
from memcell_compiler.trace.inputs import GradientRequest


@dataclass
class TimedCall:
    """One call of a timed program.

    Args:
        began: `time.perf_counter` before it.
        ended: After it.
        packing: Seconds that packing the weights took.
        sections: Seconds by section of `memcell_compiler.emit.timers.SECTIONS`, mean of the threads.
        taken: Seconds that other processes had its core, mean of the threads.
    """

    began: float
    ended: float = 0.0
    packing: float = 0.0
    sections: dict[str, float] = field(default_factory=dict)
    taken: float = 0.0

    @property
    def handing(self) -> float:
        """Seconds of the call that are neither the program's nor packing: buffers, starting threads."""
        known = self.packing + self.taken + sum(self.sections.values())
        return self.ended - self.began - known


class TimedRunner(Runner):
    """A runner that notes its calls.

    Args:
        plan: Whose program it is.
        program: It.
        rows: Rows that a chunk of steps should have.
    """

    def __init__(self, plan: NativePlan, program: Program, rows: int) -> None:
        written = write(program, timed=True)
        unit = program_unit((written.source,), plan.dtype, plan.target)
        super().__init__(unit, program.name, written, plan.kernels, plan.dtype, rows)
        self._times = getattr(unit, f"{program.name}_times")
        self._times.argtypes, self._times.restype = (ctypes.c_void_p,), None
        self.calls: list[TimedCall] = []

    def pack(self, pointers: Any, lease: Lease) -> Tensor:
        """Pack the weights."""
        began = time.perf_counter()
        packed = super().pack(pointers, lease)
        self.calls[-1].packing = time.perf_counter() - began
        return packed

    def __call__(
        self, window: Window, masks: NativeMasks, arrays: Mapping[str, Tensor | None]
    ) -> None:
        """Run a window and note it."""
        call = TimedCall(time.perf_counter())
        self.calls.append(call)
        super().__call__(window, masks, arrays)
        self._end(call, window.threads)

    def run_in(self, window: int, pointers: Any, packed: int, scratch: int) -> None:
        """Run a window that stood ready and note it."""
        call = TimedCall(time.perf_counter())
        self.calls.append(call)
        self._pack(self._kernels.weights, pointers, packed)
        call.packing = time.perf_counter() - call.began
        self._run(window, pointers, packed, scratch, 0)
        self._end(call, threads=1)

    def _end(self, call: TimedCall, threads: int) -> None:
        call.ended = time.perf_counter()
        nanoseconds = (ctypes.c_uint64 * (len(SECTIONS) + 1))()
        self._times(ctypes.addressof(nanoseconds))
        *sections, call.taken = (n / 1e9 / threads for n in nanoseconds)
        call.sections = dict(zip(SECTIONS, sections, strict=True))


class TimedProgram:
    """Windows of one kind, to be trained with clocks in the programs.

    One caller at a time: calls of other threads are noted too.

    Args:
        call: Such a window.

    Attributes:
        forward: Notes calls of the forward loop.
        backward: And of the backward loop.

    Raises:
        Unsupported: It cannot run natively.
    """

    def __init__(self, call: WindowCall) -> None:
        self._cell = call.cell
        self._prepare(call, products_for(call.x.dtype))

    @without_autocast
    def _prepare(self, call: WindowCall, products: torch.dtype) -> None:
        cell, norms, x, state = call.cell, call.norms, call.x, call.state
        with preparing:
            owners, windows = named_parameters(cell, norms), norms.windows(call.masks, True)
            self._plan, inputs = planned(cell, norms, owners, windows, x, state, products=products)
            request = GradientRequest(
                frozenset(name for name, p in owners.items() if p.requires_grad),
                tuple(t.requires_grad for t in inputs.tensors),
            )
            # anew: a plan that was found on disk does not know what it was written from
            programs = trace_programs(cell, norms, windows, inputs, state, request)
        self.forward = TimedRunner(self._plan, programs.forward, INPUT_ROWS)
        self.backward = TimedRunner(self._plan, programs.backward, SUM_ROWS)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let them run in the place of the plan's own programs."""
        plan = self._plan
        own = plan.forward, plan.backward
        forget(self._cell)  # what stands ready for it would run its own
        plan.forward, plan.backward = self.forward, self.backward
        try:
            yield
        finally:
            plan.forward, plan.backward = own
            forget(self._cell)
