"""A cell over time: chunks, resets, padding, and lanes that must not see each other."""

from __future__ import annotations

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell, projected, torch_form_of
from memcell.recurrent.state import State, detach, map_state
from memcell.testing.cells.made import LANES, STEPS, BuildCell, inputs, made, run, step_loop
from memcell.testing.failure import require
from memcell.testing.numbers import EXACT, distance, state_distance

_PER_STEP = (
    "project must treat each step by itself, and step must know nothing but its arguments and the "
    "parameters."
)


def engine_equals_step_loop(build: BuildCell) -> None:
    """Looping over `project` and `step` by hand gives what the engine's unroll gives.

    That is torch's own kernel where the cell says that it is one of torch's, else the eager loop.
    """
    cell = made(build)
    outputs, state = run(cell, inputs(), backend="torch" if torch_form_of(cell) else "eager")
    by_hand, last = step_loop(made(build), inputs())
    gap = max(distance(outputs, by_hand), state_distance(state, last))
    require(
        gap <= 1e-10,
        expected="the engine's unroll to equal a plain loop over step",
        did=f"they differ by {gap:.3g}",
        change="Return from step all that the next step needs, in the state; if torch_form is given, "
        "it must be this very cell.",
    )


#: Lengths of windows, up to what inference takes at once and beyond; and numbers of lanes.
_LENGTHS = (1, 2, 9, 21, 33, 51, 65, 101, 129, 201, 257, 401, 513, 1025, 2048, 2100)
_MANY_LANES = 300


def project_treats_each_step_alike(build: BuildCell) -> None:
    """What `project` gives for a step depends neither on the window's length nor on the number of lanes."""
    cell = made(build)
    x = inputs(steps=_LENGTHS[-1], lanes=2)
    wide = inputs(steps=3, lanes=_MANY_LANES)
    with torch.no_grad():
        alone = _together([_tensors(cell, x[t : t + 1]) for t in range(len(x))], 0)
        for steps in _LENGTHS:
            _alike(alone, _tensors(cell, x[:steps]), f"in a window of {steps} steps")
        lanes = [_tensors(cell, wide[:, i : i + 1]) for i in range(_MANY_LANES)]
        _alike(_together(lanes, 1), _tensors(cell, wide), f"among {_MANY_LANES} lanes")


def _tensors(cell: Cell, x: Tensor) -> list[Tensor]:
    found = projected(cell, x)
    return [found] if isinstance(found, Tensor) else list(found)


def _together(found: list[list[Tensor]], dim: int) -> list[Tensor]:
    return [torch.cat(parts, dim) for parts in zip(*found, strict=True)]


def _alike(alone: list[Tensor], together: list[Tensor], where: str) -> None:
    for one, part in zip(alone, together, strict=True):
        size = float(one.abs().max()) if one.numel() else 0.0
        gap = distance(one[: len(part)], part)
        require(
            gap <= 1e-10 * max(size, 1.0),
            expected="project to give the same for a step whatever other steps and lanes are beside it",
            did=f"{where} it differs by {gap:.3g} from each step by itself",
            change="Let project treat each step of each lane by itself: no mean over time, nothing that "
            "depends on x.shape[0] or x.shape[1].",
        )


def chunks_equal_whole(build: BuildCell) -> None:
    """A window cut in two, the state carried over the cut, equals the whole window."""
    x, cut = inputs(), 3
    whole, last = run(made(build), x)
    cell = made(build)
    first, carried = run(cell, x[:cut])
    second, end = run(cell, x[cut:], detach(carried))
    gap = max(distance(whole, torch.cat([first, second])), state_distance(last, end))
    require(
        gap <= EXACT,
        expected="two chunks with carried state to equal the whole within 1e-12 (float64)",
        did=f"they differ by {gap:.3g}",
        change=f"{_PER_STEP} Put what must survive a step into the state.",
    )


def reset_touches_its_lane(build: BuildCell) -> None:
    """A reset inside a window equals starting there, and no other lane notices."""
    x, at, lane = inputs(), 4, 1
    resets = torch.zeros(STEPS, LANES, dtype=torch.bool)
    resets[at, lane] = True
    outputs, state = run(made(build), x, resets=resets)
    initial, end = run(made(build), x[at:])
    undisturbed, _ = run(made(build), x)
    others = [i for i in range(LANES) if i != lane]
    gap = max(
        distance(outputs[at:, lane], initial[:, lane]),
        state_distance(_lane(state, lane), _lane(end, lane)),
    )
    require(
        gap <= EXACT,
        expected="a lane that is reset to go on as one that starts there",
        did=f"they differ by {gap:.3g}",
        change="Keep all memory in the state: what is stored elsewhere survives a reset.",
    )
    gap = distance(outputs[:, others], undisturbed[:, others])
    require(
        gap <= EXACT,
        expected="the other lanes not to notice a lane's reset",
        did=f"they changed by {gap:.3g}",
        change="Never mix lanes (the first dimension of step's tensors).",
    )


def padding_holds_memory(build: BuildCell) -> None:
    """Steps of padding leave the lane's memory as it was, whatever stands in them."""
    x, lane = inputs(), 2
    padded = torch.tensor([3, 4, 7])
    valid = torch.ones(STEPS, LANES, dtype=torch.bool)
    valid[padded, lane] = False
    disturbed = x.clone()
    disturbed[padded, lane] = 100.0
    kept = valid[:, lane]
    outputs, state = run(made(build), disturbed, valid=valid)
    without, end = run(made(build), x[kept])
    gap = max(
        distance(outputs[kept][:, lane], without[:, lane]),
        state_distance(_lane(state, lane), _lane(end, lane)),
    )
    require(
        gap <= EXACT,
        expected="a lane with padded steps to end as one that never had these steps",
        did=f"they differ by {gap:.3g}",
        change=_PER_STEP,
    )


def lanes_do_not_meet(build: BuildCell) -> None:
    """What a lane gives does not depend on its batch mates."""
    x = inputs()
    disturbed = x.clone()
    disturbed[:, 1:] = disturbed[:, 1:].flip(0) * 3.0 + 1.0
    with_some, _ = run(made(build), x)
    with_others, _ = run(made(build), disturbed)
    alone, _ = run(made(build), x[:, :1])
    mates = distance(with_some[:, 0], with_others[:, 0])
    # a matrix product of one row may round otherwise than the same row among many
    gap = max(mates if mates > EXACT else 0.0, distance(with_some[:, :1], alone) - 1e-10)
    require(
        gap <= 0,
        expected="a lane's outputs not to depend on the other lanes",
        did=f"they changed by {gap:.3g} when the others' inputs did, or when it was alone",
        change="Reduce over the last dimension only; statistics over lanes are a normalizer's.",
    )


def _lane(state: State, lane: int) -> State:
    return map_state(lambda part: part[lane], state)
