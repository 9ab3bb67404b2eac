"""The autograd function around a window of training that stands ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.reference import transforming
from memcell.recurrent.state import leaves, rebuild
from memcell.recurrent.window_call import WindowCall, WindowOutput
from memcell_compiler.runtime.double_backward import Again
from memcell_compiler.runtime.standing import StandingWindow


def unroll_standing(
    window: StandingWindow, call: WindowCall, windows: Mapping[str, NormWindow]
) -> WindowOutput:
    """Run a window with gradients on what stands ready for it.

    Args:
        window: What stands ready.
        call: A window that fits.
        windows: What its normalizers said of it.
    """
    tensors = (
        call.x,
        *window.parameters,
        *leaves(call.state),
        *leaves(call.initial_state),
    )
    # torch writes no types for it
    output, *returned = _UnrollStanding.apply(window, call, windows, *tensors)  # type: ignore[no-untyped-call]
    (step,) = call.return_steps
    return WindowOutput(output, {step: rebuild(call.state, iter(returned))})


class _UnrollStanding(torch.autograd.Function):
    """As `memcell_compiler.runtime.function.Unroll`: the generated backward loop runs once."""

    @staticmethod
    def forward(
        ctx: Any,
        window: StandingWindow,
        call: WindowCall,
        windows: Mapping[str, NormWindow],
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        """Run forward and keep what backward needs."""
        found, gradient = window.run(call, windows)
        gradient.let_output_go()
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        ctx.window, ctx.gradient, ctx.shape = window, gradient, found.outputs.shape
        ctx.windows = dict(windows)
        # without its tensors, which are among those that are saved
        ctx.call = call._replace(x=call.x.new_empty(0))
        return (found.outputs, *leaves(found.states[call.x.shape[0]]))

    @staticmethod
    def backward(
        ctx: Any, dy: Tensor | None, *d_states: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Run backward: the generated loop once, whatever else is asked for on the eager loop."""
        window: StandingWindow = ctx.window
        layout, needed, saved = window.layout, ctx.needs_input_grad[3:], ctx.saved_tensors
        if dy is None:
            dy = saved[0].new_zeros(ctx.shape)
        given = [d for d in (dy, *d_states) if d is not None]
        if ctx.gradient.done or torch.is_grad_enabled() or transforming(*given):
            parts = range(len(layout.states))
            names = [
                *("x0", *layout.parameters),
                *(f"s{i}" for i in parts),
                *(f"s{i}_initial" for i in parts),
            ]
            again = Again(ctx.call, ctx.windows, True, True, layout.parameters, {})
            wanted = [n for n, need in zip(names, needed, strict=True) if need]
            filled = [
                dy.new_zeros(1, *saved[names.index(f"s{i}")].shape) if d is None else d[None]
                for i, d in enumerate(d_states)
            ]
            by_name = again.gradients(dict(zip(names, saved, strict=True)), wanted, dy, filled)
            return (None, None, None, *(by_name.get(n) for n in names))
        d_x, gradients = ctx.gradient(dy, d_states)
        by_parameter = {id(p): g for p, g in gradients}
        of_parameters = (by_parameter.get(id(p)) for p in window.parameters)
        return (
            None,
            None,
            None,
            d_x,
            *of_parameters,
            *(None for _ in needed[1 + len(layout.parameters) :]),
        )
