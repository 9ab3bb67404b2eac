"""Torch's own LSTM, GRU and tanh RNN, where a cell is exactly that: the window is cut at restarts."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell, TorchForm
from memcell.recurrent.state import State, where
from memcell.unroll.marks import WindowMarks

#: Cut more often than this, a window is better run step by step.
MIN_MEAN_CUT = 4


def cuts(marks: WindowMarks, keep: Collection[int]) -> list[int]:
    """Return the steps at which the window must be cut, with 0 and T.

    It is cut where a lane restarts, where padding begins or ends, and where a state is wanted.
    """
    steps = marks.time_steps
    edges = {0, steps, *keep}
    edges |= {t for t in range(steps) if marks.any_restart[t]}
    if not all(marks.all_valid):
        changed = (marks.valid[1:] != marks.valid[:-1]).any(1).tolist()
        edges |= {t + 1 for t, c in enumerate(changed) if c}
    return sorted(edges)


def unroll_torch(
    form: TorchForm,
    cell: Cell,
    x: Tensor,
    state: State,
    fresh: State,
    marks: WindowMarks,
    keep: Collection[int],
) -> tuple[Tensor, dict[int, State]]:
    """Run a window through torch's own kernel. Arguments and result as `unroll_eager`."""
    edges = cuts(marks, keep)
    outputs, states = [], {0: state} if 0 in keep else {}
    for start, stop in itertools.pairwise(edges):
        if marks.any_restart[start]:
            state = where(marks.restarts[start], fresh, state)
        output, after = _segment(form, x[start:stop], state)
        state = after if marks.all_valid[start] else where(marks.valid[start], after, state)
        outputs.append(output)
        if stop in keep:
            states[stop] = state
    return torch.cat(outputs), states


def _segment(form: TorchForm, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    h = state[0].unsqueeze(0)
    options = (
        True,
        1,
        0.0,
        False,
        False,
        False,
    )  # biases, layers, dropout, train, both ways, batch first
    if form.name == "lstm":
        output, hn, cn = torch.lstm(x, (h, state[1].unsqueeze(0)), form.weights, *options)
        return output, type(state)(hn[0], cn[0])
    kernel = torch.gru if form.name == "gru" else torch.rnn_tanh
    output, hn = kernel(x, h, form.weights, *options)
    return output, type(state)(hn[0])
