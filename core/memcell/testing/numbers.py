"""Numbers that are the same in every run of a check, and their comparison."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from memcell.recurrent.state import State, leaves

#: Two ways to the same float64 numbers differ by rounding only.
EXACT = 1e-12
SEED = 20160331


@contextmanager
def seeded(seed: int = SEED) -> Iterator[None]:
    """Seed torch's global generator inside, and leave it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def noise(*shape: int, seed: int = SEED, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return standard normal numbers, always the same for a shape and a seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def distance(a: Tensor, b: Tensor) -> float:
    """Return the largest absolute difference; infinite where shapes or NaNs differ."""
    if a.shape != b.shape:
        return float("inf")
    if not a.numel():
        return 0.0
    gap = (a.detach().double() - b.detach().double()).abs()
    gap = torch.where(a.detach() == b.detach(), torch.zeros_like(gap), gap)  # inf equals inf
    return float(gap.nan_to_num(nan=float("inf")).max())


def state_distance(a: State, b: State) -> float:
    """Return the largest `distance` over the parts of two states."""
    return max((distance(p, q) for p, q in zip(leaves(a), leaves(b), strict=True)), default=0.0)
