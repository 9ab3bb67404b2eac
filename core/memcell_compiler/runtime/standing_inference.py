"""A short window without gradient whose arrays stand ready, as those of training do (`standing`).

Of a network that is asked for some steps at a time most of a call is describing its tensors to the program.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.purity import Snapshot
from memcell.recurrent.reference import transforming
from memcell.recurrent.state import leaves, rebuild
from memcell.recurrent.window_call import WindowCall, WindowOutput
from memcell_compiler.build.target import chosen
from memcell_compiler.runtime.function import NativeCall
from memcell_compiler.runtime.pool import empty
from memcell_compiler.runtime.runner import StandingRun
from memcell_compiler.runtime.standing import (
    AskNorms,
    StandingNorms,
    StandingParameter,
    plain_state,
    simple,
    unbroken,
)

#: Steps times lanes of a window that may stand ready, and numbers of its cell's weights: of larger ones the
#: description is a small part.
SHORT, LIGHT = 1 << 12, 1 << 17
#: One for each cell.
_known: WeakKeyDictionary[Cell, StandingInference] = WeakKeyDictionary()
#: The kind of each cell's last window: what comes twice stands ready from then on.
_seen: WeakKeyDictionary[Cell, object] = WeakKeyDictionary()


def standing_inference(
    call: WindowCall, products: torch.dtype, windows: AskNorms
) -> StandingInference | None:
    """Return what stands ready for a window with such products, None where nothing does."""
    found = _known.get(call.cell)
    return found if found is not None and found.fits(call, products, windows) else None


def keep_inference(
    call: WindowCall, native: NativeCall, tensors: Sequence[Tensor], windows: AskNorms
) -> None:
    """Let a window stand ready for the next one like it, where it is of the kind that can."""
    if (
        native.steps * native.lanes > SHORT
        or not simple(native)
        or native.plan.layout.statistics
        or 0 in call.return_steps
        or native.returned > 1
        or sum(p.numel() for p in call.cell.parameters()) > LIGHT
    ):
        return
    kind = (call.x.shape, call.x.dtype, tuple(call.return_steps))
    if _seen.get(call.cell) != kind:
        _seen[call.cell] = kind
    else:
        _known[call.cell] = StandingInference(call, native, tensors, windows())


class StandingInference:
    """Arrays, addresses and packed weights of a window without gradient, in place.

    Args:
        call: The window that the next ones are like.
        native: How it is run.
        tensors: Those of ``native.names``.
        windows: What its normalizers said of it.
    """

    def __init__(
        self,
        call: WindowCall,
        native: NativeCall,
        tensors: Sequence[Tensor],
        windows: Mapping[str, NormWindow],
    ) -> None:
        plan, steps, lanes = native.plan, native.steps, native.lanes
        layout = plan.layout
        # not the cell: what stands ready for it must not keep it
        self._made_of, self._target = Snapshot(call.cell), chosen()
        self._norms = StandingNorms(call.norms, windows)
        self._plan, self._products, self._dtype = plan, plan.products, plan.dtype
        self._x = (call.x.shape, call.x.dtype, call.x.requires_grad)
        self._shapes = [part.shape for part in leaves(call.state)]
        self._return_steps = list(call.return_steps)
        self._output = (steps, lanes, layout.output)
        given = dict(zip(native.names, tensors, strict=True))
        self._parameters = [
            StandingParameter.of(call, name, given[c]) for c, name in layout.parameters.items()
        ]
        arrays: dict[str, Tensor] = {c: t.detach() for c, t in given.items()}
        self._histories = []
        for i, width in enumerate(layout.states):
            arrays[f"s{i}_history"] = torch.empty(2, lanes, width, dtype=plan.dtype)
            self._histories.append(arrays[f"s{i}_history"])
        window = plan.inference.window(steps, lanes, 1, ring=True)
        self._run = run = StandingRun(plan.inference, window, native.masks, arrays)
        self._at = [
            (history.data_ptr(), run.at(f"s{i}"), run.at(f"s{i}_returned"))
            for i, history in enumerate(self._histories)
        ]
        self._at_x, self._at_y = run.at("x0"), run.at("y")
        self._lock = threading.Lock()

    def fits(self, call: WindowCall, products: torch.dtype, windows: AskNorms) -> bool:
        """Whether a window is one of those that this stands ready for, now, with such products."""
        x, dtype = call.x, self._dtype
        if (
            (x.shape, x.dtype, x.requires_grad) != self._x
            or type(x) is not Tensor
            or not x.is_cpu
            or not x.is_contiguous()
            or call.generator is not None
            or list(call.return_steps) != self._return_steps
            or not unbroken(call.masks)
            or torch.get_num_threads() != 1
            or chosen() is not self._target
            or products is not self._products
            or transforming()
        ):
            return False
        if not plain_state(call.state, self._shapes, dtype):
            return False
        for part in leaves(call.initial_state):
            if part.dtype is not dtype or type(part) is not Tensor:
                return False
        return (
            self._made_of.same(call.cell)
            and all(p.stands for p in self._parameters)
            and self._norms.same(call.norms, windows)
        )

    def run(self, call: WindowCall) -> WindowOutput | None:
        """Run a window that fits; None where another thread is running one."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._go(call)
        finally:
            self._lock.release()

    def _go(self, call: WindowCall) -> WindowOutput:
        addresses, dtype = self._run.addresses, self._dtype
        output, returned = empty(self._output, dtype), []
        for part, (history, at_first, at_returned) in zip(
            leaves(call.state), self._at, strict=True
        ):
            first = part.data_ptr()
            ctypes.memmove(history, first, part.numel() * dtype.itemsize)
            addresses[at_first] = first
            if self._return_steps:
                returned.append(empty(part.shape, dtype))
                addresses[at_returned] = returned[-1].data_ptr()
        addresses[self._at_x], addresses[self._at_y] = call.x.data_ptr(), output.data_ptr()
        self._run()
        if not self._return_steps:
            return WindowOutput(output, {})
        (step,) = self._return_steps
        return WindowOutput(output, {step: rebuild(call.state, iter(returned))})
