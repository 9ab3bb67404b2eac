"""Torch's own LSTM, GRU and tanh RNN, where a cell is exactly that: the window is cut at restarts."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from memcell.backends.step_masks import WindowMarks
from memcell.recurrent.cell import Cell, TorchForm
from memcell.recurrent.state import State, leaves, where

Weights = tuple[Tensor, Tensor, Tensor, Tensor]

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
    edges = list(itertools.pairwise(cuts(marks, keep)))
    outputs, states = [], {0: state} if 0 in keep else {}
    form = form._replace(weights=_flat(form.weights)) if x.is_cuda else form
    train = torch.is_grad_enabled() and any(
        t.requires_grad for t in (x, *leaves(state), *leaves(fresh), *form.weights)
    )
    # split once: slicing a tensor that needs a gradient makes the backward quadratic in the cuts
    pieces = torch.split(x, [stop - start for start, stop in edges])
    for (start, stop), piece in zip(edges, pieces, strict=True):
        if marks.any_restart[start]:
            state = where(marks.restarts[start], fresh, state)
        output, after = _segment(form, piece, state, train)
        state = after if marks.all_valid[start] else where(marks.valid[start], after, state)
        outputs.append(output)
        if stop in keep:
            states[stop] = state
    return torch.cat(outputs), states


def _segment(form: TorchForm, x: Tensor, state: Any, train: bool) -> tuple[Tensor, Any]:
    # cuDNN takes no other states (a start that is the same for all lanes is expanded, not copied)
    h = state[0].unsqueeze(0).contiguous()
    # biases, layers, dropout, train (without it cuDNN has no backward), both ways, batch first
    options = (True, 1, 0.0, train, False, False)
    if form.name == "lstm":
        c = state[1].unsqueeze(0).contiguous()
        output, hn, cn = torch.lstm(x, (h, c), form.weights, *options)
        return output, type(state)(hn[0], cn[0])
    kernel = torch.gru if form.name == "gru" else torch.rnn_tanh
    output, hn = kernel(x, h, form.weights, *options)
    return output, type(state)(hn[0])


def _flat(weights: Weights) -> Weights:
    """Return the weights as views of one buffer, in the order in which cuDNN has them.

    Otherwise it copies them together at every call, and warns of it.
    """
    buffer = torch.cat([w.reshape(-1) for w in weights])
    pieces = torch.split(buffer, [w.numel() for w in weights])
    first, second, third, fourth = (p.view(w.shape) for p, w in zip(pieces, weights, strict=True))
    return first, second, third, fourth
