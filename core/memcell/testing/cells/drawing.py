"""Random numbers of a cell: drawn in `Cell.project`, from the generator it is handed, and nowhere else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memcell.recurrent.cell import Cell, identity_norm, projected
from memcell.recurrent.state import leaves
from memcell.testing.cells.made import BuildCell, first_step, inputs, made, used_state
from memcell.testing.failure import require
from memcell.testing.numbers import distance

_CHANGE = (
    "Give project an argument: project(self, x, generator=None). Draw masks there for all steps at once, "
    "with torch.rand(shape, generator=generator) on the CPU, and return them beside the product; where "
    "generator is None (inference) take what is expected of a mask."
)


def step_draws_no_random_numbers(build: BuildCell) -> None:
    """`step` leaves the generators of torch, numpy and Python where they are."""
    cell = made(build).train()
    with _generators_kept():
        p, state = first_step(cell, inputs()), used_state(cell)
        before = _states()
        cell.step(p, state, identity_norm)
        moved = _moved(before)
    require(
        not moved,
        expected="step to draw no random numbers",
        did=f"the generator of {moved} moved",
        change=_CHANGE,
    )


def project_draws_from_its_generator(build: BuildCell) -> None:
    """`project` draws from the generator that it is handed, the same for the same seed, and from no other.

    Without one (inference, replays, streams) it draws nothing.
    """
    cell = made(build).train()
    with _generators_kept():
        for generator in (None, torch.Generator()):
            before = _states()
            _project(cell, generator)
            moved = _moved(before)
            require(
                not moved,
                expected="project to leave the global random numbers alone, so that a run repeats from its "
                "seed and goes on as if it had not stopped",
                did=f"the generator of {moved} moved",
                change=_CHANGE,
            )
        gap = _gap(_project(cell, None), _project(cell, None))
        require(
            gap == 0,
            expected="project to give the same twice where it is handed no generator",
            did=f"the second call differed by {gap:.3g}",
            change=_CHANGE,
        )
        first, second = (_project(cell, torch.Generator().manual_seed(3)) for _ in range(2))
        gap = _gap(first, second)
        require(
            gap == 0,
            expected="project to draw the same from two generators of one seed",
            did=f"the second call differed by {gap:.3g}",
            change=_CHANGE,
        )


def _project(cell: Cell, generator: torch.Generator | None) -> tuple[Tensor, ...]:
    with torch.no_grad():
        found: Any = projected(cell, inputs(), generator)
    return (found,) if isinstance(found, Tensor) else tuple(found)


def _gap(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> float:
    return max(
        (distance(a, b) for a, b in zip(leaves(first), leaves(second), strict=True)), default=0
    )


def _states() -> dict[str, Any]:
    return {
        "torch": torch.get_rng_state(),
        "numpy (numpy.random)": repr(np.random.get_state()),  # noqa: NPY002 - it is the global one
        "Python (random)": random.getstate(),
    }


def _moved(before: dict[str, Any]) -> str:
    """Return whose global generator has moved, empty where none has."""
    now = _states()
    return next((name for name, state in before.items() if not _same(state, now[name])), "")


def _same(a: Any, b: Any) -> bool:
    return torch.equal(a, b) if isinstance(a, Tensor) else bool(a == b)


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Give the global generators back as they were."""
    python, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002 - it is the global one
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)  # noqa: NPY002 - it is the global one
