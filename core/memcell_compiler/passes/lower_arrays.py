"""Rules for sums over axes and for matrix products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import fx

from memcell.recurrent.refusals import Unsupported, operation_name
from memcell_compiler.ir.ir import ColumnRange, Matrix, Number, Op, Tiles, width_of
from memcell_compiler.passes.lower_moves import Sources, picked
from memcell_compiler.passes.lowering import Lowering, lowers
from memcell_compiler.trace.shapes import is_plain, lane_dim, layout_of, shape_of, sizes_of

aten = torch.ops.aten

#: Products of numbers for each lane that one product of matrices of the step may take.
_MOST = 1 << 18

_REDUCTIONS: dict[Any, str] = {
    aten.sum.dim_IntList: "sum",
    aten.sum.default: "sum",
    aten.amax.default: "max",
    aten.amin.default: "min",
}


@lowers(*_REDUCTIONS)
def reduction(low: Lowering, node: fx.Node) -> Tiles:
    """Lower a sum, largest or smallest."""
    name = _REDUCTIONS[node.target]
    source: Any = node.args[0]
    if not is_plain(source, low.lanes):
        return reduce(low, node, name)
    shape, before = shape_of(source), layout_of(source, low.lanes)
    dims: Any = node.args[1] if len(node.args) > 1 and node.args[1] else range(len(shape))
    sizes = [shape[d] for d in dims]
    tiles = low.tiles(source)
    if any(s not in (1, low.lanes) for s in sizes):
        tiles = low.build.row_reduction(name, tiles, before)
    if low.lanes in sizes:
        if name != "sum":
            raise Unsupported(f"{operation_name(node)} over the lanes")
        tiles = low.build.batch_sum(tiles, low.cuts[node])
    return tiles


def reduce(low: Lowering, node: fx.Node, name: str) -> Tiles:
    """Lower a sum (largest, smallest) over some dimensions."""
    source: Any = node.args[0]
    sizes, dim = sizes_of(source, low.lanes), lane_dim(source, low.lanes)
    named: Any = node.args[1] if len(node.args) > 1 else None
    named = [named] if isinstance(named, int) else named
    dims = {d % len(sizes) for d in (named or range(len(sizes)))} if sizes else set()
    tiles = low.tiles(source)
    last = len(sizes)
    while last > 0:
        first = last - 1
        while first > 0 and (first - 1 in dims) == (first in dims):
            first -= 1  # neighbours are one dimension
        if first in dims:
            kept = [s for i, s in enumerate(sizes) if i >= last and i not in dims]
            size = math.prod(sizes[first:last])
            tiles = _fold(low, name, tiles, math.prod(sizes[:first]), size, math.prod(kept))
        last = first
    if dim in dims:
        if name != "sum":
            raise Unsupported(f"{operation_name(node)} over the lanes")
        tiles = low.build.batch_sum(tiles, set())
    return tiles


def _fold(low: Lowering, name: str, tiles: Tiles, outer: int, size: int, inner: int) -> Tiles:
    if size == 1:
        return tiles
    numbers = {t for t in tiles if isinstance(t, Number)}
    if len(numbers) == len(tiles) == 1:
        number = numbers.pop()
        times = size if name == "sum" else 1
        return (Number(number.value * times, number.lanes_power, outer * inner),)
    if outer == inner == 1:
        return low.build.row_sum(name, tiles)
    return low.build.fold(name, tiles, outer, size, inner)


@lowers(aten.bmm.default)
def product(low: Lowering, node: fx.Node) -> Tiles:
    """Lower ``[…, n, k]`` times ``[…, k, m]``.

    A factor made of parameters alone is packed as weights are, where the other one has the lanes beside k;
    otherwise the products are formed one by one and added up.
    """
    left, right = node.args[0], node.args[1]
    assert isinstance(left, fx.Node)
    assert isinstance(right, fx.Node)
    lanes, last = low.lanes, len(shape_of(left)) - 1
    at_left, at_right = lane_dim(left, lanes), lane_dim(right, lanes)
    if at_left == last or at_right == last - 1:
        raise Unsupported(f"{operation_name(node)} over the lanes")
    if at_left == last - 1 and low.is_still(right):
        return _weighted(low, low.tiles(left), sizes_of(left, lanes), right, False)
    if at_right == last and low.is_still(left):
        *batch, k, g = sizes_of(right, lanes)
        order = np.arange(math.prod(batch) * k * g).reshape(-1, k, g)
        tiles = picked(low, low.tiles(right), order.transpose(0, 2, 1).reshape(-1))
        tiles = _weighted(low, tiles, (*batch, g, k), left, True)
        n = sizes_of(left, lanes)[-2]
        order = np.arange(math.prod(batch) * g * n).reshape(-1, g, n)
        return picked(low, tiles, order.transpose(0, 2, 1).reshape(-1))
    return _one_by_one(low, node, left, right)


@lowers(aten.mm.default)
def matrix_product(low: Lowering, node: fx.Node) -> Tiles:
    """Lower rows times a matrix: a weight where it is one."""
    left, right = node.args[0], node.args[1]
    assert isinstance(left, fx.Node)
    assert isinstance(right, fx.Node)
    matrix = low.matrix(right)
    if matrix is None or not is_plain(left, low.lanes) or not layout_of(left, low.lanes).rows:
        return product(low, node)
    return low.build.matmul(low.tiles(left), matrix)


def _one_by_one(low: Lowering, node: fx.Node, left: fx.Node, right: fx.Node) -> Tiles:
    lanes, dim = low.lanes, lane_dim(node, low.lanes)
    k = shape_of(left)[-1]
    outer = math.prod(sizes_of(node, lanes)[:-1])
    inner = sizes_of(node, lanes)[-1]
    if outer * k * inner > _MOST:
        raise Unsupported(
            f"{operation_name(node)}: a product of {outer} x {k} by {inner} numbers for each lane"
        )
    shape = (*shape_of(node)[:-1], k, shape_of(node)[-1])
    dim = dim if dim is None or dim < len(shape) - 2 else dim + 1
    factors = []
    for factor, at in ((left, -1), (right, -3)):
        sources = Sources(low)
        found = sources.of(factor).unsqueeze(at).expand(shape)
        factors.append(picked(low, sources.tiles, sources.columns(node, found, dim)))
    products = low.build.pointwise("mul", factors, set(), outer * k * inner)
    return _fold(low, "sum", products, outer, k, inner)


def _weighted(
    low: Lowering, tiles: Tiles, sizes: tuple[int, ...], weight: fx.Node, turned: bool
) -> Tiles:
    """Multiply rows ``[…, g, k]`` with weights ``[…, k, m]`` (``turned``: with ``[…, m, k]``)."""
    *batch, g, k = sizes
    result: Tiles = ()
    for b in range(math.prod(batch)):
        matrix = matrix_of(low, weight, b, turned)
        for i in range(b * g, (b + 1) * g):
            part = picked(low, tiles, np.arange(i * k, (i + 1) * k))
            result += low.build.matmul(part, matrix)
    return result


def matrix_of(low: Lowering, weight: fx.Node, b: int, turned: bool) -> Matrix:
    """Return one matrix of a tensor made of parameters alone, as it lies or, where it lies nowhere, made."""
    *_, rows, columns = shape_of(weight)
    for tiles in (low.tiles(weight), low.made_before(weight)):
        piece = tiles[0] if len(tiles) == 1 else None
        if not isinstance(piece, ColumnRange) or piece.value.op is not Op.LEAF:
            continue
        size = rows * columns
        at = piece.columns()[b * size : (b + 1) * size].reshape(rows, columns)
        at = at.T if turned else at
        found = _lying(piece, at)
        if found is not None:
            return found
    raise Unsupported("a weight that lies nowhere")


def _lying(piece: ColumnRange, at: np.ndarray) -> Matrix | None:
    depth, width = at.shape
    start = int(at[0, 0])
    down = int(at[1, 0]) - start if depth > 1 else width
    right = int(at[0, 1]) - start if width > 1 else 1
    expected = start + np.arange(depth)[:, None] * down + np.arange(width) * right
    if not np.array_equal(at, expected):
        return None
    if right == 1 and down >= 0:
        return Matrix(piece.value, down, start, False, (depth, width))
    if (down == 1 or depth == 1) and right >= 0:
        return Matrix(piece.value, right, start, True, (depth, width))
    return None


def outer_products(low: Lowering, node: fx.Node) -> list[list[tuple[Tiles, Tiles]]] | None:
    """Return the factors of a product over the lanes ``[…, n, B g]`` times ``[…, B g, m]``.

    For each matrix of the batch a list of pairs whose products over the lanes are added up; None where the
    product is over something else.
    """
    left, right = node.args[0], node.args[1]
    assert isinstance(left, fx.Node)
    assert isinstance(right, fx.Node)
    lanes, last = low.lanes, len(shape_of(left)) - 1
    if lane_dim(left, lanes) != last or lane_dim(right, lanes) != last - 1:
        return None
    *batch, n, g = sizes_of(left, lanes)
    m = sizes_of(right, lanes)[-1]
    one, two = low.tiles(left), low.tiles(right)
    assert width_of(one) == layout_of(left, lanes).width
    found = []
    for b in range(math.prod(batch)):
        pairs = []
        for i in range(g):
            columns = b * n * g + np.arange(n) * g + i
            first = picked(low, one, columns)
            pairs.append((first, picked(low, two, (b * g + i) * m + np.arange(m))))
        found.append(pairs)
    return found
