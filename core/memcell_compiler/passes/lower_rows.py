"""Rules for rows picked and added by index: statistics by age, groups of lanes."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from memcell.recurrent.refusals import Unsupported, operation_name
from memcell_compiler.ir.ir import Number, Tiles
from memcell_compiler.passes.lowering import Lowering, lowers
from memcell_compiler.trace.shapes import dtype_of, layout_of

aten = torch.ops.aten


@lowers(aten.index.Tensor)
def index(low: Lowering, node: fx.Node) -> Tiles:
    """Lower ``table[row of each lane]``."""
    source, indices = node.args[0], node.args[1]
    assert isinstance(source, fx.Node)
    assert isinstance(indices, list | tuple)
    if len(indices) != 1 or not isinstance(indices[0], fx.Node):
        raise Unsupported(f"{operation_name(node)} by more than the first dimension")
    return take(low, node, source, indices[0])


@lowers(aten.index_select.default)
def select(low: Lowering, node: fx.Node) -> Tiles:
    """Lower ``index_select`` of rows."""
    source, dim, at = node.args[:3]
    if dim != 0:
        raise Unsupported(f"{operation_name(node)} is not supported in generated C")
    assert isinstance(source, fx.Node)
    assert isinstance(at, fx.Node)
    return take(low, node, source, at)


def take(low: Lowering, node: fx.Node, source: fx.Node, index: fx.Node) -> Tiles:
    """Lower the row of each lane, of a table or of the lanes themselves."""
    if dtype_of(index) == torch.bool or layout_of(index, low.lanes).width != 1:
        raise Unsupported(f"{operation_name(node)} by something other than one row for each lane")
    at = low.tiles(index)
    if source in low.matrices:
        matrix = low.matrices[source]
        return low.build.gather(matrix.leaf, at, matrix.columns, low.cuts[node])
    if not layout_of(source, low.lanes).rows:
        raise Unsupported(f"{operation_name(node)} of a vector")
    return low.build.lookup(low.tiles(source), at)


@lowers(aten.index_put.default, aten.index_add.default)
def scatter(low: Lowering, node: fx.Node) -> Tiles:
    """Lower the sum of lanes by index."""
    args: Any = node.args
    if node.target is aten.index_add.default:
        into, dim, index, what = args[:4]
        adds = dim == 0 and node.kwargs.get("alpha", 1) == 1
    else:
        into, (index, *more), what = args[:3]
        adds = not more and len(args) > 3 and bool(args[3])
    zero = low.tiles(into)
    nothing = len(zero) == 1 and isinstance(zero[0], Number) and zero[0].value == 0.0
    if not adds or not nothing or dtype_of(index) == torch.bool:
        raise Unsupported(f"{operation_name(node)} other than adding rows to zeros")
    if not layout_of(node, low.lanes).rows or not layout_of(what, low.lanes).rows:
        raise Unsupported(f"{operation_name(node)} other than from lanes to lanes")
    return low.build.scatter(low.tiles(index), low.tiles(what))
