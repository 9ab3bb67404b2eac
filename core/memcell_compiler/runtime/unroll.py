"""A window through generated C: from its arguments to a plan, and back to outputs and states."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.purity import known_fingerprint
from memcell.recurrent.reference import transforming
from memcell.recurrent.refusals import Unsupported, UnsupportedWindow
from memcell.recurrent.state import State, leaves, rebuild
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import WindowCall, WindowGradient, WindowOutput
from memcell_compiler.runtime.double_backward import Again, preparing
from memcell_compiler.runtime.function import NativeCall, Unroll, run_forward
from memcell_compiler.runtime.known_plan import known_plan, remember
from memcell_compiler.runtime.norm_statistics import hand_over
from memcell_compiler.runtime.plan import NativePlan, find_plan
from memcell_compiler.runtime.products import in_own_precision, products_for, without_autocast
from memcell_compiler.runtime.pullback import Pullback
from memcell_compiler.runtime.standing import AskNorms, keep, standing
from memcell_compiler.runtime.standing_function import unroll_standing
from memcell_compiler.runtime.standing_inference import keep_inference, standing_inference
from memcell_compiler.runtime.window import NativeMasks
from memcell_compiler.trace.inputs import GradientRequest, Inputs, is_separable, projected


@dataclass(frozen=True)
class _Prepared:
    """A window that is ready to run.

    Args:
        native: The call.
        tensors: Those of ``native.names``.
        windows: What the normalizers said of the window.
        inputs: Of the steps.
        owners: The parameters by name.
    """

    native: NativeCall
    tensors: list[Tensor]
    windows: dict[str, NormWindow]
    inputs: Inputs
    owners: Mapping[str, torch.nn.Parameter]


def _prepare(call: WindowCall, products: torch.dtype, backward: bool, asked: AskNorms) -> _Prepared:
    """Find the plan of a window and gather what it is run with.

    Args:
        call: The window.
        products: What is multiplied.
        backward: Buffers are kept for the backward loop.
        asked: What its normalizers say of it.

    Raises:
        Unsupported: There is none.
    """
    cell, norms, x = call.cell, call.norms, call.x
    known = known_plan(call, products)
    if known is not None:
        owners, plan, inputs = known.owners, known.plan, Inputs((x,), True, True)
        parts = checked(owners, x, call.state, call.initial_state)
        windows: dict[str, NormWindow] = {}
    else:
        owners = named_parameters(cell, norms)
        parts = checked(owners, x, call.state, call.initial_state)
        windows = asked()
        plan, inputs = planned(
            cell, norms, owners, windows, x, call.state, call.generator, products
        )
        remember(call, products, owners, plan, inputs)
    return_steps = _from_one(call.return_steps)
    named = {f"x{i}": t for i, t in enumerate(inputs.tensors)}
    named.update({c: owners[n] for c, n in plan.layout.parameters.items()})
    named.update({f"s{i}": t for i, t in enumerate(parts)})
    for i, t in enumerate(leaves(call.initial_state)):
        named[f"s{i}_initial"] = t
    tensors = [t.contiguous() for t in named.values()]
    buffers = None
    if backward:
        buffers = {n: b.detach().clone() for n, b in _read_buffers(plan, cell, norms)}
    native = NativeCall(
        plan=plan,
        masks=NativeMasks(call.masks, return_steps),
        returned=len(return_steps),
        steps=x.shape[0],
        lanes=x.shape[1],
        threads=torch.get_num_threads(),
        names=list(named),
        fixed={
            **fixed_buffers(plan, cell, norms, owners, buffers),
            **_norm_inputs(plan, windows),
        },
        buffers=buffers or {},
    )
    return _Prepared(native, tensors, windows, inputs, owners)


def _from_one(return_steps: Collection[int]) -> list[int]:
    """Return the steps after which a state is returned, without the one before the first."""
    return sorted(step for step in return_steps if step > 0)


def unroll_native(call: WindowCall) -> WindowOutput:
    """Run a window as generated C; under torch's autocast it multiplies bfloat16 numbers, where it can.

    Raises:
        Unsupported: It cannot run natively; nothing has happened yet, and the eager loop can run it.
    """
    call = in_own_precision(call)
    return _unroll(call, products_for(call.x.dtype))


@without_autocast
def _unroll(call: WindowCall, products: torch.dtype) -> WindowOutput:
    asked = functools.cache(call.norm_windows)
    if not torch.is_grad_enabled():
        with preparing:
            ready = standing_inference(call, products, asked)
        ran = None if ready is None else ready.run(call)
        if ran is not None:
            return ran
    else:
        with preparing:
            open_window = standing(call, products, asked)
            if open_window is not None:
                return unroll_standing(open_window, call, asked())
    with preparing:
        found = _prepare(call, products, torch.is_grad_enabled(), asked)
        native, tensors = found.native, found.tensors
        grad = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
        if grad:
            window = call._replace(x=call.x.new_empty(0), return_steps=_from_one(call.return_steps))
            native.again = Again(
                call=window,
                windows=found.windows,
                projects=found.inputs.projects,
                single=found.inputs.single,
                parameters=native.plan.layout.parameters,
                buffers=native.buffers,
            )
    if grad:
        # torch writes no types for it
        output, *returned = Unroll.apply(native, *tensors)  # type: ignore[no-untyped-call]
        if found.inputs.projects:
            keep(call, native, tensors, asked)
    else:
        with torch.no_grad():
            _, output, returned = run_forward(native, tensors, None)
        if not torch.is_grad_enabled():
            keep_inference(call, native, tensors, asked)
    return _result(call, found, output, returned)


def unroll_with_gradient(call: WindowCall) -> tuple[WindowOutput, WindowGradient]:
    """Run a window as generated C and return its gradient as a function, without autograd.

    Raises:
        Unsupported: It cannot; nothing has happened yet. Also where the input is projected by torch, or a
            state has a gradient of its own.
    """
    return _unroll_with_gradient(call, products_for(call.x.dtype))


@without_autocast
def _unroll_with_gradient(
    call: WindowCall, products: torch.dtype
) -> tuple[WindowOutput, WindowGradient]:
    asked = functools.cache(call.norm_windows)
    with preparing:
        ready = standing(call, products, asked)
        if ready is not None:
            return ready.run(call, asked())
        found = _prepare(call, products, True, asked)
    states = (*leaves(call.state), *leaves(call.initial_state))
    if not found.inputs.projects or any(t.requires_grad for t in states):
        raise UnsupportedWindow("gradients that flow through more than the window")
    pullback = Pullback(found.native, found.tensors, found.owners)
    output, returned = pullback.forward()
    keep(call, found.native, found.tensors, asked)
    return _result(call, found, output, returned), pullback


def _result(
    call: WindowCall, found: _Prepared, output: Tensor, returned: Sequence[Tensor]
) -> WindowOutput:
    """Let normalizers accumulate, and return what a window gave."""
    if call.update_statistics:
        native = found.native
        hand_over(native.plan.layout, call.norms, found.windows, native.statistics)
    states = {0: call.state} if 0 in call.return_steps else {}
    return_steps = _from_one(call.return_steps)
    parts = list(leaves(call.state))
    columns = [k.unbind(0) for k in returned] if return_steps else []
    for i, step in enumerate(return_steps):
        each = (c[i].view_as(part) for c, part in zip(columns, parts, strict=True))
        states[step] = rebuild(call.state, each)
    return WindowOutput(output, states)


@without_autocast
def native_reason(cell: Cell, norms: SiteNorms) -> str | None:
    """Return why a cell with its normalizers cannot run natively here, or None where it can.

    It is traced and its programs are written (not compiled) for training and inference, with few lanes.
    """
    like = next(cell.parameters(), torch.zeros(()))
    x = torch.zeros(2, 3, cell.input_size, dtype=like.dtype)
    state = cell.initial_state(3, dtype=like.dtype)
    no = torch.zeros(2, 3, dtype=torch.bool)
    masks = StepMasks.of(no, ~no, torch.zeros(3, dtype=torch.int64))
    try:
        from memcell_compiler.build.compiler import find_compiler

        find_compiler()
        owners = named_parameters(cell, norms)
        checked(owners, x, state, state)
        for update_statistics in (True, False):
            with preparing:
                windows = norms.windows(masks, update_statistics)
                generator = torch.Generator() if update_statistics and cell.draws else None
                planned(cell, norms, owners, windows, x, state, generator)
    except Unsupported as e:
        return str(e)
    return None


def named_parameters(cell: Cell, norms: SiteNorms) -> dict[str, torch.nn.Parameter]:
    """Return the parameters by their names in a traced step."""
    return {
        **{f"cell.{n}": p for n, p in cell.named_parameters()},
        **{f"norms.{n}": p for n, p in norms.named_parameters()},
    }


def checked(
    owners: Mapping[str, Tensor], x: Tensor, state: State, initial_state: State
) -> list[Tensor]:
    """Return the parts of the state.

    Args:
        owners: The parameters, as `named_parameters` returns them.
        x: ``[T, B, I]``.
        state: Before the first step.
        initial_state: That of lanes that are reset.

    Raises:
        Unsupported: Tensors are of a kind or type that generated code does not take.
    """
    parts = list(leaves(state))
    tensors = [x, *parts, *leaves(initial_state), *owners.values()]
    dtype = x.dtype if x.dtype in (torch.float32, torch.float64) else None
    for tensor in tensors:
        if not tensor.is_cpu:
            raise UnsupportedWindow(f"tensors on {tensor.device}: generated C runs on the CPU")
        if tensor.dtype is not dtype:
            raise UnsupportedWindow(_types(owners, x, state))
        if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout != torch.strided:
            raise UnsupportedWindow(f"a tensor of type {type(tensor).__name__}")
    if not parts or any(t[0].numel() == 0 for t in parts if len(t)):
        raise UnsupportedWindow(
            "the cell has no state, or a part of it has no numbers: see its state_spec"
        )
    if x.dim() != 3 or 0 in x.shape[:2]:
        raise UnsupportedWindow(f"x of sizes {tuple(x.shape)}")
    if transforming():
        raise UnsupportedWindow("under a transform of torch.func")
    return parts


def _types(owners: Mapping[str, Tensor], x: Tensor, state: State) -> str:
    """Return what is of another type than x, in words."""
    parts = list(leaves(state))
    names = getattr(state, "_fields", ())
    named = {f"parameter {n.partition('.')[2]}": t.dtype for n, t in owners.items()}
    for i, part in enumerate(parts):
        named[f"state {names[i] if len(names) == len(parts) else i}"] = part.dtype
    kinds = sorted({str(d) for d in (x.dtype, *named.values())})
    others = [f"{n} is {d}" for n, d in named.items() if d != x.dtype][:3]
    listed = f" ({', '.join(others)}, the input {x.dtype})" if others else ""
    return f"numbers of type {', '.join(kinds)}: one of float32, float64 is needed{listed}"


def planned(
    cell: Cell,
    norms: SiteNorms,
    owners: Mapping[str, Tensor],
    windows: dict[str, NormWindow],
    x: Tensor,
    state: State,
    generator: torch.Generator | None = None,
    products: torch.dtype | None = None,
) -> tuple[NativePlan, Inputs]:
    """Return the plan of a call and its step inputs; ``owners`` are the parameters by name.

    What is multiplied is of x's type, or bfloat16 where ``products`` says so.

    With random numbers `Cell.project` is run for the whole window: what is drawn is no function of a step.

    Raises:
        Unsupported: There is none.
    """
    parameters = frozenset(name for name, p in owners.items() if p.requires_grad)
    made_of = known_fingerprint(cell)

    def plan(inputs: Inputs) -> NativePlan:
        request = GradientRequest(parameters, tuple(t.requires_grad for t in inputs.tensors))
        return find_plan(cell, norms, windows, inputs, state, request, made_of, products or x.dtype)

    refused = _refused.setdefault(cell, {})
    modes = tuple((site, window.mode) for site, window in windows.items())
    drawn = generator is not None and cell.draws
    key = (x.shape[2:], x.dtype, x.requires_grad, modes, parameters, made_of, drawn)
    if key in refused:  # before project runs for nothing
        raise Unsupported(refused[key])
    if not drawn and is_separable(cell, x, made_of):
        try:
            inputs = Inputs((x,), True, True)
            return plan(inputs), inputs
        except Unsupported:
            pass  # with what project returned it may still be possible
    inputs = projected(cell, x, generator)
    try:
        return plan(inputs), inputs
    except Unsupported as e:
        refused[key] = str(e)
        raise


#: Why a cell cannot run, for each kind of call.
_refused: WeakKeyDictionary[Cell, dict[Any, str]] = WeakKeyDictionary()


def fixed_buffers(
    plan: NativePlan,
    cell: Cell,
    norms: SiteNorms,
    owners: Mapping[str, Tensor],
    kept: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return what programs read that stands still, by C names: buffers, and what parameters make.

    Args:
        plan: The plan.
        cell: The cell.
        norms: Its normalizers.
        owners: The parameters by name.
        kept: The buffers that programs read, where they were kept for backward.
    """
    layout = plan.layout
    buffers = dict(_read_buffers(plan, cell, norms) if kept is None else kept)
    found = {c: buffers[name].detach() for c, name in layout.buffers.items()}
    if layout.before.results:
        with torch.no_grad():
            given = {n: t.detach() for n, t in {**owners, **buffers}.items()}
            computed = layout.before([], {n: given[n] for n in layout.before.parameters})
        found |= {c: t.view_as(t) for c, t in computed.items()}
    return {c: t.to(plan.dtype).contiguous() for c, t in found.items()}


def _read_buffers(plan: NativePlan, cell: Cell, norms: SiteNorms) -> Iterator[tuple[str, Tensor]]:
    read = {*plan.layout.buffers.values(), *plan.layout.before.parameters}
    for prefix, owner in (("cell", cell), ("norms", norms)) if read else ():
        for name, buffer in owner.named_buffers():
            if f"{prefix}.{name}" in read:
                yield f"{prefix}.{name}", buffer


def _norm_inputs(plan: NativePlan, windows: dict[str, NormWindow]) -> dict[str, Tensor]:
    """Return those of the normalizers' inputs that programs read."""
    flat = [i for w in windows.values() for i in w.inputs]
    named = {f"m{i}": tensor for i, tensor in enumerate(flat)}
    return {
        n: t.detach().to(plan.dtype).contiguous() for n, t in named.items() if n in plan.layout.read
    }
