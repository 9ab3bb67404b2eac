"""The autograd function around a plan's forward and backward loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.reference import transforming
from memcell_compiler.runtime.double_backward import Again
from memcell_compiler.runtime.plan import NativePlan
from memcell_compiler.runtime.pool import Lease, empty
from memcell_compiler.runtime.window import NativeMasks


@dataclass
class NativeCall:
    """One call, without the tensors that gradients flow to.

    Args:
        plan: The plan.
        masks: Resets, padding, states to return.
        returned: How many states are returned.
        steps: T.
        lanes: B.
        threads: Threads to use.
        names: C name of each differentiable tensor, in order: inputs, parameters, states, initial states.
        fixed: Buffers and normalizers' inputs by C name.
        buffers: Those that the step reads, as they were, by name; where gradients flow.
        again: The window on the eager loop, where gradients flow.
        statistics: Of the normalizers, each ``[T, …]``, after the forward loop.
    """

    plan: NativePlan
    masks: NativeMasks
    returned: int
    steps: int
    lanes: int
    threads: int
    names: Sequence[str]
    fixed: dict[str, Tensor]
    buffers: dict[str, Tensor] = field(default_factory=dict)
    again: Again | None = None
    statistics: list[Tensor] = field(default_factory=list)


def run_forward(
    call: NativeCall, tensors: Sequence[Tensor], lease: Lease | None
) -> tuple[Any, ...]:
    """Run the forward loop, the saving one where there is a lease.

    Returns:
        Arrays by name, the outputs, and the returned states ``[returned, B, width]`` of each part.
    """
    layout, t, b = call.plan.layout, call.steps, call.lanes
    dtype = call.plan.dtype
    runner = call.plan.inference if lease is None else call.plan.forward
    arrays = {**call.fixed, **dict(zip(call.names, tensors, strict=True))}
    aliased = None if lease is None or not call.masks.plain else layout.output_state
    for i, width in enumerate(layout.states):
        if lease is None:
            history = empty((2, b, width), dtype)
        elif i == aliased:
            history = empty((t + 1, b, width), dtype)
        else:
            history = lease.take((t + 1, b, width), dtype)
        history[0] = arrays[f"s{i}"].view(b, width)
        arrays[f"s{i}_history"] = history
        arrays[f"s{i}_returned"] = empty((call.returned, b, width), dtype)
    if aliased is None:
        arrays["y"] = empty((t, b, layout.output), dtype)
    else:
        arrays["y"] = arrays[f"s{aliased}_history"][1:]
    for i, shape in enumerate(layout.statistics):
        sizes = (b if s is None else s for s in shape)
        arrays[f"g{i}"] = empty((t, *sizes), dtype)
        call.statistics.append(arrays[f"g{i}"])
    if lease is not None:
        rows, vector = layout.saved
        arrays["saved"] = lease.take((t, b, rows), dtype)
        arrays["saved_vector"] = lease.take((t, vector), dtype)
    window = runner.window(t, b, call.threads, ring=lease is None)
    runner(window, call.masks, arrays)
    returned = [arrays[f"s{i}_returned"] for i in range(len(layout.states))]
    return arrays, arrays["y"], returned


def kept_arrays(arrays: dict[str, Tensor], parts: int) -> dict[str, Tensor]:
    """Return what the backward loop reads of a forward loop: the states of each step, what was saved."""
    names = [f"s{i}_history" for i in range(parts)]
    return {n: arrays[n] for n in (*names, "saved", "saved_vector")}


def run_backward(
    call: NativeCall,
    tensors: Sequence[Tensor],
    kept: dict[str, Tensor],
    dy: Tensor,
    d_returned: Sequence[Tensor],
) -> dict[str, Tensor]:
    """Run the backward loop: gradients by the names of `NativeCall.names`.

    Args:
        call: Of the forward loop.
        tensors: As the forward loop was given them.
        kept: Of the forward loop (`kept_arrays`).
        dy: Gradient of the outputs ``[T, B, H]``.
        d_returned: Of the returned states ``[returned, B, width]``, part by part.
    """
    plan, b = call.plan, call.lanes
    layout, dtype = plan.layout, plan.dtype
    arrays = {**call.fixed, **kept, **dict(zip(call.names, tensors, strict=True))}
    arrays["dy"] = dy.contiguous()
    for i, width in enumerate(layout.states):
        arrays[f"s{i}_before"] = arrays[f"s{i}_history"]
        arrays[f"d{i}_returned"] = d_returned[i].contiguous()
        arrays[f"d{i}_first"] = empty((b, width), dtype)
        if call.masks.resets is not None:
            arrays[f"d{i}_initial"] = torch.zeros(b, width, dtype=dtype)
    n_inputs = len(layout.input_gradients)
    for i, wanted_of in enumerate(layout.input_gradients):
        if wanted_of:
            arrays[f"dx{i}"] = empty(tensors[i].shape, dtype)
    window = plan.backward.window(call.steps, b, call.threads, ring=False)
    for added in layout.sums:
        arrays[added.name] = torch.zeros(window.threads, *added.shape, dtype=dtype)
    plan.backward(window, call.masks, arrays)
    sums = []
    for added in layout.sums:
        total = arrays[added.name]
        total = total[0] if window.threads == 1 else total.sum(0)
        sums.append(total.t().contiguous() if added.swapped else total)
    parameters = {
        n: tensors[call.names.index(c)] for c, n in layout.parameters.items() if c in call.names
    }
    gradients = layout.epilogue(sums, {**call.buffers, **parameters})
    by_name: dict[str, Tensor] = {
        c: gradients[n] for c, n in layout.parameters.items() if n in gradients
    }
    for i in range(n_inputs):
        if layout.input_gradients[i]:
            by_name[f"x{i}"] = arrays[f"dx{i}"]
    for i in range(len(layout.states)):
        shape = tensors[call.names.index(f"s{i}")].shape
        by_name[f"s{i}"] = arrays[f"d{i}_first"].view(shape)
        if call.masks.resets is not None:
            by_name[f"s{i}_initial"] = arrays[f"d{i}_initial"].view(shape)
    return by_name


class Unroll(torch.autograd.Function):
    """Outputs and returned states of a window.

    The generated backward loop runs once. Whatever more is asked of backward comes from the eager loop
    (`memcell_compiler.runtime.double_backward`).
    """

    @staticmethod
    def forward(ctx: Any, call: NativeCall, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run forward and keep what backward needs."""
        lease = Lease()
        arrays, y, returned = run_forward(call, tensors, lease)
        ctx.save_for_backward(*tensors)
        ctx.call, ctx.lease = call, lease
        ctx.arrays = kept_arrays(arrays, len(returned))
        return (y, *returned)

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *d_returned: Tensor) -> tuple[Tensor | None, ...]:
        """Run backward; what was saved is given back, so the generated loop runs once."""
        call: NativeCall = ctx.call
        needed = ctx.needs_input_grad[1:]
        if ctx.arrays is None or torch.is_grad_enabled() or transforming(dy, *d_returned):
            assert call.again is not None
            given = dict(zip(call.names, ctx.saved_tensors, strict=True))
            names = [n for n, need in zip(call.names, needed, strict=True) if need]
            found = call.again.gradients(given, names, dy, d_returned)
            return (None, *(found.get(n) for n in call.names))
        by_name = run_backward(call, ctx.saved_tensors, ctx.arrays, dy, d_returned)
        ctx.arrays = None
        ctx.lease.end()
        return (
            None,
            *(by_name.get(n) if need else None for n, need in zip(call.names, needed, strict=True)),
        )
