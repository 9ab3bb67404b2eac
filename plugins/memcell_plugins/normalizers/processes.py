"""The lanes of all processes that train together, for statistics over a batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


def alone() -> bool:
    """Whether this process trains by itself."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return True
    return distributed.get_world_size() == 1


def all_lanes(z: Tensor) -> Tensor:
    """Return the rows of every process ``[B_all, …]``, in the order of the processes; differentiable."""
    # torch writes no types for it
    found: Tensor = _AllLanes.apply(z)  # type: ignore[no-untyped-call]
    return found


def own_lanes(z: Tensor) -> Tensor:
    """Return this process's rows of `all_lanes`."""
    return z.chunk(distributed.get_world_size())[distributed.get_rank()]


class _AllLanes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        pieces = [torch.empty_like(z) for _ in range(distributed.get_world_size())]
        distributed.all_gather(pieces, z.contiguous())
        return torch.cat(pieces)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # each process has used all rows, so a row's gradient is the sum of theirs
        summed = gradient.contiguous().clone()
        distributed.all_reduce(summed)
        return own_lanes(summed)
