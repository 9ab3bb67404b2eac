"""Some steps in a row, as a pure function of tensors: what is compiled, and what runs a short rest."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from memcell.backends.norms import SiteNorms, StepNorm
from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.state import State, map_state, where


class Form(NamedTuple):
    """What is fixed in the code of a chunk.

    Args:
        modes: Site and mode of each normalizer's window.
        single: ``project`` returned a tensor rather than a tuple.
        marked: A lane restarts or is padding somewhere in the chunk.
        every: The states after each step are wanted, not only the last.
    """

    modes: tuple[tuple[str, str], ...]
    single: bool
    marked: bool
    every: bool


class Piece(NamedTuple):
    """The tensors of some steps.

    Args:
        parts: What ``project`` returned, each ``[K, B, …]``.
        restarts: ``[K, B]`` bool.
        valid: ``[K, B]`` bool.
        inputs: For each site the inputs of its normalizer's window, each ``[K, …]``.
    """

    parts: tuple[Tensor, ...]
    restarts: Tensor
    valid: Tensor
    inputs: tuple[tuple[Tensor, ...], ...]


class Done(NamedTuple):
    """What some steps gave.

    Args:
        outputs: ``[K, B, H]``.
        state: The state after the last step.
        states: The states after each step, ``[K, B, …]``, or None.
        gathered: For each site what its normalizer gathered, each ``[K, …]``, detached.
    """

    outputs: Tensor
    state: State
    states: State | None
    gathered: tuple[tuple[Tensor, ...], ...]


def run_chunk(
    cell: Cell, norms: SiteNorms, form: Form, piece: Piece, state: State, fresh: State
) -> Done:
    """Run the steps of a piece, as `memcell.backends.eager.unroll_eager` does.

    The cell comes as an argument, not in a closure: what is cached then holds no reference to it, and
    its weights are inputs that may change from call to call.
    """
    windows = {
        site: NormWindow(mode, inputs)
        for (site, mode), inputs in zip(form.modes, piece.inputs, strict=True)
    }
    # unbind, not part[k]: the backward of an index writes a whole tensor of zeros
    steps: list[Any] = list(zip(*(part.unbind(0) for part in piece.parts), strict=True))
    restarts, valid = piece.restarts.unbind(0), piece.valid.unbind(0)
    outputs, states, gathered = [], [], []
    for k, p in enumerate(steps):
        if form.marked:
            state = where(restarts[k], fresh, state)
        norm = StepNorm(norms, windows, k)
        output, after = cell.step(p[0] if form.single else p, state, norm)
        state = where(valid[k], after, state) if form.marked else after
        outputs.append(output)
        gathered.append(norm.gathered)
        if form.every:
            states.append(state)
    columns = [zip(*(g.get(site, ()) for g in gathered), strict=True) for site, _ in form.modes]
    return Done(
        torch.stack(outputs),
        state,
        map_state(lambda *each: torch.stack(each), *states) if form.every else None,
        tuple(tuple(torch.stack([s.detach() for s in c]) for c in column) for column in columns),
    )
