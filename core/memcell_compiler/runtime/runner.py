"""One compiled program: hands it its arrays and runs it."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from memcell_compiler.build.tables import Kernels
from memcell_compiler.build.unit import symbol
from memcell_compiler.emit.layout import Written
from memcell_compiler.runtime.pool import Lease
from memcell_compiler.runtime.threads import run_program
from memcell_compiler.runtime.window import Meeting, NativeMasks, Window

#: Rows that run through all steps together: their activations stay in the nearest cache.
BLOCK = 32
#: Rows of a product over a chunk of steps.
INPUT_ROWS, SUM_ROWS = 64, 256
#: Weights that are worth a meeting of threads at each step: where there are fewer lanes than threads.
SHARED_WEIGHTS = 48_000
#: With as many, products of inputs are fast within the step, and no pass of their own.
FEW_ROWS = 16


class Runner:
    """A program in a loaded unit.

    Args:
        unit: The unit.
        name: The program.
        written: What it needs.
        kernels: The matrix kernels.
        dtype: Of its numbers.
        chunk_rows: Rows that a chunk of steps should have.
    """

    def __init__(
        self,
        unit: ctypes.CDLL,
        name: str,
        written: Written,
        kernels: Kernels,
        dtype: torch.dtype,
        chunk_rows: int,
    ) -> None:
        self.arrays, self.mixes = written.arrays, written.mixes
        self._shares = kernels.shared and written.weights >= SHARED_WEIGHTS
        self._kernels, self._dtype, self._chunk_rows = kernels, dtype, chunk_rows
        pointer, long = ctypes.c_void_p, ctypes.c_long
        self._run = symbol(unit, name)
        self._run.argtypes, self._run.restype = (pointer, pointer, pointer, pointer, long), None
        self._pack = symbol(unit, f"{name}_pack")
        self._pack.argtypes, self._pack.restype = (pointer, pointer, pointer), long
        self._sizes = symbol(unit, f"{name}_sizes")
        self._sizes.argtypes, self._sizes.restype = (pointer, long), long

    def window(self, steps: int, lanes: int, threads: int, ring: bool) -> Window:
        """Describe a call."""
        split = ring and lanes < threads and self._shares
        threads = threads if split else max(1, min(threads, lanes))
        rows = lanes if split else -(-lanes // threads)
        block = rows if self.mixes else min(BLOCK, rows)
        whole = block >= lanes
        chunk = max(1, self._chunk_rows // block)
        if self._chunk_rows == INPUT_ROWS and not (whole and block < FEW_ROWS):
            chunk = 1
        window = Window()
        window.steps, window.lanes, window.threads = steps, lanes, threads
        window.block, window.chunk, window.ring = block, min(chunk, steps), int(ring)
        window.split = int(split)
        window.kernels = self._kernels.loop
        return window

    def pointers(self, arrays: Mapping[str, Tensor | None]) -> Any:
        """Return the C array of addresses."""
        found = [arrays.get(name) for name in self.arrays]
        return (ctypes.c_void_p * max(1, len(found)))(
            *(None if t is None else t.data_ptr() for t in found)
        )

    def pack(self, pointers: Any, lease: Lease) -> Tensor:
        """Pack the weights."""
        size = self._pack(self._kernels.weights, pointers, None)
        packed = lease.take((max(1, size),), self._dtype)
        self._pack(self._kernels.weights, pointers, packed.data_ptr())
        return packed

    def scratch(self, window: Window) -> int:
        """Return how many numbers of scratch a thread needs."""
        return int(self._sizes(ctypes.addressof(window), 0))

    def room(
        self, window: Window, masks: NativeMasks, pointers: Any
    ) -> tuple[Tensor, Tensor, Tensor, Meeting]:
        """Return what a run on one thread needs besides: packed weights, shared numbers, scratch."""
        size = self._pack(self._kernels.weights, pointers, None)
        packed = torch.empty(max(1, size), dtype=self._dtype)
        masks.put(window)
        meeting = Meeting()
        window.meeting = ctypes.addressof(meeting)
        sizes = self._sizes(ctypes.addressof(window), 1)
        shared = torch.empty(max(1, sizes), dtype=self._dtype)
        window.shared = shared.data_ptr()
        scratch = torch.empty(self.scratch(window) + 64, dtype=self._dtype)
        return packed, shared, scratch, meeting

    def run_in(self, window: int, pointers: Any, packed: int, scratch: int) -> None:
        """Pack the weights and run on this thread, in a `room`, by the addresses of what it has."""
        self._pack(self._kernels.weights, pointers, packed)
        self._run(window, pointers, packed, scratch, 0)

    @property
    def run(self) -> Callable[[int, int, int, int, int], None]:
        """What runs on this thread what is all prepared.

        It is called with the addresses of the window, of the arrays' addresses, of weights and of scratch,
        and the number of the thread, 0.
        """
        run: Callable[[int, int, int, int, int], None] = self._run
        return run

    def __call__(
        self, window: Window, masks: NativeMasks, arrays: Mapping[str, Tensor | None]
    ) -> None:
        """Run a window."""
        lease = Lease()
        pointers = self.pointers(arrays)
        packed = self.pack(pointers, lease)
        masks.put(window)
        meeting = Meeting()
        window.meeting = ctypes.addressof(meeting)
        reference = ctypes.addressof(window)
        shared = lease.take((max(1, self._sizes(reference, 1)),), self._dtype)
        window.shared = shared.data_ptr()
        scratch = lease.take((window.threads, self.scratch(window) + 64), self._dtype)
        addresses = [_aligned(row.data_ptr()) for row in scratch.unbind(0)]
        each = [pointers] * window.threads
        if window.split:  # all compute every number: what they write is each one's own
            own = [_copied(arrays) for _ in each[1:]]
            each[1:] = [self.pointers(a) for a in own]
        run_program(self._run, reference, each, packed.data_ptr(), addresses)
        lease.end()


class StandingRun:
    """A program with its window, arrays and scratch in place, on one thread; weights are packed at each call.

    Args:
        runner: The program.
        window: What `Runner.window` described, for one thread.
        masks: Of each window that will be run.
        arrays: By name; `set` replaces one.
    """

    def __init__(
        self,
        runner: Runner,
        window: Window,
        masks: NativeMasks,
        arrays: Mapping[str, Tensor],
    ) -> None:
        self._kept = (dict(arrays), masks)
        #: Addresses of the arrays, one more for what the program neither reads nor writes. The caller
        #: replaces them (`at` says where they stand), and keeps what it puts there for the run.
        self.addresses = (ctypes.c_void_p * (len(runner.arrays) + 1))(*runner.pointers(arrays))
        self._at = {name: i for i, name in enumerate(runner.arrays)}
        packed, self._shared, scratch, self._meeting = runner.room(window, masks, self.addresses)
        self._room = (packed, scratch)
        self._runner, self._window = runner, window
        self._given = (ctypes.addressof(window), packed.data_ptr(), _aligned(scratch.data_ptr()))

    def at(self, name: str) -> int:
        """Return where the address of an array stands."""
        return self._at.get(name, len(self._at))

    def __call__(self) -> None:
        """Pack the weights and run the window."""
        window, packed, scratch = self._given
        self._runner.run_in(window, self.addresses, packed, scratch)


def _copied(arrays: Mapping[str, Tensor | None]) -> dict[str, Tensor | None]:
    """Return arrays with copies of those that a forward loop writes."""
    written = (re.compile(r"y|g\d+|s\d+_(history|returned)").fullmatch(name) for name in arrays)
    return {
        name: array.clone() if match and array is not None else array
        for (name, array), match in zip(arrays.items(), written, strict=True)
    }


def _aligned(address: int) -> int:
    return -(-address // 64) * 64
