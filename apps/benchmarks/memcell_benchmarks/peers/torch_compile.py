"""torch.compile as a person applies it to a cell: the step compiled, the loop in Python."""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from memcell.backends import WindowMarks
from memcell.backends.norms import Gathered, SiteNorms, StepNorm
from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.state import State, where

_numbers = itertools.count()


class CompiledStep:
    """Has the signature of the eager unroll; each instance compiles for itself."""

    def __init__(self) -> None:
        self._compiled: dict[bool, Callable[..., Any]] = {}

    def __call__(
        self,
        cell: Cell,
        norms: SiteNorms,
        x: Tensor,
        state: State,
        fresh: State,
        marks: WindowMarks,
        keep: Collection[int],
        gather: bool,
    ) -> tuple[Tensor, dict[int, State]]:
        """Run a cell over a window."""
        projected = cell.project(x)
        single = isinstance(projected, Tensor)
        parts = (projected,) if isinstance(projected, Tensor) else projected
        windows = norms.windows(marks, gather)
        modes = tuple((site, window.mode) for site, window in windows.items())
        inputs = [[i.unbind(0) for i in window.inputs] for window in windows.values()]
        step = self._compiled.setdefault(gather, _compile_alone())
        outputs, states, gathered = [], {0: state} if 0 in keep else {}, list[Gathered]()
        for t, p in enumerate(zip(*(part.unbind(0) for part in parts), strict=True)):
            if marks.any_restart[t]:
                state = where(marks.restarts[t], fresh, state)
            now = tuple(tuple(i[t] for i in site) for site in inputs)
            output, after, found = step(cell, norms, modes, p[0] if single else p, state, now)
            state = after if marks.all_valid[t] else where(marks.valid[t], after, state)
            outputs.append(output)
            gathered.append(found)
            if t + 1 in keep:
                states[t + 1] = state
        if gather:
            norms.fold(windows, gathered)
        return torch.stack(outputs), states


def _step(
    cell: Cell,
    norms: SiteNorms,
    modes: tuple[tuple[str, str], ...],
    p: Any,
    state: State,
    inputs: tuple[tuple[Tensor, ...], ...],
) -> tuple[Tensor, State, Gathered]:
    # StepNorm takes element t of each input: a tensor with a first dimension of 1 is a window of one step
    windows = {
        site: NormWindow(mode, tuple(i.unsqueeze(0) for i in now))
        for (site, mode), now in zip(modes, inputs, strict=True)
    }
    norm = StepNorm(norms, windows, 0)
    output, after = cell.step(p, state, norm)
    return output, after, norm.gathered


def _compile_alone() -> Callable[..., Any]:
    # a copy of the code: the compiler's limit of compilations a function is not shared by the contenders
    code = _step.__code__.replace(co_name=f"step_{next(_numbers)}")
    return torch.compile(types.FunctionType(code, _step.__globals__), dynamic=False)
