"""Chunks: some steps in a row as a pure function of tensors, and a window cut into them.

Code made for the K steps of a chunk runs a window of any T.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms, StepNorm
from memcell.recurrent.state import State, map_state, where
from memcell.recurrent.step_masks import StepMasks


class Form(NamedTuple):
    """What is fixed in the code of a chunk.

    Args:
        modes: Site and mode of each normalizer's window.
        single: ``project`` returned a tensor rather than a tuple.
        masked: A lane is reset or is padding somewhere in the chunk.
        every: The states after each step are returned, not only the last.
    """

    modes: tuple[tuple[str, str], ...]
    single: bool
    masked: bool
    every: bool


class StepChunk(NamedTuple):
    """The tensors of some steps.

    Args:
        parts: What ``project`` returned, each ``[K, B, …]``.
        resets: ``[K, B]`` bool.
        valid: ``[K, B]`` bool.
        inputs: For each site the inputs of its normalizer's window, each ``[K, …]``.
    """

    parts: tuple[Tensor, ...]
    resets: Tensor
    valid: Tensor
    inputs: tuple[tuple[Tensor, ...], ...]


class ChunkOutput(NamedTuple):
    """What some steps gave.

    Args:
        outputs: ``[K, B, H]``.
        state: The state after the last step.
        states: The states after each step, ``[K, B, …]``, or None.
        statistics: For each site the statistics of its normalizer, each ``[K, …]``, detached.
    """

    outputs: Tensor
    state: State
    states: State | None
    statistics: tuple[tuple[Tensor, ...], ...]


def run_chunk(
    cell: Cell, norms: SiteNorms, form: Form, chunk: StepChunk, state: State, initial_state: State
) -> ChunkOutput:
    """Run the steps of a chunk, as `memcell.backends.eager.unroll_eager` does.

    The cell comes as an argument, not in a closure: what is cached then holds no reference to it, and
    its weights are inputs that may change from call to call.
    """
    windows = {
        site: NormWindow(mode, inputs)
        for (site, mode), inputs in zip(form.modes, chunk.inputs, strict=True)
    }
    # unbind, not part[k]: the backward of an index writes a whole tensor of zeros
    steps: list[Any] = list(zip(*(part.unbind(0) for part in chunk.parts), strict=True))
    resets, valid = chunk.resets.unbind(0), chunk.valid.unbind(0)
    outputs, states, statistics = [], [], []
    for k, p in enumerate(steps):
        if form.masked:
            state = where(resets[k], initial_state, state)
        norm = StepNorm(norms, windows, k)
        output, after = cell.step(p[0] if form.single else p, state, norm)
        state = where(valid[k], after, state) if form.masked else after
        outputs.append(output)
        statistics.append(norm.statistics)
        if form.every:
            states.append(state)
    columns = [
        zip(*(each.get(site, ()) for each in statistics), strict=True) for site, _ in form.modes
    ]
    return ChunkOutput(
        torch.stack(outputs),
        state,
        map_state(lambda *each: torch.stack(each), *states) if form.every else None,
        tuple(tuple(torch.stack([s.detach() for s in c]) for c in column) for column in columns),
    )


class Cut(NamedTuple):
    """One chunk of a window.

    Args:
        start: Its first step.
        steps: How many steps of the window it has.
        chunk: Its tensors, of ``steps`` steps, or of K where the rest was filled up with padding.
        masked: A lane is reset or is padding somewhere in it.
        compiled: It has K steps; False for a rest so short that a plain loop is faster.
    """

    start: int
    steps: int
    chunk: StepChunk
    masked: bool
    compiled: bool


def cuts(
    parts: Sequence[Tensor], inputs: Sequence[Sequence[Tensor]], masks: StepMasks, size: int
) -> Iterator[Cut]:
    """Yield the chunks of a window in order, each of ``size`` steps.

    A rest of at least half a chunk is filled up with padding: its last step repeated (numbers that the
    cell is used to), in which memory stands still and whose outputs are dropped.
    """
    # split once: slicing a tensor that needs a gradient makes the backward quadratic in T
    split_parts = [torch.split(p, size) for p in parts]
    split_inputs = [[torch.split(i, size) for i in site] for site in inputs]
    for n, (resets, valid) in enumerate(
        zip(torch.split(masks.resets, size), torch.split(masks.valid, size), strict=True)
    ):
        start, steps = n * size, len(valid)
        stop = start + steps
        chunk = StepChunk(
            tuple(p[n] for p in split_parts),
            resets,
            valid,
            tuple(tuple(i[n] for i in site) for site in split_inputs),
        )
        masked = any(masks.any_reset[start:stop]) or not all(masks.all_valid[start:stop])
        if steps < size <= 2 * steps:
            yield Cut(start, steps, _filled(chunk, size - steps), True, True)
        else:
            yield Cut(start, steps, chunk, masked, steps == size)


def _filled(chunk: StepChunk, missing: int) -> StepChunk:
    def repeat(t: Tensor) -> Tensor:
        return torch.cat([t, t[-1:].expand(missing, *t.shape[1:])])

    def off(t: Tensor) -> Tensor:
        return torch.cat([t, t.new_zeros(missing, *t.shape[1:])])

    return StepChunk(
        tuple(repeat(p) for p in chunk.parts),
        off(chunk.resets),
        off(chunk.valid),
        tuple(tuple(repeat(i) for i in site) for site in chunk.inputs),
    )
