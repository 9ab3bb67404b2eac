"""Rules for what moves numbers without computing: views, slices, permutations, joins, of any dimensions.

Such an operation is run once on tensors that hold, instead of numbers, where each number comes from. What
comes out says for every column of the result which column of which source it is, and whether lanes were
mixed; no operation needs a rule of its own.
"""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from memcell.recurrent.refusals import Unsupported, operation_name
from memcell_compiler.ir.ir import ColumnRange, Number, Operand, Tiles, cut, fitted, width_of
from memcell_compiler.passes.cuts import VIEWS, sections, slice_range
from memcell_compiler.passes.lowering import Lowering, SplitParts, lowers
from memcell_compiler.trace.shapes import is_plain, lane_dim, layout_of, shape_of, sizes_of

aten = torch.ops.aten

#: Numbers of a tensor, for the lanes that a step is traced with: a larger one is not looked through.
_MOST = 1 << 24
#: Pieces that a result may have.
_PIECES = 64

#: What moves numbers and computes nothing.
MOVES = {
    aten.slice.Tensor,
    aten.slice_scatter.default,
    aten.select.int,
    aten.select_scatter.default,
    aten.split.Tensor,
    aten.split_with_sizes.default,
    aten.unbind.int,
    aten.cat.default,
    aten.stack.default,
    aten.repeat.default,
    aten.permute.default,
    aten.t.default,
    aten.transpose.int,
    aten.flip.default,
    aten.roll.default,
    aten.diagonal.default,
    aten.diagonal_scatter.default,
    aten.unfold.default,
    aten.constant_pad_nd.default,
    aten.tril.default,
    aten.triu.default,
}


_SPLITS = (aten.split.Tensor, aten.split_with_sizes.default, aten.unbind.int)


class Sources:
    """Tensors of origins, for the arguments of one operation.

    Args:
        low: The lowering.

    Attributes:
        tiles: All sources side by side.
    """

    def __init__(self, low: Lowering) -> None:
        self._low = low
        self.tiles: Tiles = ()
        self._stride = 1 << 40

    def of(self, node: fx.Node) -> Tensor:
        """Return a tensor of a node's sizes: in each place the lane and the column that stands there."""
        low, lanes = self._low, self._low.lanes
        start, layout = width_of(self.tiles), layout_of(node, lanes)
        self.tiles += low.tiles(node)
        columns = torch.arange(start, start + layout.width)
        if not layout.rows:
            return (columns + lanes * self._stride).view(shape_of(node))
        if layout.width * lanes > _MOST:
            raise Unsupported(f"{operation_name(node)}: a tensor of {layout.width} numbers a lane")
        each = torch.arange(lanes).unsqueeze(1) * self._stride + columns
        shape, dim = shape_of(node), lane_dim(node, lanes)
        assert dim is not None
        before = int(np.prod(shape[:dim], dtype=np.int64))
        return each.view(lanes, before, -1).movedim(0, 1).reshape(shape).contiguous()

    def number(self, value: float) -> int:
        """Return the origin of a constant."""
        self.tiles += (Number(value),)
        return width_of(self.tiles) - 1 + self._low.lanes * self._stride

    def columns(self, node: fx.Node, found: Tensor, dim: int | None) -> np.ndarray:
        """Return the columns of the sources that a result is made of.

        Args:
            node: The operation.
            found: A tensor of origins.
            dim: Its dimension with the lanes.

        Raises:
            Unsupported: Lanes are mixed.
        """
        lanes = self._low.lanes
        if dim is None:
            of_lane, columns = found // self._stride, found % self._stride
            if bool((of_lane != lanes).any()):
                raise Unsupported(
                    f"{operation_name(node)} of some of the lanes: a step may look at its own lane only"
                )
            return columns.reshape(-1).numpy()
        before = int(np.prod(found.shape[:dim], dtype=np.int64))
        each = found.reshape(before, lanes, -1).movedim(1, 0).reshape(lanes, -1)
        of_lane, columns = each // self._stride, each % self._stride
        own = torch.arange(lanes).unsqueeze(1)
        if bool(((of_lane != own) & (of_lane != lanes)).any()) or bool(
            (columns != columns[:1]).any()
        ):
            raise Unsupported(
                f"{operation_name(node)} mixes lanes: a step may look at its own lane only"
            )
        return columns[0].numpy()


@lowers(*(MOVES - set(_SPLITS)), *VIEWS)
def moves(low: Lowering, node: fx.Node) -> Tiles:
    """Lower what moves numbers: whole columns, or any."""
    tensors = [node, *node.all_input_nodes]
    if all(is_plain(n, low.lanes) for n in tensors):
        known = _columns(low, node)
        if known is not None:
            return known
    return moved(low, node)


@lowers(*_SPLITS, makes_parts=True)
def splits(low: Lowering, node: fx.Node) -> SplitParts:
    """Lower a split, whose parts are picked by ``getitem``."""
    source: Any = node.args[0]
    plain = is_plain(source, low.lanes) and node.target is not aten.unbind.int
    return SplitParts(split(low, node) if plain else None)


@lowers(operator.getitem, makes_parts=True)
def part(low: Lowering, node: fx.Node) -> Tiles:
    """Lower one part of a split."""
    source, at = node.args
    assert isinstance(source, fx.Node)
    found = low.parts(source)
    if not isinstance(at, int):
        raise Unsupported(f"a part of {operation_name(source)}", node)
    return moved(low, source, at) if found.parts is None else found.parts[at]


def moved(low: Lowering, node: fx.Node, part: int | None = None) -> Tiles:
    """Lower an operation that moves numbers, or one part of its result."""
    sources = Sources(low)
    args = pytree.tree_map_only(fx.Node, sources.of, list(node.args))
    if node.target is aten.constant_pad_nd.default:
        args[2:] = [sources.number(float(args[2]) if len(args) > 2 else 0.0)]
    target: Any = node.target
    result = target(*args, **node.kwargs)
    if target in (aten.tril.default, aten.triu.default):
        stays = target(torch.ones_like(args[0]), *args[1:])
        result = torch.where(stays == 1, result, sources.number(0.0))
    if part is None:
        return picked(low, sources.tiles, sources.columns(node, result, lane_dim(node, low.lanes)))
    pick = next(u for u in node.users if u.args[1] == part)
    dim = lane_dim(pick, low.lanes)
    return picked(low, sources.tiles, sources.columns(node, result[part], dim))


def broadcast(low: Lowering, node: fx.Node, over: fx.Node) -> Tiles:
    """Return the tiles of an operand as they are read for a result of more or larger dimensions."""
    tiles = low.tiles(node)
    if shape_of(node) == shape_of(over) or width_of(tiles) == 1:
        return tiles
    same = sizes_of(node, low.lanes) == sizes_of(over, low.lanes)[-len(shape_of(node)) :]
    if same and width_of(tiles) == layout_of(over, low.lanes).width:
        return tiles
    sources = Sources(low)
    found = sources.of(node).expand(shape_of(over))
    return picked(low, tiles, sources.columns(over, found, lane_dim(over, low.lanes)))


def picked(low: Lowering, tiles: Tiles, columns: np.ndarray) -> Tiles:
    """Return columns of tiles, in any order.

    Raises:
        Unsupported: They lie without any regularity.
    """
    found = _picked(tiles, columns)
    if len(tiles) > 1 and len(found) > max(8, 2 * len(tiles)):
        found = _picked(low.build.side_by_side(tiles), columns)
    if len(found) > max(_PIECES, len(tiles)):
        raise Unsupported("columns are put in an order without regularity")
    return tuple(found)


def _picked(tiles: Tiles, columns: np.ndarray) -> list[Operand]:
    if len(tiles) == 1 and isinstance(tiles[0], Number):
        return [Number(tiles[0].value, tiles[0].lanes_power, len(columns))]
    starts = np.cumsum([0, *(t.width for t in tiles)])
    which = np.searchsorted(starts, columns, side="right") - 1
    edges = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), len(columns)]
    operands: list[Operand] = []
    for low, high in itertools.pairwise(edges):
        tile = tiles[int(which[low])]
        if isinstance(tile, Number):
            operands.append(Number(tile.value, tile.lanes_power, high - low))
            continue
        local = columns[low:high] - starts[which[low]]
        operands += fitted(tile.value, tile.columns()[local])
    return operands


def only_leaf(tiles: Tiles) -> ColumnRange | None:
    """Return the piece that tiles are, where they are one."""
    return tiles[0] if len(tiles) == 1 and isinstance(tiles[0], ColumnRange) else None


def _columns(low: Lowering, node: fx.Node) -> Tiles | None:
    """Lower what moves whole columns, or return None."""
    target = node.target
    source: Any = node.args[0]
    if target in VIEWS:
        return _view(low, node)
    if target is aten.slice.Tensor and (len(node.args) <= 4 or node.args[4] == 1):
        return slice_columns(low, node)
    if target is aten.slice_scatter.default and (len(node.args) <= 5 or node.args[5] == 1):
        return put_columns(low, node)
    if target is aten.cat.default:
        return join(low, node)
    if target in (aten.permute.default, aten.t.default, aten.transpose.int):
        found = [s for s in shape_of(node) if s != 1]
        if found == [s for s in shape_of(source) if s != 1]:
            return low.tiles(source)
    if target is aten.repeat.default:
        return repeat(low, node)
    return None


def _view(low: Lowering, node: fx.Node) -> Tiles:
    source: Any = node.args[0]
    tiles, before = low.tiles(source), layout_of(source, low.lanes)
    after = layout_of(node, low.lanes)
    if before.width != after.width and before.width != 1:
        raise Unsupported(f"{operation_name(node)} mixes lanes and columns")
    if len(tiles) == 1 and isinstance(tiles[0], Number):
        return (Number(tiles[0].value, tiles[0].lanes_power, after.width),)
    if before.width == after.width:
        return tiles
    number = (Number(0.0, width=after.width),)
    return low.build.pointwise("add", [tiles, number], low.cuts[node], after.width)


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
        raise Unsupported(f"{operation_name(node)} over the lanes")
    if node.target is aten.slice.Tensor:
        if shape[dim] == low.lanes and shape_of(node) != shape:
            raise Unsupported(f"{operation_name(node)} of some lanes")
        if len(node.args) > 4 and node.args[4] != 1:
            raise Unsupported(f"{operation_name(node)} with a step")


def join(low: Lowering, node: fx.Node) -> Tiles:
    """Lower a join."""
    parts: Any = node.args[0]
    dim: Any = node.args[1] if len(node.args) > 1 else 0
    if shape_of(node)[dim] == low.lanes or shape_of(parts[0])[dim] == low.lanes:
        raise Unsupported(f"{operation_name(node)} over the lanes")
    return tuple(tile for part in parts for tile in low.tiles(part))


def repeat(low: Lowering, node: fx.Node) -> Tiles:
    """Lower columns that are repeated."""
    source: Any = node.args[0]
    before, after = layout_of(source, low.lanes), layout_of(node, low.lanes)
    if before.rows != after.rows or shape_of(node)[-1] != after.width:
        raise Unsupported(f"{operation_name(node)} over the lanes")
    return low.tiles(source) * (after.width // before.width)
