"""A normalizer made ready for a check, and a way to run it over a window as the engine does."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from memcell.plugins.specs import NormalizerSpec
from memcell.recurrent.normalizer import Normalizer, NormWindow
from memcell.testing.failure import require
from memcell.testing.numbers import noise, seeded

BuildNormalizer = Callable[[int], Normalizer]

WIDTH, STEPS = 4, 6


def made(
    build: BuildNormalizer, dtype: torch.dtype = torch.float64, width: int = WIDTH
) -> Normalizer:
    """Return a normalizer with parameters moved a little, the same whenever it is asked for."""
    with seeded():
        norm = build(width)
        require(
            isinstance(norm, Normalizer),
            expected="a memcell.recurrent.Normalizer",
            did=f"the factory returned a {type(norm).__name__}",
            change="Derive from Normalizer and name the class as factory.",
        )
        with torch.no_grad():
            for parameter in norm.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return norm.to(dtype)


def lanes_for(spec: NormalizerSpec) -> int:
    """Return a number of lanes of which some may be padding and enough remain."""
    return spec.min_lanes + 4


def values(lanes: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return ``[T, B, W]``, off centre and not of variance 1."""
    return 2.0 * noise(STEPS, lanes, WIDTH, seed=seed, dtype=dtype) + 0.5


def same_ages(lanes: int) -> Tensor:
    """Return ages of lanes that all started with the window."""
    return torch.arange(STEPS).unsqueeze(1).expand(STEPS, lanes).clone()


def mixed_ages(lanes: int) -> Tensor:
    """Return ages of lanes half of which started earlier."""
    ages = same_ages(lanes)
    ages[:, lanes // 2 :] += 5
    return ages


def all_valid(lanes: int) -> Tensor:
    """Return ``[T, B]`` True."""
    return torch.ones(STEPS, lanes, dtype=torch.bool)


class RanNorm(NamedTuple):
    """What a normalizer gave for a window.

    Args:
        outputs: ``[T, B, W]``.
        statistics: What each step returned beside its output.
        window: As `Normalizer.window` prepared it.
    """

    outputs: Tensor
    statistics: list[tuple[Tensor, ...]]
    window: NormWindow


def run(
    norm: Normalizer, z: Tensor, ages: Tensor, valid: Tensor, update_statistics: bool
) -> RanNorm:
    """Run a window: prepare, normalize each step and, in training, accumulate."""
    window = norm.window(ages, valid, update_statistics)
    outputs, statistics = [], []
    for t in range(len(z)):
        out, taken = norm.normalize(z[t], window.mode, tuple(i[t] for i in window.inputs))
        outputs.append(out)
        statistics.append(taken)
    if update_statistics and statistics[0]:
        columns = zip(*statistics, strict=True)
        stacked = tuple(torch.stack([part.detach() for part in column]) for column in columns)
        norm.accumulate(stacked, window.mode, window.inputs)
    return RanNorm(torch.stack(outputs), statistics, window)


def trained(build: BuildNormalizer, lanes: int) -> Normalizer:
    """Return a normalizer that has seen two windows in training."""
    norm = made(build)
    with torch.no_grad():
        for seed in (11, 12):
            run(norm, values(lanes, seed), same_ages(lanes), all_valid(lanes), True)
    return norm
