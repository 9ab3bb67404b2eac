"""The eager unroll: a plain loop over `Cell.step`. The reference that every faster way must equal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from memcell.backends.norms import Gathered, SiteNorms
from memcell.backends.step_masks import WindowMarks
from memcell.backends.subnormal import flushed
from memcell.recurrent.cell import Cell, projected
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.state import State, where


def unroll_eager(
    cell: Cell,
    norms: SiteNorms,
    x: Tensor,
    state: State,
    fresh: State,
    marks: WindowMarks,
    keep: Collection[int],
    gather: bool,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, dict[int, State]]:
    """Run a cell over a window.

    Before step t a lane that restarts takes its ``fresh`` state; after it a lane that is padding keeps
    the state it had.

    Args:
        cell: The cell.
        norms: Its normalizers.
        x: ``[T, B, I]``.
        state: The state before the first step.
        fresh: The state of a restarted lane.
        marks: Restarts, padding, ages.
        keep: Numbers of steps after which the state is wanted.
        gather: Training: normalizers use and fold batch statistics.
        generator: Random numbers for a cell that draws masks; None for none.

    Returns:
        Outputs ``[T, B, H]`` and the states that were wanted. On the calling thread subnormal numbers
        count as zero meanwhile, as in the generated loop.
    """
    with flushed():
        return _unrolled(cell, norms, x, state, fresh, marks, keep, gather, generator)


def _unrolled(
    cell: Cell,
    norms: SiteNorms,
    x: Tensor,
    state: State,
    fresh: State,
    marks: WindowMarks,
    keep: Collection[int],
    gather: bool,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, dict[int, State]]:
    if not marks.time_steps:
        return _no_steps(cell, x), {0: state} if 0 in keep else {}
    gather = gather and x.shape[1] > 0  # no lanes have no statistics
    found = projected(cell, x, generator)
    single = isinstance(found, Tensor)
    parts = (found,) if isinstance(found, Tensor) else found
    windows = norms.windows(marks, gather)
    outputs, states, gathered = unroll_parts(
        cell, norms, parts, single, state, fresh, marks, keep, windows
    )
    if gather:
        norms.fold(windows, gathered)
    return outputs, states


def unroll_parts(
    cell: Cell,
    norms: SiteNorms,
    parts: Sequence[Tensor],
    single: bool,
    state: State,
    fresh: State,
    marks: WindowMarks,
    keep: Collection[int],
    windows: Mapping[str, NormWindow],
) -> tuple[Tensor, dict[int, State], list[Gathered]]:
    """Run a cell's steps over what `Cell.project` returned; nothing is folded.

    Args:
        cell: The cell.
        norms: Its normalizers.
        parts: What ``project`` returned, each ``[T, B, …]``.
        single: It returned a tensor rather than a tuple.
        state: The state before the first step.
        fresh: The state of a restarted lane.
        marks: Restarts, padding, ages.
        keep: Numbers of steps after which the state is wanted.
        windows: What the normalizers said of this window.

    Returns:
        Outputs, the states that were wanted, and what the normalizers gathered at each step.
    """
    # unbind, not x[t]: indexing a tensor that needs a gradient makes the backward quadratic in T
    steps = list(zip(*(part.unbind(0) for part in parts), strict=True))
    outputs, states = [], {0: state} if 0 in keep else {}
    gathered: list[Gathered] = []  # not list[Gathered](), which torch.compile does not know
    for t, p in enumerate(steps):
        if marks.any_restart[t]:
            state = where(marks.restarts[t], fresh, state)
        norm = norms.at(windows, t)
        output, after = cell.step(p[0] if single else p, state, norm)
        state = after if marks.all_valid[t] else where(marks.valid[t], after, state)
        outputs.append(output)
        gathered.append(norm.gathered)
        if t + 1 in keep:
            states[t + 1] = state
    return torch.stack(outputs), states, gathered


def _no_steps(cell: Cell, x: Tensor) -> Tensor:
    """Return the outputs ``[0, B, H]`` of a window without steps; the gradient of x is as empty as x."""
    return x.sum(-1, keepdim=True).expand(0, x.shape[1], cell.output_size)
