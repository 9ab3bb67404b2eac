"""Checks of a gradient mode. Each takes ``build(time_steps) -> GradientMode`` and what its spec declares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from memcell.plugins.specs import GradientModeSpec
from memcell.recurrent.cell import Cell
from memcell.sequences import WindowTable, collate
from memcell.testing.failure import must_work, require
from memcell.testing.numbers import distance, noise, seeded
from memcell.testing.policies.harness import FEATURES, HIDDEN, recordings
from memcell.testing.trace_parts import TraceCell
from memcell.training.gradients.mode import GradientMode

BuildMode = Callable[[int], GradientMode]

#: Lengths of windows that are tried: one step, a few, and more than the shortest recording has.
LENGTHS = (1, 4, 12)
LANES = 3


def every_step_counts_once(build: BuildMode, spec: GradientModeSpec) -> None:
    """In an epoch each labelled step counts once in the loss, whatever the windows."""
    sequences = recordings()
    for time_steps in LENGTHS:
        for phase in (0, 2) if spec.takes_phase and time_steps > 2 else (0,):
            table = _table(build, time_steps, phase)
            times = [np.zeros(s.n_steps, dtype=np.int64) for s in sequences]
            rows = zip(table.sequence, table.start, table.counted_from, table.length, strict=True)
            for which, start, first, length in rows:
                times[which][start + first : start + length] += 1
            wrong = next((i for i, t in enumerate(times) if not (t == 1).all()), None)
            require(
                wrong is None,
                expected=f"each step to count once in the loss, with --time-steps {time_steps}",
                did=""
                if wrong is None
                else f"in '{sequences[wrong].name}' they count {times[wrong].tolist()} times",
                change="Return from cuts a stride or lengths that reach from the first step to the last.",
            )


def windows_come_from_the_given_numbers(build: BuildMode, spec: GradientModeSpec) -> None:
    """The same random numbers give the same windows; a declared fixed grid is the same with any."""
    first, again = (_table(build, 4, 0, seed=3) for _ in range(2))
    require(
        _same(first, again),
        expected="the same windows for the same generator: a resumed run asks for an epoch again",
        did="they differ",
        change="Draw from the generator that is given and from nothing else.",
    )
    require(
        not spec.fixed_grid or _same(first, _table(build, 4, 0, seed=4)),
        expected="windows at the same steps in every epoch, as the spec declares with fixed_grid",
        did="they differ from one epoch's random numbers to another's",
        change="Declare fixed_grid=False, or draw nothing.",
    )


def batches_can_be_made(build: BuildMode, spec: GradientModeSpec) -> None:
    """Batches of its windows have positive, finite factors of the rate and of the loss."""
    sequences, mode = recordings(), build(4)
    table = _table(lambda _: mode, 4, 0)
    order = _order(table)
    mode.begin_epoch(table, order)
    ends = None
    for rows in order:
        batch = collate(sequences, table, rows, ends)
        ends = table.ends(rows)
        weight = float(batch.weight.sum())
        factors = (mode.rate(batch, lambda value: value), mode.share(max(weight, 1.0)))
        require(
            all(np.isfinite(f) and f > 0 for f in factors),
            expected="rate and share to be positive, finite factors",
            did=f"they are {factors[0]} and {factors[1]}",
            change="Return 1.0 where a batch is to count as it is.",
        )


def cell_keeps_its_values(build: BuildMode, spec: GradientModeSpec) -> None:
    """`cell` returns a cell with the same outputs and states: only gradients may be others."""
    with seeded():
        cell = TraceCell(FEATURES, HIDDEN).double()
    x, state = noise(LANES, FEATURES), cell.initial_state(LANES, dtype=noise(1).dtype)
    plain, after = cell.step(cell.project(x), state, lambda _, z: z)
    with must_work("cell to return a cell", "Return the cell that is given, or one around it."):
        wrapped = build(4).cell(cell)
    require(
        isinstance(wrapped, Cell),
        expected="cell to return a memcell.Cell",
        did=f"it returned a {type(wrapped).__name__}",
        change="Return the cell that is given, or one around it.",
    )
    other, changed = wrapped.step(wrapped.project(x), state, lambda _, z: z)
    gap = max(
        distance(plain, other), *(distance(a, b) for a, b in zip(after, changed, strict=True))
    )
    require(
        gap == 0.0,
        expected="the cell's own outputs and states, to the bit",
        did=f"they differ by up to {gap:.3g}",
        change="Change what flows back, as s.detach() + factor * (s - s.detach()) does, and no value.",
    )


def _table(build: BuildMode, time_steps: int, phase: int, seed: int = 3) -> WindowTable:
    with must_work(
        f"windows of recordings with --time-steps {time_steps}",
        "Derive from memcell.GradientMode and return stride or lengths from cuts.",
    ):
        return build(time_steps).table(recordings(), 2, None, phase, np.random.default_rng(seed))


def _order(table: WindowTable) -> NDArray[np.int64]:
    steps = -(-len(table) // LANES)
    line = np.full(steps * LANES, -1, dtype=np.int64)
    line[: len(table)] = np.arange(len(table))
    return line.reshape(LANES, steps).T.copy()


def _same(a: WindowTable, b: WindowTable) -> bool:
    pairs = ((a.start, b.start), (a.length, b.length), (a.sequence, b.sequence))
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in pairs)


GRADIENT_MODE_CHECKS: tuple[Callable[[BuildMode, GradientModeSpec], None], ...] = (
    every_step_counts_once,
    windows_come_from_the_given_numbers,
    batches_can_be_made,
    cell_keeps_its_values,
)
