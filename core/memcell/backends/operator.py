"""A window of a layer as one operation of torch, for `torch.compile`.

The compiler sees an operation with known sizes and a gradient and looks no further: no loop is unrolled, and
no code is made anew for another pattern of restarts. When compiled code runs, the operation runs the layer as
ever. Its backward runs the window once more, for what a generated loop saves is no tensor of a graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from memcell.backends.step_masks import WindowMarks
from memcell.recurrent.state import State, leaves, rebuild

if TYPE_CHECKING:
    from memcell.backends.layer import Layer

#: Layers by the number that stands for them in compiled code, for as long as they live.
_layers: WeakValueDictionary[int, Layer] = WeakValueDictionary()
_numbers = itertools.count()


def numbered(layer: Layer) -> int:
    """Give a layer a number."""
    number = next(_numbers)
    _layers[number] = layer
    return number


def run_window(
    layer: Layer,
    x: Tensor,
    state: State,
    fresh: State,
    marks: WindowMarks,
    keep: Sequence[int],
) -> tuple[Tensor, dict[int, State]]:
    """Run a window of a layer as one operation; nothing is folded."""
    wanted = [step for step in keep if step > 0]
    tensors = [x, *layer.parameters(), *leaves(state), *leaves(fresh)]
    output, *kept = _window(
        layer.number, tensors, marks.restarts, marks.valid, marks.ages, wanted, layer.training
    )
    states = {0: state} if 0 in keep else {}
    count = len(list(leaves(state)))
    for i, step in enumerate(wanted):
        states[step] = rebuild(state, iter(kept[i * count : (i + 1) * count]))
    return output, states


def _run(
    number: int,
    tensors: Sequence[Tensor],
    restarts: Tensor,
    valid: Tensor,
    ages: Tensor,
    wanted: Sequence[int],
) -> list[Tensor]:
    layer = _layers[number]
    names = [name for name, _ in layer.named_parameters()]
    x, *rest = tensors
    weights = dict(zip(names, rest, strict=False))
    parts = rest[len(names) :]
    structure = layer.cell.initial_state(1)
    half = len(parts) // 2
    marks = WindowMarks(
        restarts=restarts,
        valid=valid,
        ages=ages,
        any_restart=tuple(restarts.any(1).tolist()),
        all_valid=tuple(valid.all(1).tolist()),
    )
    state, fresh = (rebuild(structure, iter(p)) for p in (parts[:half], parts[half:]))
    call = (x, state, fresh, marks, tuple(wanted), False)
    output, states = torch.func.functional_call(layer, weights, call)
    return [output, *(part for step in wanted for part in leaves(states[step]))]


def _differentiable() -> AbstractContextManager[None]:
    """Let operations have gradients within the body of an operation, which lies below autograd."""
    keys = torch._C.DispatchKey
    excluded = torch._C._dispatch_tls_local_exclude_set()
    for key in (keys.AutogradFunctionality, keys.ADInplaceOrView):
        excluded = excluded.remove(key)
    included = torch._C._dispatch_tls_local_include_set()
    guard: AbstractContextManager[None] = torch._C._ForceDispatchKeyGuard(included, excluded)
    return guard


@torch.library.custom_op("memcell::window", mutates_args=())
def _window(
    number: int,
    tensors: list[Tensor],
    restarts: Tensor,
    valid: Tensor,
    ages: Tensor,
    wanted: list[int],
    training: bool,
) -> list[Tensor]:
    found = _run(number, tensors, restarts, valid, ages, wanted)
    return [t.clone() for t in found]  # each in memory of its own, as torch demands


@_window.register_fake
def _(
    number: int,
    tensors: list[Tensor],
    restarts: Tensor,
    valid: Tensor,
    ages: Tensor,
    wanted: list[int],
    training: bool,
) -> list[Tensor]:
    layer, x = _layers[number], tensors[0]
    half = (len(tensors) - 1 - len(list(layer.parameters()))) // 2
    parts = tensors[-half:]
    output = x.new_empty(x.shape[0], x.shape[1], layer.cell.output_size)
    return [output, *(torch.empty_like(part) for _ in wanted for part in parts)]


@torch.library.custom_op("memcell::window_backward", mutates_args=())
def _backward(
    number: int,
    tensors: list[Tensor],
    restarts: Tensor,
    valid: Tensor,
    ages: Tensor,
    wanted: list[int],
    cotangents: list[Tensor],
) -> list[Tensor]:
    with _differentiable(), torch.enable_grad():
        own = [t.detach().requires_grad_() for t in tensors]
        found = _run(number, own, restarts, valid, ages, wanted)
        gradients = torch.autograd.grad(found, own, cotangents, allow_unused=True)
    pairs = zip(gradients, own, strict=True)
    return [torch.zeros_like(t) if g is None else g.contiguous().clone() for g, t in pairs]


@_backward.register_fake
def _(
    number: int,
    tensors: list[Tensor],
    restarts: Tensor,
    valid: Tensor,
    ages: Tensor,
    wanted: list[int],
    cotangents: list[Tensor],
) -> list[Tensor]:
    return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in tensors]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    number, tensors, restarts, valid, ages, wanted, _ = inputs
    ctx.save_for_backward(*tensors, restarts, valid, ages)
    ctx.number, ctx.wanted = number, wanted


def _gradient(ctx: Any, cotangents: list[Tensor]) -> tuple[Any, ...]:
    *tensors, restarts, valid, ages = ctx.saved_tensors
    found = _backward(
        ctx.number, list(tensors), restarts, valid, ages, ctx.wanted, list(cotangents)
    )
    return None, found, None, None, None, None, None


_window.register_autograd(_gradient, setup_context=_remember)
