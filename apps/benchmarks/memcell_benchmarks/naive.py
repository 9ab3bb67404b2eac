"""How public code loops over a cell: the input is projected inside the step, nothing is hoisted."""

from __future__ import annotations

import torch
from torch import Tensor

from memcell.recurrent.norms import SiteStatistics
from memcell.recurrent.state import where
from memcell.recurrent.window_call import WindowCall, WindowOutput


def unroll_naive(call: WindowCall) -> WindowOutput:
    """Run a window."""
    norms, masks, state = call.norms, call.masks, call.state
    windows = call.norm_windows()
    outputs, states = [], {0: state} if 0 in call.return_steps else {}
    statistics = list[SiteStatistics]()
    for t in range(masks.time_steps):
        if masks.any_reset[t]:
            state = where(masks.resets[t], call.initial_state, state)
        projected = call.cell.project(call.x[t : t + 1])
        p = projected[0] if isinstance(projected, Tensor) else tuple(q[0] for q in projected)
        norm = norms.at(windows, t)
        output, after = call.cell.step(p, state, norm)
        state = after if masks.all_valid[t] else where(masks.valid[t], after, state)
        outputs.append(output)
        statistics.append(norm.statistics)
        if t + 1 in call.return_steps:
            states[t + 1] = state
    if call.update_statistics:
        norms.accumulate(windows, statistics)
    return WindowOutput(torch.stack(outputs), states)
