"""Lowering of what cuts and joins columns: slices, splits, joins, repetitions. None of it is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from memcell.recurrent.refusals import Unsupported, said
from memcell_compiler.ir.ir import Number, Tiles, cut, width_of
from memcell_compiler.passes.cuts import sections, slice_range
from memcell_compiler.trace.shapes import layout_of, shape_of

if TYPE_CHECKING:
    from memcell_compiler.passes.lower import Lowering

aten = torch.ops.aten


def slice_columns(low: Lowering, node: fx.Node) -> Tiles:
    """Lower a slice."""
    source: Any = node.args[0]
    columns_only(low, node, source, node.args[1] if len(node.args) > 1 else 0)
    tiles = low.tiles(source)
    if layout_of(source, low.lanes) == layout_of(node, low.lanes):
        return tiles
    return cut(tiles, *slice_range(node, width_of(tiles)))


def put_columns(low: Lowering, node: fx.Node) -> Tiles:
    """Lower columns put among others: the gradient of a slice."""
    args: Any = node.args
    columns_only(low, node, args[0], args[2] if len(args) > 2 else 0)
    into, what = low.tiles(args[0]), low.tiles(args[1])
    width = layout_of(node, low.lanes).width
    if len(into) == 1 and isinstance(into[0], Number):
        into = (Number(into[0].value, into[0].lanes_power, width),)
    start, stop = slice_range(node, width)
    return cut(into, 0, start) + what + cut(into, stop, width)


def split(low: Lowering, node: fx.Node) -> list[Tiles]:
    """Return the parts of a split."""
    source: Any = node.args[0]
    columns_only(low, node, source, node.args[2] if len(node.args) > 2 else 0)
    tiles, start, parts = low.tiles(source), 0, []
    for width in sections(node, width_of(tiles)):
        parts.append(cut(tiles, start, start + width))
        start += width
    return parts


def columns_only(low: Lowering, node: fx.Node, source: fx.Node, dim: Any) -> None:
    """Refuse what cuts or joins lanes.

    Raises:
        Unsupported: It does.
    """
    shape = shape_of(source)
    if shape[dim] == low.lanes and node.target is not aten.slice.Tensor:
        raise Unsupported(f"{said(node)} over the lanes")
    if node.target is aten.slice.Tensor:
        if shape[dim] == low.lanes and shape_of(node) != shape:
            raise Unsupported(f"{said(node)} of some lanes")
        if len(node.args) > 4 and node.args[4] != 1:
            raise Unsupported(f"{said(node)} with a step")


def join(low: Lowering, node: fx.Node) -> Tiles:
    """Lower a join."""
    parts: Any = node.args[0]
    dim: Any = node.args[1] if len(node.args) > 1 else 0
    if shape_of(node)[dim] == low.lanes or shape_of(parts[0])[dim] == low.lanes:
        raise Unsupported(f"{said(node)} over the lanes")
    return tuple(tile for part in parts for tile in low.tiles(part))


def repeat(low: Lowering, node: fx.Node) -> Tiles:
    """Lower columns that are repeated."""
    source: Any = node.args[0]
    before, after = layout_of(source, low.lanes), layout_of(node, low.lanes)
    if before.rows != after.rows or shape_of(node)[-1] != after.width:
        raise Unsupported(f"{said(node)} over the lanes")
    return low.tiles(source) * (after.width // before.width)
