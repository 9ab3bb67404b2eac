"""torch.compile as a person applies it to a cell: the step compiled, the loop in Python."""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms, SiteStatistics, StepNorm
from memcell.recurrent.state import State, where
from memcell.recurrent.window_call import WindowCall, WindowOutput

_numbers = itertools.count()


class CompiledStep:
    """Runs windows by a compiled step; each instance compiles for itself."""

    def __init__(self) -> None:
        self._compiled: dict[bool, Callable[..., Any]] = {}

    def __call__(self, call: WindowCall) -> WindowOutput:
        """Run a window."""
        cell, norms, masks, state = call.cell, call.norms, call.masks, call.state
        projected = cell.project(call.x)
        single = isinstance(projected, Tensor)
        parts = (projected,) if isinstance(projected, Tensor) else projected
        windows = call.norm_windows()
        modes = tuple((site, window.mode) for site, window in windows.items())
        inputs = [[i.unbind(0) for i in window.inputs] for window in windows.values()]
        step = self._compiled.setdefault(call.update_statistics, _compile_alone())
        outputs, states = [], {0: state} if 0 in call.return_steps else {}
        statistics = list[SiteStatistics]()
        for t, p in enumerate(zip(*(part.unbind(0) for part in parts), strict=True)):
            if masks.any_reset[t]:
                state = where(masks.resets[t], call.initial_state, state)
            now = tuple(tuple(i[t] for i in site) for site in inputs)
            output, after, found = step(cell, norms, modes, p[0] if single else p, state, now)
            state = after if masks.all_valid[t] else where(masks.valid[t], after, state)
            outputs.append(output)
            statistics.append(found)
            if t + 1 in call.return_steps:
                states[t + 1] = state
        if call.update_statistics:
            norms.accumulate(windows, statistics)
        return WindowOutput(torch.stack(outputs), states)


def _step(
    cell: Cell,
    norms: SiteNorms,
    modes: tuple[tuple[str, str], ...],
    p: Any,
    state: State,
    inputs: tuple[tuple[Tensor, ...], ...],
) -> tuple[Tensor, State, SiteStatistics]:
    # StepNorm takes element t of each input: a tensor with a first dimension of 1 is a window of one step
    windows = {
        site: NormWindow(mode, tuple(i.unsqueeze(0) for i in now))
        for (site, mode), now in zip(modes, inputs, strict=True)
    }
    norm = StepNorm(norms, windows, 0)
    output, after = cell.step(p, state, norm)
    return output, after, norm.statistics


def _compile_alone() -> Callable[..., Any]:
    # a copy of the code: the compiler's limit of compilations a function is not shared by the contenders
    code = _step.__code__.replace(co_name=f"step_{next(_numbers)}")
    return torch.compile(types.FunctionType(code, _step.__globals__), dynamic=False)
