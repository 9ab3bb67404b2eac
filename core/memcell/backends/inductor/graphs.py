"""Cutting a window into chunks of K steps, so that code made for K steps runs any T."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from memcell.backends.inductor.chunk import Piece
from memcell.backends.step_masks import WindowMarks


class Cut(NamedTuple):
    """One chunk of a window.

    Args:
        start: Its first step.
        steps: How many steps of the window it has.
        piece: Its tensors, of ``steps`` steps, or of K where the rest was filled up with padding.
        marked: A lane restarts or is padding somewhere in it.
        compiled: It has K steps; False for a rest so short that a plain loop is faster.
    """

    start: int
    steps: int
    piece: Piece
    marked: bool
    compiled: bool


def cuts(
    parts: Sequence[Tensor], inputs: Sequence[Sequence[Tensor]], marks: WindowMarks, chunk: int
) -> Iterator[Cut]:
    """Yield the chunks of a window in order.

    A rest of at least half a chunk is filled up with padding: its last step repeated (numbers that the
    cell is used to), in which memory stands still and whose outputs are dropped.
    """
    # split once: slicing a tensor that needs a gradient makes the backward quadratic in T
    split_parts = [torch.split(p, chunk) for p in parts]
    split_inputs = [[torch.split(i, chunk) for i in site] for site in inputs]
    for n, (restarts, valid) in enumerate(
        zip(torch.split(marks.restarts, chunk), torch.split(marks.valid, chunk), strict=True)
    ):
        start, steps = n * chunk, len(valid)
        stop = start + steps
        piece = Piece(
            tuple(p[n] for p in split_parts),
            restarts,
            valid,
            tuple(tuple(i[n] for i in site) for site in split_inputs),
        )
        marked = any(marks.any_restart[start:stop]) or not all(marks.all_valid[start:stop])
        if steps < chunk <= 2 * steps:
            yield Cut(start, steps, _filled(piece, chunk - steps), True, True)
        else:
            yield Cut(start, steps, piece, marked, steps == chunk)


def _filled(piece: Piece, missing: int) -> Piece:
    def repeat(t: Tensor) -> Tensor:
        return torch.cat([t, t[-1:].expand(missing, *t.shape[1:])])

    def off(t: Tensor) -> Tensor:
        return torch.cat([t, t.new_zeros(missing, *t.shape[1:])])

    return Piece(
        tuple(repeat(p) for p in piece.parts),
        off(piece.restarts),
        off(piece.valid),
        tuple(tuple(repeat(i) for i in site) for site in piece.inputs),
    )
