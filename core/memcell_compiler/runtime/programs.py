"""From a cell with its normalizers to programs in C: traced, lowered, written and verified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported, explained
from memcell.recurrent.state import leaves
from memcell_compiler.emit.emit import write
from memcell_compiler.emit.layout import ArrayLayout, Written
from memcell_compiler.ir.program import Program
from memcell_compiler.passes.lanes import LaneNumbers
from memcell_compiler.runtime.construct import Programs, construct
from memcell_compiler.runtime.stored_plan import PROGRAMS
from memcell_compiler.trace.inputs import GradientRequest, Inputs
from memcell_compiler.trace.step import Step
from memcell_compiler.trace.trace import trace, unused_lanes
from memcell_compiler.verify import Unverified, verify


def written_programs(programs: Programs) -> dict[str, Written]:
    """Write a step's programs and verify them.

    Raises:
        Unverified: What was written is not what was meant.
    """
    return {name: _written(getattr(programs, name), programs.layout) for name in PROGRAMS}


def trace_programs(
    cell: Cell,
    norms: SiteNorms,
    windows: dict[str, NormWindow],
    inputs: Inputs,
    state: Any,
    request: GradientRequest,
) -> Programs:
    """Trace a step and split it into programs.

    Raises:
        Unsupported: It cannot be expressed.
    """
    modes = {site: window.mode for site, window in windows.items()}
    step = Step(cell, norms, modes, state, inputs.projects, inputs.single)
    parts = list(leaves(state))
    sizes = {s for t in (*step.parameters(), *step.buffers(), *parts) for s in t.shape}
    sizes |= {s for t in inputs.tensors for s in t.shape[2:]}
    batch = parts[0].shape[0]
    sizes.discard(batch)
    sizes |= {s for t in parts for s in t.shape[1:]}
    lanes = unused_lanes(sizes)
    other = unused_lanes(sizes | {lanes})

    def traced(count: int) -> Any:
        norm = [[_example(i, batch, count) for i in w.inputs] for w in windows.values()]
        return trace(
            step,
            [t.new_zeros(count, *t.shape[2:]) for t in inputs.tensors],
            norm,
            [t.new_zeros(count, *t.shape[1:]) for t in parts],
        )

    with torch.random.fork_rng(devices=[]), torch.inference_mode(False):
        first, second = traced(lanes), traced(other)
    try:
        with _faults_of("its step could not be lowered"):
            numbers = LaneNumbers(first.graph, lanes, second.graph, other)
            return construct(first, numbers, request, step.statistics_count)
    except Unsupported as refused:
        raise explained(refused) from refused


def _written(program: Program, layout: ArrayLayout) -> Written:
    """Write a program and verify it."""
    with _faults_of(f"its {program.name} loop could not be written"):
        written = write(program)
    verify(program, written.source, written.arrays, written.mixes, layout.output_state)
    return written


@contextmanager
def _faults_of(what: str) -> Iterator[None]:
    """Say a fault of this program as a reason against generated C, so that the cell runs another way."""
    try:
        yield
    except (AssertionError, LookupError, TypeError, ValueError, AttributeError) as e:
        fault = f"{type(e).__name__} {str(e)[:80]}".strip()
        raise Unverified(f"{what} ({fault}); please report it") from e


def _example(tensor: Tensor, batch: int, lanes: int) -> Tensor:
    shape: Sequence[int] = [lanes if s == batch else s for s in tensor.shape[1:]]
    return tensor.new_zeros(shape)
