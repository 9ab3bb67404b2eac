"""A cell with its normalizers, compiled for one way to be called; and the search for it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.purity import known_fingerprint
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.state import leaves
from memcell_compiler.build.kernels import begin_kernels, kernels
from memcell_compiler.build.tables import Kernels
from memcell_compiler.build.target import Target, chosen
from memcell_compiler.build.unit import begin_program, program_unit
from memcell_compiler.emit.layout import ArrayLayout, Written
from memcell_compiler.runtime.runner import INPUT_ROWS, SUM_ROWS, Runner
from memcell_compiler.runtime.stored_plan import load_plan, store_plan, stored_key
from memcell_compiler.trace.inputs import GradientRequest, Inputs
from memcell_compiler.trace.step import Step


class NativePlan:
    """Programs, compiled when they are first run.

    Args:
        layout: What their arrays are.
        written: The programs in C, by name.
        dtype: Of all numbers.
        target: The instruction set.
        products: What is multiplied: ``dtype`` or bfloat16.
    """

    def __init__(
        self,
        layout: ArrayLayout,
        written: Mapping[str, Written],
        dtype: torch.dtype,
        target: Target,
        products: torch.dtype,
    ) -> None:
        self.layout, self.written = layout, written
        self.dtype, self.target, self.products = dtype, target, products

    @functools.cached_property
    def forward(self) -> Runner:
        """The forward loop that saves. The backward loop is compiled beside it.

        Raises:
            Unsupported: Either cannot be had: said now, for in backward nothing else can run instead.
        """
        begin_program((self.written["backward"].source,), self.dtype, self.target)
        runner = self._runner("forward", INPUT_ROWS)
        _ = self.backward
        return runner

    @functools.cached_property
    def backward(self) -> Runner:
        """The backward loop."""
        return self._runner("backward", SUM_ROWS)

    @functools.cached_property
    def inference(self) -> Runner:
        """The forward loop that saves nothing."""
        return self._runner("inference", INPUT_ROWS)

    def _runner(self, name: str, rows: int) -> Runner:
        written = self.written[name]
        unit = program_unit((written.source,), self.dtype, self.target)
        return Runner(unit, name, written, self.kernels, self.dtype, rows)

    @property
    def kernels(self) -> Kernels:
        """The matrix kernels that its programs are run with."""
        return kernels(self.dtype, self.target, self.products)


#: Plans that are kept of one cell with its normalizers, the last ones: a setting that changes from window to
#: window makes one each time.
KEPT = 32
#: Plans of each cell with its normalizers, for as long as they live; a reason where there is none.
_Known = WeakKeyDictionary[SiteNorms, dict[Any, "NativePlan | Unsupported"]]
_plans: WeakKeyDictionary[Cell, _Known] = WeakKeyDictionary()
#: Whose person was told of an attribute that changes from window to window.
_warned: WeakSet[SiteNorms] = WeakSet()


def find_plan(
    cell: Cell,
    norms: SiteNorms,
    windows: dict[str, NormWindow],
    inputs: Inputs,
    state: Any,
    request: GradientRequest,
    made_of: object,
    products: torch.dtype,
) -> NativePlan:
    """Return the plan for a call, made where it is the first of its kind.

    Args:
        cell: The cell.
        norms: Its normalizers.
        windows: Theirs.
        inputs: Of the steps.
        state: Before the first step.
        request: Which gradients.
        made_of: The cell's `fingerprint`.
        products: What is multiplied: the type of all numbers, or bfloat16. What is written is the same.

    Raises:
        Unsupported: There can be none.
    """
    target = chosen()
    parts = list(leaves(state))
    lanes = parts[0].shape[0]
    call = (
        target,
        tuple(
            (site, window.mode, tuple(_kind(i, lanes) for i in window.inputs))
            for site, window in windows.items()
        ),
        inputs.projects,
        inputs.single,
        tuple(t.shape[2:] for t in inputs.tensors),
        tuple(t.shape[1:] for t in parts),
        parts[0].dtype,
    )
    key = (call, request, made_of, known_fingerprint(norms), products)
    known = _plans.setdefault(cell, WeakKeyDictionary()).setdefault(norms, {})
    if key not in known:
        begin_kernels(parts[0].dtype, target, products)  # while it is traced
        try:
            layout, written = _planned(cell, norms, windows, inputs, state, request, call)
            known[key] = NativePlan(layout, written, parts[0].dtype, target, products)
        except Unsupported as e:
            known[key] = type(e)(str(e))  # without what it was raised from
        if len(known) > KEPT:
            del known[next(iter(known))]
            _warn_of_change(cell, norms, list(known)[-2], key)
    found = known[key]
    if isinstance(found, Unsupported):
        raise type(found)(str(found))
    return found


def _warn_of_change(cell: Cell, norms: SiteNorms, before: Any, now: Any) -> None:
    """Say once which attribute makes a plan for every window, where that is what does."""
    if norms in _warned:
        return
    _warned.add(norms)
    for owner, old, new in ((cell, before[2], now[2]), (norms, before[3], now[3])):
        if len(old) != len(new):
            continue
        for was, known in zip(old, new, strict=True):
            if was != known and isinstance(known, tuple) and isinstance(known[0], str):
                kinds = sorted({type(m).__name__ for m in owner.modules() if known[0] in vars(m)})
                warnings.warn(
                    f"the attribute '{known[0]}' of {' and '.join(kinds) or type(owner).__name__} changes "
                    f"from window to window ({was[-1]!r}, then {known[-1]!r}), so the step is traced anew "
                    "each time, which takes far longer than running it: keep a number that changes in a "
                    "buffer (register_buffer)",
                    stacklevel=2,
                )
                return


def _planned(
    cell: Cell,
    norms: SiteNorms,
    windows: dict[str, NormWindow],
    inputs: Inputs,
    state: Any,
    request: GradientRequest,
    call: object,
) -> tuple[ArrayLayout, dict[str, Written]]:
    """Find a plan on disk, or trace the step and leave it there."""
    call = (call, sorted(request.parameters), request.inputs)
    modes = {site: window.mode for site, window in windows.items()}
    key = stored_key(call, (Step.forward, cell, norms, modes, *_types(state)))
    found = None if key is None else load_plan(key)
    if found is not None:
        return found
    # not at the top: where a plan is found, nothing of what traces and writes one is loaded
    from memcell_compiler.runtime.programs import trace_programs, written_programs

    programs = trace_programs(cell, norms, windows, inputs, state, request)
    written = written_programs(programs)
    if key is not None:
        store_plan(key, programs.layout, written)
    return programs.layout, written


def _types(state: Any) -> list[type]:
    """Return the types of a state and its parts."""
    if isinstance(state, Tensor):
        return []
    return [type(state), *(t for part in state for t in _types(part))]


def _kind(tensor: Tensor, batch: int) -> tuple[Any, ...]:
    return (tensor.dtype, tuple(None if s == batch else s for s in tensor.shape[1:]))
