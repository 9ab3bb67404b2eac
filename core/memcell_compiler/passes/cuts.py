"""Where tensors are cut into pieces: at the edges of what is sliced out of them or joined into them.

A sum of four gates that is chunked afterwards is computed as four pieces, so that one pass over the
units can do everything. The cuts go through elementwise operations and views, both ways.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx

from memcell_compiler.ir.elementwise import ELEMENTWISE
from memcell_compiler.trace.shapes import layout, shape_of

aten = torch.ops.aten

#: Operations that change sizes and not contents.
VIEWS = {
    aten.view.default,
    aten._unsafe_view.default,
    aten.reshape.default,
    aten.unsqueeze.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.squeeze.default,
    aten.expand.default,
    aten.alias.default,
    aten.detach.default,
    aten.lift_fresh_copy.default,
    torch.ops.prims.broadcast_in_dim.default,
}
_SUMS = {aten.sum.dim_IntList, aten.sum.default, aten.amax.default, aten.amin.default}


def slice_range(node: fx.Node, size: int) -> tuple[int, int]:
    """Return (start, stop) of a slice or slice_scatter whose other arguments begin at ``args[k]``."""
    at = 1 if node.target is aten.slice.Tensor else 2
    bounds = [*node.args[at + 1 : at + 3], None, None]
    start, stop = bounds[0] or 0, bounds[1]
    stop = size if stop is None else stop
    assert isinstance(start, int)
    assert isinstance(stop, int)
    start = start + size if start < 0 else start
    stop = stop + size if stop < 0 else stop
    return min(start, size), min(stop, size)


def sections(node: fx.Node, size: int) -> list[int]:
    """Return the widths that a split makes."""
    how: Any = node.args[1]
    if isinstance(how, int):
        return [min(how, size - start) for start in range(0, size, how)]
    return [int(w) for w in how]


def find_cuts(graph: fx.Graph, lanes: int) -> dict[fx.Node, set[int]]:
    """Return for each node the columns at which a new piece begins."""
    widths = {}
    for node in graph.nodes:
        if "val" in node.meta or "tensor_meta" in node.meta:
            try:
                found = layout(shape_of(node), lanes)
            except Exception:  # several tensors: seen through by operator.getitem
                found = None
            widths[node] = found.width if found else 0
    cuts: dict[fx.Node, set[int]] = {n: set() for n in graph.nodes}
    nodes = [n for n in graph.nodes if widths.get(n, 0) > 1]
    for _ in range(12):
        before = sum(map(len, cuts.values()))
        for node in (*nodes, *reversed(nodes)):
            for part, shift in _parts(node, widths):
                _share(cuts, node, part, shift, widths)
        if sum(map(len, cuts.values())) == before:
            break
    return cuts


def _parts(node: fx.Node, widths: dict[fx.Node, int]) -> Iterator[tuple[fx.Node, int]]:
    """Yield (argument, shift): column j of the argument is column j + shift of the node."""
    target, args = node.target, node.args
    if target in ELEMENTWISE or target in VIEWS or target in _SUMS:
        for arg in node.all_input_nodes:
            if widths.get(arg) == widths[node]:
                yield arg, 0
    elif target is operator.getitem and isinstance(args[0], fx.Node):
        split, index = args[0], args[1]
        source = split.args[0]
        assert isinstance(source, fx.Node)
        assert isinstance(index, int)
        if split.target in (aten.split.Tensor, aten.split_with_sizes.default) and source in widths:
            yield source, -sum(sections(split, widths[source])[:index])
    elif target is aten.slice.Tensor and isinstance(args[0], fx.Node):
        if widths.get(args[0], 0) != widths[node]:
            yield args[0], -slice_range(node, widths.get(args[0], 0))[0]
        else:
            yield args[0], 0
    elif target is aten.slice_scatter.default:
        source = args[1]
        if isinstance(source, fx.Node):
            yield (
                source,
                slice_range(node, widths[node])[0] if widths.get(source) != widths[node] else 0,
            )
    elif target is aten.cat.default:
        at = 0
        parts: Any = args[0]
        for part in parts:
            yield part, at
            at += widths.get(part, 0)


_OPEN = {"placeholder"}


def _share(
    cuts: dict[fx.Node, set[int]],
    node: fx.Node,
    part: fx.Node,
    shift: int,
    widths: dict[fx.Node, int],
) -> None:
    """Let a node and a part of it have the same cuts where they overlap."""
    if part.op in _OPEN or part.target is aten.mm.default:
        # memory that can be read at any column: its edges cut the node, nothing else does
        edges = {shift, shift + widths.get(part, 0)}
        cuts[node] |= {e for e in edges if 0 < e < widths[node]}
        return
    width = widths.get(part, 0)
    mine = {c for c in cuts[node] | {0, widths[node]} if 0 < c - shift < width}
    cuts[part] |= {c - shift for c in mine}
    theirs = {c + shift for c in cuts[part] | {0, width}}
    cuts[node] |= {c for c in theirs if 0 < c < widths[node]}
