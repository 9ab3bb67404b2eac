"""Gradients of a cell: right, finite, reaching every parameter, and none through a carried state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from memcell.recurrent.cell import Cell, identity_norm, projected
from memcell.recurrent.state import State, detach, leaves, rebuild
from memcell.testing.cells.made import BuildCell, inputs, made, run, used_state
from memcell.testing.failure import line_of, require
from memcell.testing.numbers import noise, seeded

#: Larger than any feature should be; exp of it is infinite.
LARGE = 1e4


class _CellStep(nn.Module):
    """Project and step as one module, for `torch.func.functional_call`."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, ...]:
        found = projected(self.cell, x.unsqueeze(0))
        single = isinstance(found, Tensor)
        p: Any = found[0] if single else tuple(part[0] for part in found)
        output, after = self.cell.step(p, state, identity_norm)
        return output, *leaves(after)


def gradients_are_right(build: BuildCell) -> None:
    """The gradient of a step agrees with finite differences, for x, the state and every parameter.

    A cell that truncates its gradient on purpose (lstm97 with ``truncate``) leaves this check out.
    """
    cell = made(build)
    state = used_state(cell, lanes=2)
    names = [name for name, _ in cell.named_parameters()]
    step = _CellStep(cell)

    def function(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        parameters, parts = rest[: len(names)], rest[len(names) :]
        chosen = {f"cell.{n}": p for n, p in zip(names, parameters, strict=True)}
        out = torch.func.functional_call(step, chosen, (x, rebuild(state, iter(parts))))
        return tuple(part for part in out if part.requires_grad)

    given = [noise(2, cell.input_size, seed=3), *cell.parameters(), *leaves(state)]
    # gradcheck answers for the tensors that it is given: fresh ones, or the cell's own would be moved
    inputs = [t.detach().clone().requires_grad_() for t in given]
    problem = ""
    with seeded():
        try:
            torch.autograd.gradcheck(function, inputs, fast_mode=True)
        except Exception as error:  # gradcheck raises of many types, and so may the cell
            problem = line_of(error)
    require(
        not problem,
        expected="the gradient of project and step to agree with finite differences (float64)",
        did=f"torch.autograd.gradcheck said: {problem}",
        change="Look for detach(), .data, rounding, or a backward of your own inside the step.",
    )


def carried_state_has_no_gradient(build: BuildCell) -> None:
    """Once the carried state is detached, a window's gradient cannot reach the window before."""
    cell = made(build)
    before = inputs().requires_grad_()
    _, carried = run(cell, before)
    outputs, _ = run(cell, inputs().flip(0), detach(carried))
    (gradient,) = torch.autograd.grad(outputs.sum(), before, allow_unused=True)
    require(
        gradient is None,
        expected="no gradient from a window into the window before it",
        did="x of the window before has one: the cell carries something beside its state",
        change="Keep nothing on self between steps; all memory belongs in the state.",
    )


def every_parameter_learns(build: BuildCell) -> None:
    """Every parameter that wants a gradient gets one, and not of zeros alone."""
    cell = made(build)
    outputs, state = run(cell, inputs())
    loss = (outputs * noise(*outputs.shape, seed=5)).sum()
    for part in leaves(state):
        loss = loss + (part * noise(*part.shape, seed=6)).sum()
    named = [(name, p) for name, p in cell.named_parameters() if p.requires_grad]
    gradients: tuple[Tensor | None, ...] = ()
    if named and loss.requires_grad:
        gradients = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    got = dict(zip((name for name, _ in named), gradients, strict=False))
    without = [n for n, _ in named if (g := got.get(n)) is None or not bool((g != 0).any())]
    require(
        not without,
        expected="every parameter to get a gradient",
        did=f"{', '.join(without)} got none, or zeros",
        change="Use the parameter in project or step, remove it, or set requires_grad to False.",
    )


def extremes_stay_finite(build: BuildCell) -> None:
    """Inputs of ten thousand, float32, give finite outputs, states and gradients."""
    cell = made(build, torch.float32)
    for sign, name in ((LARGE, "large"), (-LARGE, "large negative"), (0.0, "zero")):
        x = (inputs(dtype=torch.float32).abs() * sign).requires_grad_()
        outputs, state = run(cell, x)
        with_gradient = [p for p in (x, *cell.parameters()) if p.requires_grad]
        gradients: Iterator[Tensor | None] = iter(())
        if outputs.requires_grad:
            gradients = iter(torch.autograd.grad(outputs.sum(), with_gradient, allow_unused=True))
        found = {
            "outputs": [outputs],
            "states": list(leaves(state)),
            "gradients": [g for g in gradients if g is not None],
        }
        broken = [
            what for what, ts in found.items() if not all(bool(t.isfinite().all()) for t in ts)
        ]
        require(
            not broken,
            expected=f"finite numbers for {name} inputs",
            did=f"{' and '.join(broken)} hold inf or NaN",
            change="Bound what enters exp, log, sqrt and divisions: sigmoid and tanh do, exp does not.",
        )
