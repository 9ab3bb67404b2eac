"""Operations on states.

A *state* is a NamedTuple of tensors ``[B, …]`` (one layer) or a tuple of such over layers. Everything
here goes through the nesting and returns the same types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

#: A tensor, or a (named) tuple of states.
State = Any


def map_state(fn: Callable[..., Tensor], state: State, *others: State) -> State:
    """Apply ``fn`` to each tensor of a state, together with its counterparts in the others."""
    if isinstance(state, Tensor):
        return fn(state, *others)
    parts = [map_state(fn, *items) for items in zip(state, *others, strict=True)]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)


def leaves(state: State) -> Iterator[Tensor]:
    """Return the tensors of a state, in order."""
    found: list[Tensor] = []
    _gather(state, found)
    return iter(found)


def _gather(state: State, found: list[Tensor]) -> None:
    for part in (state,) if isinstance(state, Tensor) else state:
        if isinstance(part, Tensor):
            found.append(part)
        else:
            _gather(part, found)


def detach(state: State) -> State:
    """Cut the state from the graph that made it."""
    return map_state(lambda t: t.detach(), state)


def zeros(state: State) -> State:
    """Return a state of zeros like the given one."""
    return map_state(torch.zeros_like, state)


def where(lanes: Tensor, yes: State, no: State) -> State:
    """Choose per lane.

    Args:
        lanes: ``[B]`` bool.
        yes: State taken in lanes that are True.
        no: State taken in the others.
    """

    def choose(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(lanes.view(-1, *[1] * (b.dim() - 1)), a, b)

    return map_state(choose, yes, no)


def rebuild(template: State, tensors: Iterator[Tensor]) -> State:
    """Return a state shaped like the template out of tensors in the order of `leaves`."""
    if isinstance(template, Tensor):
        return next(tensors)
    parts = [rebuild(part, tensors) for part in template]
    return type(template)(*parts) if hasattr(template, "_fields") else tuple(parts)
