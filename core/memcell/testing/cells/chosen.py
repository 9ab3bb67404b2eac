"""The way that ``--unroll auto`` takes for a cell, against the eager loop, number by number."""

from __future__ import annotations

from typing import NamedTuple

import torch

from memcell.backends import Layer, WindowMarks
from memcell.backends import choose as ways
from memcell.backends.agreement import Numbers, Run, Window, numbers, tolerance, worst
from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import Normalizer
from memcell.recurrent.state import map_state
from memcell.testing.cells.made import BuildCell, made
from memcell.testing.failure import line_of, require
from memcell.testing.numbers import noise, seeded
from memcell.testing.trace_norm import TraceNorm
from memcell_compiler.trace.unsupported import Unsupported


class _Window(NamedTuple):
    steps: int
    lanes: int
    marked: bool
    training: bool

    def marks(self) -> WindowMarks:
        restarts = torch.zeros(self.steps, self.lanes, dtype=torch.bool)
        valid = torch.ones_like(restarts)
        if self.marked:
            restarts[0, 0] = restarts[2, 1] = restarts[4, 1:3] = True
            valid[3:5, 3] = valid[6:, 1] = valid[1:, 4] = False
        return WindowMarks.of(restarts, valid, torch.arange(self.lanes) % 3)

    def of(self, cell: Cell) -> Window:
        """Return the window of a cell."""
        zero = cell.initial_state(self.lanes, dtype=torch.float64)
        state, fresh = (
            map_state(lambda part, seed=seed: 0.3 * noise(*part.shape, seed=seed), zero)
            for seed in (12, 13)
        )
        return Window(
            x=noise(self.steps, self.lanes, cell.input_size, seed=11),
            state=state,
            fresh=fresh,
            marks=self.marks(),
            keep=tuple(sorted({self.steps // 2, self.steps})),
            training=self.training,
            gather=self.training,
            masks=torch.Generator().get_state() if self.training and cell.draws else None,
        )


#: Few lanes, more than one block of rows, one step of one lane; a window that nothing cuts; a long one.
_WINDOWS = (
    _Window(8, 5, marked=True, training=True),
    _Window(8, 5, marked=True, training=False),
    _Window(9, 37, marked=True, training=True),
    _Window(8, 5, marked=False, training=True),
    _Window(1, 1, marked=False, training=True),
    _Window(75, 9, marked=True, training=True),
)


def chosen_way_equals_eager(build: BuildCell, run: Run = ways.run) -> None:
    """What ``--unroll auto`` takes on a CPU gives the eager loop's numbers to rounding (float64).

    Outputs, states and every gradient are compared, over windows with restarts and padding, in training
    and at inference; by itself and, where the cell has sites, with a normalizer that reduces over lanes
    and units. A cell that only the eager loop can run has nothing to be compared.

    Args:
        build: Makes the cell.
        run: Runs a window in a way.
    """
    normalizers: list[type[Normalizer] | None] = [None]
    if made(build).norm_sites:
        normalizers.append(TraceNorm)
    for normalizer in normalizers:
        layers = _Layers(build, normalizer)
        for window in _WINDOWS:
            _compare(layers, window, run)


class _Layers(dict[str, Layer]):
    """One layer a way, made when it is asked for: what a window leaves on it is there for the next."""

    def __init__(self, build: BuildCell, normalizer: type[Normalizer] | None) -> None:
        super().__init__()
        self.build, self.normalizer = build, normalizer

    def __missing__(self, way: str) -> Layer:
        layer = self[way] = Layer(made(self.build), self.normalizer, "eager").double()
        return layer

    @property
    def words(self) -> str:
        return "the cell and the kit's normalizer" if self.normalizer else "the cell"


def _compare(layers: _Layers, kind: _Window, run: Run) -> None:
    window = kind.of(layers["eager"].cell)
    wanted = _numbers("eager", layers, window, run)
    way, got = _first_that_runs(layers, window, run)
    found = worst(wanted, wanted if way == "eager" else got, window, None)
    if not found.kept:  # a cell that amplifies rounding does so on the eager loop too
        found = worst(wanted, got, window, _numbers("eager", layers, window.disturbed(), run))
    relative = tolerance(window.x.dtype, kind.steps)
    require(
        found.kept,
        expected=f"{layers.words} {ways.NAMES[way]} to give what the eager loop gives, within a "
        f"relative {relative:.0e} (float64)",
        did=f"{found.words} ({window.words})",
        change="Use --unroll eager with this cell (training does so by itself where its first window "
        "shows it). Where step and project take all they need from their arguments, parameters and "
        "buffers, and do the same for every window, it is memcell's fault: report it with this message.",
    )


def _first_that_runs(layers: _Layers, window: Window, run: Run) -> tuple[str, Numbers]:
    """Return the way that ``auto`` takes, and what it gave."""
    for way in ways.candidates("auto", "cpu"):
        if way == "eager":
            break
        try:
            return way, _numbers(way, layers, window, run)
        except Unsupported:
            continue
        except Exception as error:  # whatever comes: the eager loop has run it
            problem = line_of(error)
        require(
            False,
            expected=f"{layers.words} to run {ways.NAMES[way]}, or to be refused with a reason",
            did=f"it raised {problem} ({window.words})",
            change="Use --unroll eager with this cell, and report this message.",
        )
    return "eager", {}


def _numbers(way: str, layers: _Layers, window: Window, run: Run) -> Numbers:
    with seeded():
        return numbers(way, layers[way], window, run)
