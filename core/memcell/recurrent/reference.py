"""The plain loop over `Cell.step`: what a window means, which every backend must equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteStatistics
from memcell.recurrent.state import State, where
from memcell.recurrent.window_call import WindowCall


def run_steps(
    call: WindowCall, parts: Sequence[Tensor], single: bool, windows: Mapping[str, NormWindow]
) -> tuple[Tensor, dict[int, State], list[SiteStatistics]]:
    """Run a cell's steps over what `Cell.project` returned; no statistics are accumulated.

    Args:
        call: The window; its x and generator are not read.
        parts: What ``project`` returned, each ``[T, B, …]``.
        single: It returned a tensor rather than a tuple.
        windows: What the normalizers said of this window.

    Returns:
        Outputs, the states that were asked for, and the statistics of the normalizers at each step.
    """
    cell, norms, masks, state = call.cell, call.norms, call.masks, call.state
    # unbind, not x[t]: indexing a tensor that needs a gradient makes the backward quadratic in T
    steps = list(zip(*(part.unbind(0) for part in parts), strict=True))
    outputs, states = [], {0: state} if 0 in call.return_steps else {}
    statistics: list[SiteStatistics] = []  # not list[...](), which torch.compile does not know
    for t, p in enumerate(steps):
        if masks.any_reset[t]:
            state = where(masks.resets[t], call.initial_state, state)
        norm = norms.at(windows, t)
        output, after = cell.step(p[0] if single else p, state, norm)
        state = after if masks.all_valid[t] else where(masks.valid[t], after, state)
        outputs.append(output)
        statistics.append(norm.statistics)
        if t + 1 in call.return_steps:
            states[t + 1] = state
    return torch.stack(outputs), states, statistics


def transforming(*tensors: Tensor) -> bool:
    """Whether a transform of `torch.func` (vmap, jvp, grad, …) or forward-mode differentiation is active.

    Only the plain loop is made of operations that torch can transform.

    Args:
        tensors: Cotangents: several at once (``is_grads_batched``) are a transform of their own.
    """
    functorch = torch._C._functorch
    active = functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0
    return active or any(map(functorch.is_legacy_batchedtensor, tensors))
