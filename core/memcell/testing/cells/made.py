"""A cell made ready for a check, and ways to run it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from memcell.backends import StepMasks
from memcell.backends.choose import BACKENDS
from memcell.recurrent.cell import Cell, Norm, identity_norm, projected
from memcell.recurrent.initializers import initializer
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.state import State, detach
from memcell.recurrent.window_call import WindowCall
from memcell.testing.failure import require
from memcell.testing.numbers import noise, seeded

BuildCell = Callable[[int, int], Cell]

#: Sizes that differ from each other, so that a mixed-up dimension cannot hide.
INPUT, HIDDEN, STEPS, LANES = 3, 4, 8, 5


def made(build: BuildCell, dtype: torch.dtype = torch.float64, stirred: bool = True) -> Cell:
    """Return an initialized cell in evaluation mode, the same whenever it is asked for.

    Args:
        build: Makes the cell.
        dtype: Of its parameters.
        stirred: Move every parameter a little, so that none is at a special value such as 0.
    """
    with seeded():
        cell = build(INPUT, HIDDEN)
        require(
            isinstance(cell, Cell),
            expected="a memcell.recurrent.Cell",
            did=f"the factory returned a {type(cell).__name__}",
            change="Derive from Cell and name the class, or a function returning it, as factory.",
        )
        initialize(cell)
        if stirred:
            with torch.no_grad():
                for parameter in cell.parameters():
                    parameter.add_(0.1 * torch.randn_like(parameter))
    return cell.to(dtype).eval()


def initialize(cell: Cell) -> None:
    """Fill the weights from torch's global generator, as the engine does."""
    cell.reset_parameters(
        {
            "input": initializer("glorot", HIDDEN, None),
            "recurrent": initializer("orthogonal", HIDDEN, None),
        }
    )


def inputs(steps: int = STEPS, lanes: int = LANES, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return ``[T, B, I]``."""
    return noise(steps, lanes, INPUT, dtype=dtype)


def first_step(cell: Cell, x: Tensor) -> Any:
    """Return what `Cell.step` is given at the first step of ``x``."""
    found = projected(cell, x)
    return found[0] if isinstance(found, Tensor) else tuple(p[0] for p in found)


def zero_state(cell: Cell, lanes: int = LANES, dtype: torch.dtype = torch.float64) -> State:
    """Return the cell's initial state."""
    return cell.initial_state(lanes, dtype=dtype)


@torch.no_grad()
def used_state(cell: Cell, lanes: int = LANES, dtype: torch.dtype = torch.float64) -> State:
    """Return a state that the cell has reached by itself: any other might break its invariants."""
    x = noise(3, lanes, INPUT, seed=7, dtype=dtype)
    state = zero_state(cell, lanes, dtype)
    for t in range(3):
        _, state = cell.step(first_step(cell, x[t : t + 1]), state, identity_norm)
    return detach(state)


def run(
    cell: Cell,
    x: Tensor,
    state: State | None = None,
    resets: Tensor | None = None,
    valid: Tensor | None = None,
    backend: str = "eager",
) -> tuple[Tensor, State]:
    """Run a window on one of the engine's backends and return outputs ``[T, B, H]`` and the last state."""
    steps, lanes = x.shape[:2]
    initial_state = zero_state(cell, lanes, x.dtype)
    no = torch.zeros(steps, lanes, dtype=torch.bool)
    masks = StepMasks.of(
        no if resets is None else resets,
        ~no if valid is None else valid,
        torch.zeros(lanes, dtype=torch.int64),
    )
    begin = initial_state if state is None else state
    call = WindowCall(
        cell, SiteNorms(cell.norm_sites, None), x, begin, initial_state, masks, (steps,)
    )
    outputs, states = BACKENDS[backend].run(call)
    return outputs, states[steps]


def step_loop(cell: Cell, x: Tensor, norm: Norm = identity_norm) -> tuple[Tensor, State]:
    """Run a window with the shortest loop there is."""
    found = projected(cell, x)
    state, outputs = zero_state(cell, x.shape[1], x.dtype), []
    for t in range(len(x)):
        p = found[t] if isinstance(found, Tensor) else tuple(part[t] for part in found)
        output, state = cell.step(p, state, norm)
        outputs.append(output)
    return torch.stack(outputs), state
