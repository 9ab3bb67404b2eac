"""The way that ``--unroll auto`` takes for a cell, against the eager loop, number by number."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from memcell.recurrent.normalizer import Normalizer
from memcell.recurrent.state import State, leaves, map_state
from memcell.testing.cells.made import BuildCell, made
from memcell.testing.failure import line_of, require
from memcell.testing.numbers import noise, seeded
from memcell.testing.trace_norm import TraceNorm
from memcell.unroll import Layer, WindowMarks, ways
from memcell.unroll.native.unsupported import Unsupported

#: Of the largest number of a tensor (float64): generated code adds up in another order.
LIMIT = 1e-10
#: A gradient that is zero but for rounding is judged by the others: it has no size of its own.
_FLOOR = 1e-5

Numbers = dict[str, Tensor | None]


class Run(Protocol):
    """Runs a window in a way, as `memcell.unroll.ways.run` does."""

    def __call__(
        self,
        way: str,
        layer: Layer,
        x: Tensor,
        state: State,
        fresh: State,
        marks: WindowMarks,
        keep: Collection[int],
        gather: bool,
    ) -> tuple[Tensor, dict[int, State]]:
        """Return outputs and the states that are wanted."""


class _Window(NamedTuple):
    steps: int
    lanes: int
    marked: bool
    training: bool

    @property
    def words(self) -> str:
        kind = "training" if self.training else "inference"
        marks = ", restarts and padding" if self.marked else ""
        return f"{kind}, T={self.steps} B={self.lanes}{marks}"

    def marks(self) -> WindowMarks:
        restarts = torch.zeros(self.steps, self.lanes, dtype=torch.bool)
        valid = torch.ones_like(restarts)
        if self.marked:
            restarts[0, 0] = restarts[2, 1] = restarts[4, 1:3] = True
            valid[3:5, 3] = valid[6:, 1] = valid[1:, 4] = False
        return WindowMarks.of(restarts, valid, torch.arange(self.lanes) % 3)


#: Few lanes, more than one block of rows, one step of one lane; and a window that nothing cuts.
_WINDOWS = (
    _Window(8, 5, marked=True, training=True),
    _Window(8, 5, marked=True, training=False),
    _Window(9, 37, marked=True, training=True),
    _Window(8, 5, marked=False, training=True),
    _Window(1, 1, marked=False, training=True),
)


def chosen_way_equals_eager(build: BuildCell, run: Run = ways.run) -> None:
    """What ``--unroll auto`` takes on a CPU gives the eager loop's numbers to 1e-10 (float64).

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
        self.learned: dict[str, dict[str, Tensor]] = {}

    def __missing__(self, way: str) -> Layer:
        layer = self[way] = Layer(made(self.build), self.normalizer, "eager").double()
        # those of an optimizer: a run that puts others into their place is found out
        self.learned[way] = {n: p for n, p in layer.named_parameters() if p.requires_grad}
        return layer

    @property
    def words(self) -> str:
        return "the cell and the kit's normalizer" if self.normalizer else "the cell"


def _compare(layers: _Layers, window: _Window, run: Run) -> None:
    wanted = _numbers("eager", layers, window, run)
    way, got = _first_that_runs(layers, window, run)
    name, error = _worst(wanted, wanted if way == "eager" else got)
    require(
        error <= LIMIT,
        expected=f"{layers.words} {ways.NAMES[way]} to give what the eager loop gives, within a "
        f"relative {LIMIT:g} (float64)",
        did=f"'{name}' differs by {error:.2g} ({window.words})",
        change="Use --unroll eager with this cell. Where step and project take all they need from their "
        "arguments, parameters and buffers, and do the same for every window, it is memcell's fault: "
        "report it with this message.",
    )


def _first_that_runs(layers: _Layers, window: _Window, run: Run) -> tuple[str, Numbers]:
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


def _numbers(way: str, layers: _Layers, window: _Window, run: Run) -> Numbers:
    """Return all that a window gives, by name."""
    layer = layers[way]
    layer.train(window.training)
    x = noise(window.steps, window.lanes, layer.cell.input_size, seed=11)
    zero = layer.cell.initial_state(window.lanes, dtype=x.dtype)
    state, fresh = (
        map_state(lambda part, seed=seed: 0.3 * noise(*part.shape, seed=seed), zero)
        for seed in (12, 13)
    )
    given = {"x": x, **_named("the first state", state), **_named("a restart's state", fresh)}
    for tensor in given.values():
        tensor.requires_grad_()  # at inference too: nothing is then traced a second time
    keep = sorted({window.steps // 2, window.steps})
    with seeded(), torch.set_grad_enabled(window.training):
        arguments = (x, state, fresh, window.marks(), keep, window.training)
        outputs, states = run(way, layer, *arguments)
    found: Numbers = {"outputs": outputs}
    for step in keep:
        found.update(_named(f"the state after step {step}", states[step]))
    if window.training:
        found.update(_gradients(found, {**given, **layers.learned[way]}))
    for name, buffer in layer.named_buffers():  # masks too: bools have no difference
        found[name] = buffer.clone() if buffer.is_complex() else buffer.to(torch.float64, copy=True)
    return {name: None if t is None else t.detach() for name, t in found.items()}


def _named(what: str, state: State) -> dict[str, Tensor]:
    return {f"{what}, part {i}": part for i, part in enumerate(leaves(state))}


def _gradients(found: Numbers, wanted: dict[str, Tensor]) -> Numbers:
    """Return the gradients of a loss in which every number counts differently."""
    parts = [t for t in found.values() if t is not None and t.requires_grad]
    if not parts:
        return {}
    losses = [(part * noise(*part.shape, seed=20 + i)).sum() for i, part in enumerate(parts)]
    gradients = torch.autograd.grad(
        torch.stack(losses).sum(), list(wanted.values()), allow_unused=True
    )
    return {f"the gradient of {n}": g for n, g in zip(wanted, gradients, strict=True)}


def _size(tensor: Tensor) -> float:
    return float(tensor.abs().max()) if tensor.numel() else 0.0


def _worst(wanted: Numbers, got: Numbers) -> tuple[str, float]:
    """Return what differs most, and by how much of its largest number; infinite where one has a NaN."""
    largest = max((_size(t) for t in wanted.values() if t is not None), default=0.0)
    worst = ("outputs", 0.0)
    for name, a in wanted.items():
        b = got.get(name)
        if a is None and b is None:
            continue
        a, b = (torch.zeros_like(u) if t is None else t for t, u in ((a, b), (b, a)))  # type: ignore[arg-type]
        gap = _size(a - b) if a.shape == b.shape else float("inf")
        error = gap / max(_size(a), _FLOOR * largest, 1e-300)
        if not error <= worst[1]:
            worst = (name, error if error == error else float("inf"))
    return worst
