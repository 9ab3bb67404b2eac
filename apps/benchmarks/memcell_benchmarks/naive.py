"""How public code loops over a cell: the input is projected inside the step, nothing is hoisted."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from memcell.backends import WindowMarks
from memcell.backends.norms import Gathered, SiteNorms
from memcell.recurrent.cell import Cell
from memcell.recurrent.state import State, where


def unroll_naive(
    cell: Cell,
    norms: SiteNorms,
    x: Tensor,
    state: State,
    fresh: State,
    marks: WindowMarks,
    keep: Collection[int],
    gather: bool,
) -> tuple[Tensor, dict[int, State]]:
    """Run a cell over a window. Arguments and result as `memcell.backends.eager.unroll_eager`."""
    windows = norms.windows(marks, gather)
    outputs, states, gathered = [], {0: state} if 0 in keep else {}, list[Gathered]()
    for t in range(marks.time_steps):
        if marks.any_restart[t]:
            state = where(marks.restarts[t], fresh, state)
        projected = cell.project(x[t : t + 1])
        p = projected[0] if isinstance(projected, Tensor) else tuple(q[0] for q in projected)
        norm = norms.at(windows, t)
        output, after = cell.step(p, state, norm)
        state = after if marks.all_valid[t] else where(marks.valid[t], after, state)
        outputs.append(output)
        gathered.append(norm.gathered)
        if t + 1 in keep:
            states[t + 1] = state
    if gather:
        norms.fold(windows, gathered)
    return torch.stack(outputs), states
