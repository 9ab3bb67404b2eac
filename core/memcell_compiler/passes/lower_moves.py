"""Lowering of what moves numbers without computing: views, slices, permutations, joins, of any dimensions.

Such an operation is run once on tensors that hold, instead of numbers, where each number comes from. What
comes out says for every column of the result which column of which source it is, and whether lanes were
mixed; no operation needs a rule of its own.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from memcell.recurrent.refusals import Unsupported, said
from memcell_compiler.ir.ir import Number, Operand, Piece, Tiles, fitted, width_of
from memcell_compiler.trace.shapes import lane_dim, layout_of, shape_of, sizes_of

if TYPE_CHECKING:
    from memcell_compiler.passes.lower import Lowering

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
            raise Unsupported(f"{said(node)}: a tensor of {layout.width} numbers a lane")
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
                    f"{said(node)} of some of the lanes: a step may look at its own lane only"
                )
            return columns.reshape(-1).numpy()
        before = int(np.prod(found.shape[:dim], dtype=np.int64))
        each = found.reshape(before, lanes, -1).movedim(1, 0).reshape(lanes, -1)
        of_lane, columns = each // self._stride, each % self._stride
        own = torch.arange(lanes).unsqueeze(1)
        if bool(((of_lane != own) & (of_lane != lanes)).any()) or bool(
            (columns != columns[:1]).any()
        ):
            raise Unsupported(f"{said(node)} mixes lanes: a step may look at its own lane only")
        return columns[0].numpy()


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
    made: list[Operand] = []
    for low, high in itertools.pairwise(edges):
        tile = tiles[int(which[low])]
        if isinstance(tile, Number):
            made.append(Number(tile.value, tile.lanes_power, high - low))
            continue
        local = columns[low:high] - starts[which[low]]
        made += fitted(tile.value, tile.columns()[local])
    return made


def only_leaf(tiles: Tiles) -> Piece | None:
    """Return the piece that tiles are, where they are one."""
    return tiles[0] if len(tiles) == 1 and isinstance(tiles[0], Piece) else None
