"""`Cell.step` is a function: the same for the same arguments, and nothing else happens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.cell import identity_norm
from memcell.recurrent.state import leaves, map_state
from memcell.testing.cells.made import BuildCell, first_step, inputs, made, used_state
from memcell.testing.failure import must_work, require
from memcell.testing.numbers import distance, state_distance
from memcell.testing.purity import attributes_of, changed_attributes


def step_repeats_itself(build: BuildCell) -> None:
    """The same arguments give the same output and state every time, to the bit."""
    cell = made(build).train()
    p, state = first_step(cell, inputs()), used_state(cell)
    output, after = cell.step(p, state, identity_norm)
    gap = 0.0
    # Several times: a mask that drops little is now and then drawn twice alike.
    for _ in range(8):
        again, after_again = cell.step(p, state, identity_norm)
        gap = max(gap, distance(output, again), state_distance(after, after_again))
    require(
        gap == 0,
        expected="step to give the same for the same arguments",
        did=f"a later call differed by {gap:.3g}",
        change="Keep nothing on self between steps, and draw nothing: random masks belong in project, drawn "
        "from its argument generator.",
    )


def step_changes_nothing(build: BuildCell) -> None:
    """Neither `project` nor `step` sets an attribute, a buffer or a parameter."""
    cell = made(build).train()
    before = attributes_of(cell)
    cell.step(first_step(cell, inputs()), used_state(cell), identity_norm)
    changed = changed_attributes(before, attributes_of(cell))
    require(
        not changed,
        expected="project and step to leave the cell as it is",
        did=f"they changed {', '.join(changed)}",
        change="What is to be remembered belongs in the state, which step returns.",
    )


def step_spares_its_inputs(build: BuildCell) -> None:
    """Neither x, nor what was projected, nor the state is written to."""
    cell = made(build)
    x, state = inputs(), used_state(cell)
    x_before, state_before = x.clone(), map_state(torch.clone, state)
    p = first_step(cell, x)
    p_before = _copies(p)
    cell.step(p, state, identity_norm)
    pairs = [
        ("x", distance(x, x_before)),
        ("the projected input", max(map(distance, _tensors(p), p_before), default=0.0)),
        ("the state", state_distance(state, state_before)),
    ]
    written = [name for name, gap in pairs if gap > 0]
    require(
        not written,
        expected="step not to write to its arguments",
        did=f"{' and '.join(written)} changed",
        change="Use no operation that ends in an underscore, no += on tensors and no assignment to a "
        "slice.",
    )


def step_reads_no_values(build: BuildCell) -> None:
    """`project` and `step` run on tensors without values: they follow the device and never look.

    Torch's ``meta`` device has shapes and types only. What runs there runs on a GPU without waiting for
    it, and can be traced into one generated loop.
    """
    change = (
        "Use no .item(), no if over a tensor and no numpy, and make constants with zeros_like, "
        "new_tensor or device=x.device."
    )
    cell = made(build)
    p, state = first_step(cell, inputs()), used_state(cell)
    with must_work("project and step to run on tensors without values (device 'meta')", change):
        blank = cell.to("meta")
        first_step(blank, inputs().to("meta"))
        output, _ = blank.step(_on_meta(p), _on_meta(state), identity_norm)
        require(
            output.device.type == "meta",
            expected="step's output on the device of its input",
            did=f"it is on {output.device}",
            change=change,
        )


def _on_meta(tensors: Any) -> Any:
    return map_state(lambda tensor: tensor.to("meta"), tensors)


def _tensors(p: Any) -> list[Tensor]:
    return list(leaves(p))


def _copies(p: Any) -> list[Tensor]:
    return [part.detach().clone() for part in _tensors(p)]
