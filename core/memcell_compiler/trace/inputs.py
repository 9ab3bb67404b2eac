"""A step's input: x itself, where ``project`` works step by step, or what ``project`` returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell
from memcell.recurrent.cell import projected as project
from memcell.recurrent.refusals import Unsupported


@dataclass(frozen=True)
class Inputs:
    """Tensors ``[T, B, …]``, an entry of each handed to every step.

    Args:
        tensors: x alone, or what ``project`` returned.
        projects: They are x: ``project`` is part of the step.
        single: ``project`` returned a tensor rather than a tuple.
    """

    tensors: Sequence[Tensor]
    projects: bool
    single: bool


@dataclass(frozen=True)
class GradientRequest:
    """What gradients are wanted.

    Args:
        parameters: Names.
        inputs: For each step input.
    """

    parameters: frozenset[str]
    inputs: tuple[bool, ...]


def projected(cell: Cell, x: Tensor, generator: torch.Generator | None = None) -> Inputs:
    """Run ``project`` for all steps."""
    found = project(cell, x, generator)
    parts = (found,) if isinstance(found, Tensor) else tuple(found)
    for part in parts:
        if part.shape[:2] != x.shape[:2]:
            raise Unsupported(f"project returned sizes {tuple(part.shape)} for {tuple(x.shape)}")
    return Inputs(parts, False, isinstance(found, Tensor))


_separable: WeakKeyDictionary[Cell, dict[Any, bool]] = WeakKeyDictionary()


def is_separable(cell: Cell, x: Tensor, made_of: object) -> bool:
    """Whether ``project`` does the same at each step, by itself, and draws nothing at random.

    Tried once a cell, on random numbers: steps and lanes put in another order come out in that order.
    (What it is made of is looked at when it is traced; this is about what a trace does not show.)

    Args:
        cell: The cell.
        x: ``[T, B, I]``.
        made_of: The cell's `fingerprint`.
    """
    known = _separable.setdefault(cell, {})
    key = (x.shape[2:], x.dtype, made_of)
    if key not in known:
        known[key] = _tried(cell, x)
    return known[key]


def _tried(cell: Cell, x: Tensor) -> bool:
    generator = torch.Generator().manual_seed(0)
    example = torch.randn(5, 4, *x.shape[2:], generator=generator, dtype=torch.float64).to(x.dtype)
    steps, lanes = torch.tensor([3, 0, 4, 2, 1]), torch.tensor([2, 0, 3, 1])
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            whole = _parts(cell, example)
            again = _parts(cell, example[steps][:, lanes])
            one = _parts(cell, example[2:3])
        except Exception:  # said by the eager loop, where it is the cell's own
            return False
    close = 1e-4 if x.dtype == torch.float32 else 1e-9
    return all(
        w.shape[:2] == (5, 4)
        and torch.allclose(w[steps][:, lanes], a, close, close)
        and torch.allclose(w[2:3], o, close, close)
        for w, a, o in zip(whole, again, one, strict=True)
    )


def _parts(cell: Cell, x: Tensor) -> tuple[Tensor, ...]:
    found = project(cell, x)
    return (found,) if isinstance(found, Tensor) else tuple(found)
