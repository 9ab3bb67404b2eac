"""Rules for constants, elementwise functions and limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import fx

from memcell.recurrent.refusals import Unsupported, operation_name
from memcell_compiler.ir.elementwise import ELEMENTWISE
from memcell_compiler.ir.ir import Number, Tiles
from memcell_compiler.passes.lower_moves import broadcast
from memcell_compiler.passes.lowering import Lowering, lowers
from memcell_compiler.trace.shapes import dtype_of, is_plain, layout_of

aten = torch.ops.aten
_CONSTANTS: dict[Any, float] = {
    aten.full.default: 1,
    aten.full_like.default: 1,
    aten.scalar_tensor.default: 0,
    aten.zeros.default: 0.0,
    aten.ones.default: 1.0,
    aten.zeros_like.default: 0.0,
    aten.ones_like.default: 1.0,
}
#: Numbers made of parameters alone that are computed within the loop's function rather than before it.
_WIDE = 4096


@lowers(*_CONSTANTS)
def constant(low: Lowering, node: fx.Node) -> Tiles:
    """Lower a tensor of one number."""
    which = _CONSTANTS[node.target]
    value = node.args[which] if isinstance(which, int) else which
    if not isinstance(value, bool | int | float):
        raise Unsupported(f"{operation_name(node)} of something that is not a number")
    number = Number(float(value))
    if isinstance(which, int):
        number = low.numbers.number(node, which, float(value))
    return (replace(number, width=layout_of(node, low.lanes).width),)


@lowers(*ELEMENTWISE)
def elementwise(low: Lowering, node: fx.Node) -> Tiles:
    """Lower a function of each number."""
    name = ELEMENTWISE[node.target]
    _check_types(low, node, name)
    plain = is_plain(node, low.lanes)
    operands = [_operand(low, node, i, plain) for i in range(len(node.args))]
    width = layout_of(node, low.lanes).width
    if width > _WIDE and low.is_still(node):
        raise Unsupported("many numbers made of parameters alone")
    alpha = node.kwargs.get("alpha", 1)
    if alpha != 1:
        assert isinstance(alpha, int | float)
        operands[1] = low.build.pointwise("mul", [operands[1], (Number(float(alpha)),)], set())
    return low.build.pointwise(name, operands, low.cuts[node], width)


def _operand(low: Lowering, node: fx.Node, position: int, plain: bool) -> Tiles:
    argument = node.args[position]
    if isinstance(argument, fx.Node):
        plain = plain and is_plain(argument, low.lanes)
        return low.tiles(argument) if plain else broadcast(low, argument, node)
    if isinstance(argument, bool | int | float):
        return (low.numbers.number(node, position, float(argument)),)
    raise Unsupported(f"{operation_name(node)} of {argument!r}")


def _check_types(low: Lowering, node: fx.Node, name: str) -> None:
    result, arguments = dtype_of(node), [dtype_of(a) for a in node.all_input_nodes]
    if (
        name == "copy"
        and not result.is_floating_point
        and any(t.is_floating_point for t in arguments)
    ):
        raise Unsupported(f"{operation_name(node)} from {arguments[0]} to {result}")
    floats = {t for t in (result, *arguments) if t.is_floating_point}
    if any(t.is_complex for t in (result, *arguments)):
        raise Unsupported(
            f"{operation_name(node)} of complex numbers, which generated C has not: keep real and imaginary "
            "part as two real tensors"
        )
    if len(floats) > 1:
        raise Unsupported(f"{operation_name(node)} mixes {', '.join(sorted(map(str, floats)))}")
    if name in ("and", "or", "not") and result != torch.bool:
        raise Unsupported(f"{operation_name(node)} on {result}")


@lowers(aten.clamp.default, aten.clamp_min.default, aten.clamp_max.default)
def clamp(low: Lowering, node: fx.Node) -> Tiles:
    """Lower limits."""
    # an argument is anything to fx; the first of clamp is a node
    tiles = low.tiles(node.args[0])  # type: ignore[arg-type]
    least = (
        node.args[1] if len(node.args) > 1 and node.target is not aten.clamp_max.default else None
    )
    most = node.args[-1] if node.target is aten.clamp_max.default else None
    if node.target is aten.clamp.default and len(node.args) > 2:
        most = node.args[2]
    last = len(node.args) - 1
    for name, limit, at in (("maximum", least, 1), ("minimum", most, last)):
        if limit is not None:
            if not isinstance(limit, int | float):
                raise Unsupported(f"{operation_name(node)} between tensors")
            tiles = low.build.pointwise(
                name, [tiles, (low.numbers.number(node, at, float(limit)),)], low.cuts[node]
            )
    return tiles
