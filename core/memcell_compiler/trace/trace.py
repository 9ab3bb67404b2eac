"""Stage 1, trace: one step with its vector-Jacobian product as one graph of core ATen operations.

The step that is traced is ``project`` (where it works step by step) + ``step`` + the normalizers'
``normalize``, as a pure function of parameters, buffers, inputs and state. It is traced with a number of
lanes that no other size has, so that later stages know the batch dimension when they see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from memcell.recurrent.purity import watched
from memcell.recurrent.refusals import IN_PLACE, Unsupported, hint_of, place_of_error
from memcell_compiler.trace.decompositions import decompositions
from memcell_compiler.trace.recorder import NotTraced, record
from memcell_compiler.trace.step import Step, slots


@dataclass(frozen=True)
class Traced:
    """The joint graph of one step, by role.

    Args:
        graph: Core ATen operations.
        lanes: The batch size that it was traced with, unlike any other size in it.
        parameters: Placeholders by name.
        buffers: Placeholders by name.
        inputs: Placeholders of x, or of what ``project`` returned.
        norm_inputs: Placeholders of the normalizers' inputs.
        state: Placeholders.
        output_cotangent: Placeholder.
        state_cotangents: Placeholders.
        output: Node.
        after: Nodes of the next state.
        statistics: Nodes.
        parameter_gradients: Node (or None) of each parameter.
        input_gradients: Of each input.
        state_gradients: Of each part of the state.
    """

    graph: fx.Graph
    lanes: int
    parameters: dict[str, fx.Node]
    buffers: dict[str, fx.Node]
    inputs: list[fx.Node]
    norm_inputs: list[fx.Node]
    state: list[fx.Node]
    output_cotangent: fx.Node
    state_cotangents: list[fx.Node]
    output: fx.Node
    after: list[fx.Node]
    statistics: list[fx.Node]
    parameter_gradients: dict[str, fx.Node | None]
    input_gradients: list[fx.Node | None]
    state_gradients: list[fx.Node | None]


def trace(
    step: Step, inputs: Sequence[Tensor], norm: Sequence[Sequence[Tensor]], state: Sequence[Tensor]
) -> Traced:
    """Trace a step.

    Args:
        step: The step.
        inputs: Examples ``[lanes, …]``.
        norm: Examples of each site's inputs.
        state: Examples ``[lanes, …]``.

    Raises:
        Unsupported: The step cannot be traced, or it is not pure.
    """
    # numbers of their own: a step that writes to them is caught by it, and has changed nothing
    parameters = {n: _standing_in(p) for n, p in step.named_parameters()}
    buffers = {n: _standing_in(b) for n, b in step.named_buffers()}
    unwritten = [t.clone() for t in (*parameters.values(), *buffers.values())]
    places = slots(step)
    flat_norm = [t for site in norm for t in site]
    n_p, n_i, n_s = len(parameters), len(inputs), len(state)

    def call(differentiable: Sequence[Tensor], fixed: Sequence[Tensor]) -> Any:
        p, i, s = _cut(differentiable, n_p, n_i, n_s)
        b, flat = fixed[: len(buffers)], list(fixed[len(buffers) :])
        sites = [[flat.pop(0) for _ in site] for site in norm]
        named = {**dict(zip(parameters, p, strict=True)), **dict(zip(buffers, b, strict=True))}
        each = {slot: named[name] for slot, name in places.items()}
        return torch.func.functional_call(step, each, (i, s, sites), tie_weights=False)

    differentiable = [*parameters.values(), *inputs, *state]
    fixed = [*buffers.values(), *flat_norm]
    with watched(step), torch.no_grad():
        try:
            outputs, _ = call(differentiable, fixed)
            cotangents = [torch.zeros_like(t) for t in outputs]
            graph = _joint_graph(call, (differentiable, fixed, cotangents))
        except Unsupported:
            raise
        except Exception as e:
            raise _not_traced(e) from e
    standing = (*parameters.values(), *buffers.values())
    for name, now, before in zip((*parameters, *buffers), standing, unwritten, strict=True):
        if not torch.equal(now, before):
            raise Unsupported(f"the step writes to {name}; a step must be pure")
    if len(outputs) != 1 + n_s:
        raise Unsupported(f"the step returns {len(outputs) - 1} states for {n_s}")
    return _by_role(graph, int(inputs[0].shape[0]), parameters, buffers, n_i, n_s)


def _standing_in(tensor: Tensor) -> Tensor:
    """Return what to trace with for a weight or buffer: no number that writing to it would leave alone."""
    if not tensor.is_floating_point():
        return tensor.detach().clone()
    numbers = torch.linspace(0.5, 1.5, tensor.numel(), dtype=tensor.dtype, device=tensor.device)
    return numbers.view(tensor.shape)


class _End(torch.autograd.Function):
    """Hands cotangents to outputs: torch.autograd.grad imports a computer algebra system to take them."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> Tensor:
        """Return a number, from which backward goes to the first ``count`` tensors with the others."""
        ctx.given = tensors[count:]
        return torch.zeros((), dtype=tensors[0].dtype)

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:
        """Return the cotangents."""
        return (None, *ctx.given, *(None for _ in ctx.given))


def _joint_graph(call: Callable[..., Any], arguments: tuple[list[Tensor], ...]) -> fx.Graph:
    """Return the graph of a call and of its gradient: (outputs, statistics, gradients)."""

    def direct(
        differentiable: list[Tensor], fixed: list[Tensor], cotangents: list[Tensor]
    ) -> tuple[Any, ...]:
        outputs, statistics = call(differentiable, fixed)
        ends = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
        # torch writes no types for it
        end = _End.apply(len(ends), *(o for o, _ in ends), *(c for _, c in ends))  # type: ignore[no-untyped-call]
        return outputs, statistics, torch.autograd.grad(end, differentiable, allow_unused=True)

    def through_functions(
        differentiable: list[Tensor], fixed: list[Tensor], cotangents: list[Tensor]
    ) -> tuple[Any, ...]:
        found: Any = torch.func.vjp(lambda *d: call(d, fixed), *differentiable, has_aux=True)
        outputs, vjp, statistics = found
        return outputs, statistics, vjp(tuple(cotangents))

    table = decompositions()
    try:
        with torch.enable_grad():
            needing = [t.detach().requires_grad_() for t in arguments[0]]
            return record(direct, (needing, *arguments[1:]), table)
    except Exception as first:
        if isinstance(first, NotTraced) and not first.may_be_written_otherwise:
            raise
        # functionalized: in-place work on what the step itself made is only a way of writing. The same
        # graph, and the reason where there is none, at the price of importing torch's compiler
        from torch.fx.experimental.proxy_tensor import make_fx

        graph = make_fx(torch.func.functionalize(through_functions), table)(*arguments).graph
        place = first.place if isinstance(first, NotTraced) else place_of_error(first)
        for node in graph.nodes:
            node.meta["place"] = place
            node.meta["in_place"] = isinstance(first, NotTraced) and not first.in_backward
        return graph


def _not_traced(error: Exception) -> Unsupported:
    """Return why a step has no graph, with the author's line."""
    place = place_of_error(error)
    head = f"{place}: " if place is not None and str(place) else ""
    if isinstance(error, NotTraced):
        return Unsupported(f"{head}{error}; {hint_of(error.target)}")
    text = str(error).strip()
    reason = text.splitlines()[0] if text else type(error).__name__
    if "in-place" in reason or "inplace" in reason:
        return Unsupported(f"{head}{IN_PLACE}")
    return Unsupported(f"{head}the step could not be traced: {reason}")


def _cut(values: Sequence[Tensor], *lengths: int) -> list[Sequence[Tensor]]:
    parts, start = [], 0
    for length in lengths:
        parts.append(values[start : start + length])
        start += length
    return parts


def _by_role(
    graph: fx.Graph,
    lanes: int,
    parameters: dict[str, Tensor],
    buffers: dict[str, Tensor],
    n_inputs: int,
    n_state: int,
) -> Traced:
    graph.eliminate_dead_code()
    constants = [n for n in graph.nodes if n.op == "get_attr"]
    if constants:
        meta = constants[0].meta
        place = None if meta.get("in_place") else meta.get("place")
        head = f"{place}: " if place is not None and str(place) else ""
        raise Unsupported(
            f"{head}the step uses a tensor that is neither parameter, buffer nor input: make it in __init__ "
            "with register_buffer"
        )
    holes = [n for n in graph.nodes if n.op == "placeholder"]
    result = next(n for n in graph.nodes if n.op == "output")
    flat, _ = pytree.tree_flatten(result.args[0])
    n_gradients = len(parameters) + n_inputs + n_state
    outputs, statistics = flat[: 1 + n_state], flat[1 + n_state : len(flat) - n_gradients]
    gradients = flat[len(flat) - n_gradients :]
    take = _Taker(holes)
    p, i, s = take(len(parameters)), take(n_inputs), take(n_state)
    b = take(len(buffers))
    norm = take(len(holes) - len(parameters) - n_inputs - 2 * n_state - len(buffers) - 1)
    cotangents = take(1 + n_state)
    of = _Taker([g if isinstance(g, fx.Node) else None for g in gradients])
    return Traced(
        graph=graph,
        lanes=lanes,
        parameters=dict(zip(parameters, p, strict=True)),
        buffers=dict(zip(buffers, b, strict=True)),
        inputs=i,
        norm_inputs=norm,
        state=s,
        output_cotangent=cotangents[0],
        state_cotangents=cotangents[1:],
        output=outputs[0],
        after=list(outputs[1:]),
        statistics=list(statistics),
        parameter_gradients=dict(zip(parameters, of(len(parameters)), strict=True)),
        input_gradients=of(n_inputs),
        state_gradients=of(n_state),
    )


class _Taker:
    def __init__(self, items: list[Any]) -> None:
        self.items = list(items)

    def __call__(self, count: int) -> list[Any]:
        taken, self.items = self.items[:count], self.items[count:]
        return taken


def unused_lanes(taken: set[int]) -> int:
    """Return a prime that is none of the sizes ``taken``, nor a part or a small multiple of one."""

    def free(n: int) -> bool:
        return all(size % n and n % max(size, 2) for size in taken if size > 1)

    return next(
        n for n in (23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89) if free(n)
    )
