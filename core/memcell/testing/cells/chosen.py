"""The backend that ``--backend auto`` takes for a cell, against the eager loop, number by number."""

from __future__ import annotations

from typing import NamedTuple

import torch

from memcell.backends import Layer, StepMasks
from memcell.backends.agreement import (
    ComparedWindow,
    Numbers,
    Run,
    numbers,
    run_on,
    tolerance,
    worst,
)
from memcell.backends.backend import Backend
from memcell.backends.choose import EAGER, candidates
from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import Normalizer
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.state import map_state
from memcell.recurrent.window_call import WindowCall
from memcell.testing.cells.made import BuildCell, made
from memcell.testing.failure import line_of, require
from memcell.testing.numbers import noise, seeded
from memcell.testing.trace_parts import TraceNorm


class _Kind(NamedTuple):
    steps: int
    lanes: int
    masked: bool
    training: bool

    def masks(self) -> StepMasks:
        resets = torch.zeros(self.steps, self.lanes, dtype=torch.bool)
        valid = torch.ones_like(resets)
        if self.masked:
            resets[0, 0] = resets[2, 1] = resets[4, 1:3] = True
            valid[3:5, 3] = valid[6:, 1] = valid[1:, 4] = False
        return StepMasks.of(resets, valid, torch.arange(self.lanes) % 3)

    def of(self, cell: Cell) -> ComparedWindow:
        """Return the window of a cell."""
        zero = cell.initial_state(self.lanes, dtype=torch.float64)
        state, initial = (
            map_state(lambda part, seed=seed: 0.3 * noise(*part.shape, seed=seed), zero)
            for seed in (12, 13)
        )
        call = WindowCall(
            cell,
            SiteNorms({}, None),
            x=noise(self.steps, self.lanes, cell.input_size, seed=11),
            state=state,
            initial_state=initial,
            masks=self.masks(),
            return_steps=tuple(sorted({self.steps // 2, self.steps})),
            update_statistics=self.training,
        )
        draws = self.training and cell.draws
        return ComparedWindow(call, self.training, torch.Generator().get_state() if draws else None)


#: Few lanes, more than one block of rows, one step of one lane; a window that nothing cuts; a long one.
_WINDOWS = (
    _Kind(8, 5, masked=True, training=True),
    _Kind(8, 5, masked=True, training=False),
    _Kind(9, 37, masked=True, training=True),
    _Kind(8, 5, masked=False, training=True),
    _Kind(1, 1, masked=False, training=True),
    _Kind(75, 9, masked=True, training=True),
)


def chosen_backend_equals_eager(build: BuildCell, run: Run = run_on) -> None:
    """What ``--backend auto`` takes on a CPU gives the eager loop's numbers to rounding (float64).

    Outputs, states and every gradient are compared, over windows with resets and padding, in training
    and at inference; by itself and, where the cell has sites, with a normalizer that reduces over lanes
    and units. A cell that only the eager loop can run has nothing to be compared.

    Args:
        build: Makes the cell.
        run: Runs a window on a backend.
    """
    normalizers: list[type[Normalizer] | None] = [None]
    if made(build).norm_sites:
        normalizers.append(TraceNorm)
    for normalizer in normalizers:
        layers = _Layers(build, normalizer)
        for window in _WINDOWS:
            _compare(layers, window, run)


class _Layers(dict[str, Layer]):
    """One layer a backend, made when it is asked for: what a window leaves on it is there for the next."""

    def __init__(self, build: BuildCell, normalizer: type[Normalizer] | None) -> None:
        super().__init__()
        self.build, self.normalizer = build, normalizer

    def __missing__(self, backend: str) -> Layer:
        layer = self[backend] = Layer(made(self.build), self.normalizer, "eager").double()
        return layer

    @property
    def words(self) -> str:
        return "the cell and the kit's normalizer" if self.normalizer else "the cell"


def _compare(layers: _Layers, kind: _Kind, run: Run) -> None:
    window = kind.of(layers["eager"].cell)
    expected = _numbers(EAGER, layers, window, run)
    backend, got = _first_that_runs(layers, window, run)
    found = worst(expected, expected if backend is EAGER else got, window, None)
    if not found.kept:  # a cell that amplifies rounding does so on the eager loop too
        found = worst(expected, got, window, _numbers(EAGER, layers, window.disturbed(), run))
    relative = tolerance(window.call.x.dtype, kind.steps)
    require(
        found.kept,
        expected=f"{layers.words} {backend.phrase} to give what the eager loop gives, within a "
        f"relative {relative:.0e} (float64)",
        did=f"{found.description} ({window.description})",
        change="Use --backend eager with this cell (training does so by itself where its first window "
        "shows it). Where step and project take all they need from their arguments, parameters and "
        "buffers, and do the same for every window, it is memcell's fault: report it with this message.",
    )


def _first_that_runs(layers: _Layers, window: ComparedWindow, run: Run) -> tuple[Backend, Numbers]:
    """Return the backend that ``auto`` takes, and what it gave."""
    for backend in candidates("auto", "cpu"):
        if backend is EAGER:
            break
        try:
            return backend, _numbers(backend, layers, window, run)
        except Unsupported:
            continue
        except Exception as error:  # whatever comes: the eager loop has run it
            problem = line_of(error)
        require(
            False,
            expected=f"{layers.words} to run {backend.phrase}, or to be refused with a reason",
            did=f"it raised {problem} ({window.description})",
            change="Use --backend eager with this cell, and report this message.",
        )
    return EAGER, {}


def _numbers(backend: Backend, layers: _Layers, window: ComparedWindow, run: Run) -> Numbers:
    with seeded():
        return numbers(backend, layers[backend.name], window, run)
