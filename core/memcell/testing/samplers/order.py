"""An epoch's order: valid, complete and continuing as declared, also for small tables."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from memcell.plugins.specs import SamplerSpec
from memcell.sequences.sampler import EMPTY
from memcell.sequences.windows import WindowTable
from memcell.testing.failure import CheckFailed, must_work, require
from memcell.testing.samplers.made import (
    TIME_STEPS,
    BuildSampler,
    epoch_rng,
    made,
    ordered,
    table,
    tables,
)


def rows_are_windows(build: BuildSampler, spec: SamplerSpec) -> None:
    """The order is ``[n_batches, B]`` of rows or -1, and no batch is empty."""
    for name, (windows, lanes) in tables().items():
        for epoch in (0, 1):
            order = ordered(made(build), windows, lanes, epoch)
            empty = np.flatnonzero((order == EMPTY).all(axis=1))
            require(
                len(order) > 0 and not len(empty),
                expected=f"at least one window in every batch ({name})",
                did=f"{len(order)} batches, of which {empty[:5].tolist()} hold none",
                change="Leave out batches that hold -1 only.",
            )


def covers_as_declared(build: BuildSampler, spec: SamplerSpec) -> None:
    """With ``covers_once`` every window appears exactly once an epoch."""
    if not spec.covers_once:
        return
    for name, (windows, lanes) in tables().items():
        for epoch in (0, 1):
            _covers(ordered(made(build), windows, lanes, epoch), windows, f"{name}, epoch {epoch}")


def _covers(order: NDArray[np.int64], windows: WindowTable, name: str) -> None:
    counts = np.bincount(order[order >= 0], minlength=len(windows))
    missing, double = np.flatnonzero(counts == 0), np.flatnonzero(counts > 1)
    require(
        not len(missing) and not len(double),
        expected=f"every window once an epoch, as covers_once declares ({name})",
        did=f"windows {missing[:5].tolist()} are missing and {double[:5].tolist()} come twice",
        change="Correct the order, or declare covers_once=False.",
    )


def preserves_streams_as_declared(build: BuildSampler, spec: SamplerSpec) -> None:
    """With ``preserves_streams`` a lane leaves a sequence only at its end, or to end itself.

    The criterion: where row i of batch k holds a window that has a successor (the window of its
    sequence that begins where it ends), row i of batch k+1 holds that successor, or the lane is empty
    from there to the epoch's end. So a line of windows may be cut into lanes, and nothing else.
    """
    if not spec.preserves_streams:
        return
    for name, (windows, lanes) in tables().items():
        for epoch in (0, 1):
            order = ordered(made(build), windows, lanes, epoch)
            begins = {
                (int(s), int(start)): row
                for row, (s, start) in enumerate(zip(windows.sequence, windows.start, strict=True))
            }
            for lane in range(lanes):
                _lane_continues(order[:, lane], windows, begins, f"lane {lane}, {name}")


def _lane_continues(
    rows: NDArray[np.int64],
    windows: WindowTable,
    begins: dict[tuple[int, int], int],
    name: str,
) -> None:
    for k, row in enumerate(rows[:-1].tolist()):
        if row == EMPTY:
            continue
        end = int(windows.start[row] + windows.length[row])
        successor = begins.get((int(windows.sequence[row]), end))
        over = bool((rows[k + 1 :] == EMPTY).all())
        require(
            successor is None or rows[k + 1] == successor or over,
            expected=f"window {row} to be followed by {successor}, which continues it ({name})",
            did=f"batch {k + 1} holds {rows[k + 1]} there",
            change="Let a lane run through a sequence to its end, or declare preserves_streams=False.",
        )


def grid_is_as_declared(build: BuildSampler, spec: SamplerSpec) -> None:
    """With ``fixed_grid`` the phase is always 0; else it is 0 to T - 1."""
    sampler = made(build)
    phases = [sampler.phase(epoch, TIME_STEPS, epoch_rng(epoch)) for epoch in range(20)]
    highest = 0 if spec.fixed_grid else TIME_STEPS - 1
    wrong = [
        p for p in phases if isinstance(p, bool) or not isinstance(p, int) or not 0 <= p <= highest
    ]
    require(
        not wrong,
        expected=f"phases 0 to {highest} (fixed_grid={spec.fixed_grid}, T={TIME_STEPS})",
        did=f"phase returned {wrong[:5]}",
        change="Declare fixed_grid=False, or in the config's capabilities() where an option moves it.",
    )
    if not spec.fixed_grid:
        moved = table((41, 17, 30), phase=max(phases))
        order = ordered(sampler, moved, 2)
        if spec.covers_once:
            _covers(order, moved, "moved grid")


def small_tables_work(build: BuildSampler, spec: SamplerSpec) -> None:
    """Fewer windows than lanes, and a single window, make an epoch too."""
    small = {"fewer windows than lanes": (table((9, 3)), 16), "one window": (table((3,)), 4)}
    for name, (windows, lanes) in small.items():
        change = "Fill lanes without a window with -1."
        with must_work(f"a table of {len(windows)} windows to be ordered ({name})", change):
            order = ordered(made(build), windows, lanes)
        held = int((order >= 0).sum())
        if spec.covers_once:
            _covers(order, windows, name)
        require(
            held > 0,
            expected=f"an epoch with at least one window ({name})",
            did="there is none",
            change=change,
        )


def table_is_left_alone(build: BuildSampler, spec: SamplerSpec) -> None:
    """`order` writes to nothing of the table."""
    for name, (windows, lanes) in tables().items():
        before = copy.deepcopy(windows)
        ordered(made(build), windows, lanes)
        changed = [
            field
            for field, value in vars(before).items()
            if isinstance(value, np.ndarray) and not np.array_equal(value, getattr(windows, field))
        ]
        if changed:
            raise CheckFailed(
                f"the table to stay as it is ({name})",
                f"order wrote to {', '.join(changed)}",
                "Sort and shuffle copies: rng.permutation(len(windows)), not rng.shuffle(table column).",
            )
