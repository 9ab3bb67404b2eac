"""Shapes and types of a cell's states and outputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell, identity_norm
from memcell.testing.cells.made import (
    LANES,
    BuildCell,
    first_step,
    inputs,
    made,
    run,
    step_loop,
    used_state,
    zero_state,
)
from memcell.testing.failure import must_work, require


def state_matches_spec(build: BuildCell) -> None:
    """``state_spec`` names the fields of ``state_type`` in order, and both states have its shapes."""
    cell = made(build)
    fields = getattr(getattr(cell, "state_type", None), "_fields", None)
    require(
        fields is not None,
        expected="state_type to be a NamedTuple class",
        did=f"it is {getattr(cell, 'state_type', 'missing')!r}",
        change="Write a NamedTuple of tensors for the state and set state_type to it.",
    )
    require(
        tuple(cell.state_spec) == fields,
        expected=f"state_spec to name the fields of state_type, {fields}, in this order",
        did=f"it names {tuple(cell.state_spec)}",
        change="Give state_spec one entry for each field.",
    )
    _check_state(cell, zero_state(cell), "initial_state")
    _, after = cell.step(first_step(cell, inputs()), zero_state(cell), identity_norm)
    _check_state(cell, after, "step")


def _check_state(cell: Cell, state: Any, source: str) -> None:
    require(
        isinstance(state, cell.state_type),
        expected=f"{source} to return a {cell.state_type.__name__}",
        did=f"it returned a {type(state).__name__}",
        change="Return the state as state_type, its fields in order.",
    )
    for (name, shape), part in zip(cell.state_spec.items(), state, strict=True):
        got = list(part.shape) if isinstance(part, Tensor) else type(part).__name__
        require(
            got == [LANES, *shape],
            expected=f"'{name}' of {source}'s state to be [B, …] = {[LANES, *shape]}",
            did=f"it is {got}",
            change="Correct state_spec, or the shape that is returned.",
        )


def initial_state_is_zeros(build: BuildCell) -> None:
    """The initial state is zeros, of the type asked for; other starts belong to the state policy."""
    cell = made(build)
    for dtype in (torch.float32, torch.float64):
        for name, part in zip(cell.state_spec, zero_state(cell, dtype=dtype), strict=True):
            require(
                bool((part == 0).all()) and part.dtype == dtype,
                expected=f"'{name}' of initial_state to be zeros of {dtype}",
                did=f"it holds {part.flatten()[:3].tolist()} of {part.dtype}",
                change="Leave initial_state as the base class has it; a start other than zeros is a "
                "state policy's.",
            )


def step_keeps_shapes(build: BuildCell) -> None:
    """The output is ``[B, output_size]``."""
    cell = made(build)
    output, _ = cell.step(first_step(cell, inputs()), used_state(cell), identity_norm)
    expected = [LANES, cell.output_size]
    got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
    require(
        got == expected,
        expected=f"step's output to be [B, output_size] = {expected}",
        did=f"it is {got}",
        change="Return [B, H], or override output_size.",
    )


def dtype_is_kept(build: BuildCell) -> None:
    """float32 in, float32 out; float64 in, float64 out."""
    for dtype in (torch.float32, torch.float64):
        cell = made(build, dtype)
        change = "Make constants with zeros_like, new_tensor or a plain float, not of a fixed type."
        with must_work(f"a cell of {dtype} to run on {dtype}", change):
            outputs, state = step_loop(cell, inputs(dtype=dtype))
        for name, tensor in (("output", outputs), *zip(cell.state_spec, state, strict=True)):
            require(
                tensor.dtype == dtype,
                expected=f"'{name}' to stay {dtype}",
                did=f"it became {tensor.dtype}",
                change=change,
            )


def smallest_window_works(build: BuildCell) -> None:
    """One step of one lane is a window too, and equals the same lane among others."""
    cell = made(build)
    x = inputs()
    change = "Name dimensions when squeezing, and never treat T=1 or B=1 as something else."
    with must_work("one step of one lane to run", change):
        alone, _ = run(cell, x[:1, :1])
    among, _ = run(cell, x)
    require(
        alone.shape == among[:1, :1].shape and torch.allclose(alone, among[:1, :1], 0, 1e-10),
        expected="one step of one lane to give what it gives in a larger window",
        did=f"it gave shape {list(alone.shape)} and {alone.flatten()[:3].tolist()}, not "
        f"{among[0, 0, :3].tolist()}",
        change=change,
    )
