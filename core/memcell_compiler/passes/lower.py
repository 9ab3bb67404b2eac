"""Stage 2, lower: from a traced graph to values of the intermediate form."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx

from memcell.recurrent.refusals import Unsupported, said
from memcell_compiler.ir.builder import Builder
from memcell_compiler.ir.elementwise import ELEMENTWISE
from memcell_compiler.ir.ir import Matrix, Number, Piece, Tiles, Value
from memcell_compiler.passes import lower_arrays, lower_columns, lower_rows
from memcell_compiler.passes.cuts import VIEWS, find_cuts
from memcell_compiler.passes.lanes import LaneNumbers
from memcell_compiler.passes.lower_moves import MOVES, broadcast, moved
from memcell_compiler.passes.weights import weight_of
from memcell_compiler.trace.shapes import dtype_of, is_plain, lane_dim, layout_of, shape_of

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
_REDUCTIONS = {
    aten.sum.dim_IntList: "sum",
    aten.sum.default: "sum",
    aten.amax.default: "max",
    aten.amin.default: "min",
}

_SPLITS = (aten.split.Tensor, aten.split_with_sizes.default, aten.unbind.int)
#: Numbers made of parameters alone that are computed within the loop's function rather than before it.
_WIDE = 4096


@dataclass(frozen=True)
class SplitParts:
    """The parts of a split, before one is picked; without them, they are looked for then."""

    parts: list[Tiles] | None


class Lowering:
    """Lowers the nodes of a graph, once every leaf is made.

    Args:
        graph: Core ATen operations.
        lanes: The batch size that it was traced with.
        numbers: Constants that follow the batch size.
    """

    def __init__(self, graph: fx.Graph, lanes: int, numbers: LaneNumbers) -> None:
        self.lanes, self.numbers = lanes, numbers
        self.build = Builder()
        self.cuts = find_cuts(graph, lanes)
        self.matrices: dict[fx.Node, Matrix] = {}
        self.transposed: dict[fx.Node, fx.Node] = {}
        self._graph = graph
        self._done = False
        #: Made of parameters alone, and computed before the loop.
        self.before: dict[fx.Node, Value] = {}
        self._constants: set[fx.Node] = set()
        self._still: dict[fx.Node, bool] = {}
        self._tiles: dict[fx.Node, Tiles | SplitParts] = {}
        self._failed: dict[fx.Node, Unsupported] = {}

    def leaf(self, node: fx.Node, name: str, parameter: bool) -> Value:
        """Make a placeholder a leaf."""
        shape = shape_of(node)
        if parameter:
            self._constants.add(node)
        if parameter and len(shape) == 2:
            rows, columns = shape
            value = self.build.leaf(name, rows * columns, False)
            self.matrices[node] = Matrix(value, columns, 0, False, shape)
            self._tiles[node] = (Piece(value, 0, value.width),)
            return value
        found = layout_of(node, self.lanes)
        if found.rows and any(s != 1 for s in shape[: lane_dim(node, self.lanes)]):
            raise Unsupported(f"sizes {shape} whose first one is not the lanes")
        value = self.build.leaf(name, found.width, found.rows)
        self._tiles[node] = (Piece(value, 0, found.width),)
        return value

    def tiles(self, node: fx.Node) -> Tiles:
        """Return the pieces of a node.

        Raises:
            Unsupported: It, or what it is computed from, cannot be expressed.
        """
        if not self._done:
            self._done = True
            for each in self._graph.nodes:  # in order, so that no recursion goes deep
                self._try(each)
        if node not in self._tiles and node not in self._failed:  # a weight: as numbers, for once
            self._lower(node)
        if node in self._failed:
            if self.is_still(node):
                return self.made_before(node)
            raise self._failed[node]
        found = self._tiles[node]
        if isinstance(found, SplitParts):
            raise Unsupported(f"{said(node)} is used without picking a part")
        return found

    def _try(self, node: fx.Node) -> None:
        if self.matrix(node) is None and node not in self._tiles:
            self._lower(node)

    def _lower(self, node: fx.Node) -> None:
        if node.op != "call_function":
            return
        try:
            self._tiles[node] = self._lowered(node)
        except Unsupported as e:  # said when something that is wanted needs it
            e.node = node if e.node is None else e.node
            self._failed[node] = e

    def is_still(self, node: fx.Node) -> bool:
        """Whether a node is made of parameters and buffers alone: the same for all lanes and steps."""
        if node not in self._still:
            self._still[node] = node in self._constants or (
                isinstance(node.target, torch._ops.OpOverload)
                and torch.Tag.nondeterministic_seeded not in node.target.tags
                and not self.numbers.varies(node)
                and isinstance(node.meta.get("val"), torch.Tensor)
                and lane_dim(node, self.lanes) is None
                and all(map(self.is_still, node.all_input_nodes))
            )
        return self._still[node]

    def made_before(self, node: fx.Node) -> Tiles:
        """Return a node as something given, that torch computes from the parameters before the loop."""
        if node not in self.before:
            name = f"H{len(self.before)}"
            value = self.build.leaf(name, layout_of(node, self.lanes).width, False)
            self.before[node] = value
        value = self.before[node]
        return (Piece(value, 0, value.width),)

    def _lowered(self, node: fx.Node) -> Tiles | SplitParts:
        target, args = node.target, node.args
        source: Any = args[0] if args else None
        if target in _CONSTANTS:
            return self._constant(node)
        if target is operator.getitem:
            split = self._tiles.get(source)
            if not isinstance(split, SplitParts) or not isinstance(args[1], int):
                raise self._failed.get(source, Unsupported(f"a part of {said(source)}", node))
            if split.parts is None:
                return moved(self, source, args[1])
            return split.parts[args[1]]
        if target in _SPLITS:
            plain = is_plain(source, self.lanes) and target is not aten.unbind.int
            return SplitParts(lower_columns.split(self, node) if plain else None)
        layout_of(node, self.lanes)
        if target in MOVES or target in VIEWS:
            return self._moved(node)
        if target in ELEMENTWISE:
            return self._elementwise(node, ELEMENTWISE[target])
        if target in _REDUCTIONS:
            return self._reduction(node, _REDUCTIONS[target])
        if target is aten.bmm.default:
            return lower_arrays.product(self, node)
        if target is aten.mm.default:
            return self._product(node)
        if target in (aten.clamp.default, aten.clamp_min.default, aten.clamp_max.default):
            return self._clamp(node)
        if target is aten.index.Tensor:
            return lower_rows.index(self, node)
        if target in (aten.index_put.default, aten.index_add.default):
            return lower_rows.scatter(self, node)
        if target is aten.index_select.default and args[1] == 0:
            return lower_rows.take(self, node, source, args[2])  # type: ignore[arg-type]
        raise Unsupported(f"{said(node)} is not supported in generated C")

    def _moved(self, node: fx.Node) -> Tiles:
        tensors = [node, *node.all_input_nodes]
        if all(is_plain(n, self.lanes) for n in tensors):
            known = self._columns(node)
            if known is not None:
                return known
        return moved(self, node)

    def _columns(self, node: fx.Node) -> Tiles | None:
        """Lower what moves whole columns, or return None."""
        target = node.target
        source: Any = node.args[0]
        if target in VIEWS:
            return self._view(node)
        if target is aten.slice.Tensor and (len(node.args) <= 4 or node.args[4] == 1):
            return lower_columns.slice_columns(self, node)
        if target is aten.slice_scatter.default and (len(node.args) <= 5 or node.args[5] == 1):
            return lower_columns.put_columns(self, node)
        if target is aten.cat.default:
            return lower_columns.join(self, node)
        if target in (aten.permute.default, aten.t.default, aten.transpose.int):
            found = [s for s in shape_of(node) if s != 1]
            if found == [s for s in shape_of(source) if s != 1]:
                return self.tiles(source)
        if target is aten.repeat.default:
            return lower_columns.repeat(self, node)
        return None

    def _constant(self, node: fx.Node) -> Tiles:
        which = _CONSTANTS[node.target]
        value = node.args[which] if isinstance(which, int) else which
        if not isinstance(value, bool | int | float):
            raise Unsupported(f"{said(node)} of something that is not a number")
        number = Number(float(value))
        if isinstance(which, int):
            number = self.numbers.number(node, which, float(value))
        return (replace(number, width=layout_of(node, self.lanes).width),)

    def _operand(self, node: fx.Node, position: int, plain: bool) -> Tiles:
        argument = node.args[position]
        if isinstance(argument, fx.Node):
            plain = plain and is_plain(argument, self.lanes)
            return self.tiles(argument) if plain else broadcast(self, argument, node)
        if isinstance(argument, bool | int | float):
            return (self.numbers.number(node, position, float(argument)),)
        raise Unsupported(f"{said(node)} of {argument!r}")

    def _elementwise(self, node: fx.Node, name: str) -> Tiles:
        self._check_types(node, name)
        plain = is_plain(node, self.lanes)
        operands = [self._operand(node, i, plain) for i in range(len(node.args))]
        width = layout_of(node, self.lanes).width
        if width > _WIDE and self.is_still(node):
            raise Unsupported("many numbers made of parameters alone")
        alpha = node.kwargs.get("alpha", 1)
        if alpha != 1:
            assert isinstance(alpha, int | float)
            operands[1] = self.build.pointwise("mul", [operands[1], (Number(float(alpha)),)], set())
        return self.build.pointwise(name, operands, self.cuts[node], width)

    def _check_types(self, node: fx.Node, name: str) -> None:
        made, taken = dtype_of(node), [dtype_of(a) for a in node.all_input_nodes]
        if (
            name == "copy"
            and not made.is_floating_point
            and any(t.is_floating_point for t in taken)
        ):
            raise Unsupported(f"{said(node)} from {taken[0]} to {made}")
        floats = {t for t in (made, *taken) if t.is_floating_point}
        if any(t.is_complex for t in (made, *taken)):
            raise Unsupported(
                f"{said(node)} of complex numbers, which generated C has not: keep real and imaginary "
                "part as two real tensors"
            )
        if len(floats) > 1:
            raise Unsupported(f"{said(node)} mixes {', '.join(sorted(map(str, floats)))}")
        if name in ("and", "or", "not") and made != torch.bool:
            raise Unsupported(f"{said(node)} on {made}")

    def _view(self, node: fx.Node) -> Tiles:
        source: Any = node.args[0]
        tiles, before = self.tiles(source), layout_of(source, self.lanes)
        after = layout_of(node, self.lanes)
        if before.width != after.width and before.width != 1:
            raise Unsupported(f"{said(node)} mixes lanes and columns")
        if len(tiles) == 1 and isinstance(tiles[0], Number):
            return (Number(tiles[0].value, tiles[0].lanes_power, after.width),)
        if before.width == after.width:
            return tiles
        number = (Number(0.0, width=after.width),)
        return self.build.pointwise("add", [tiles, number], self.cuts[node], after.width)

    def _reduction(self, node: fx.Node, name: str) -> Tiles:
        source: Any = node.args[0]
        if not is_plain(source, self.lanes):
            return lower_arrays.reduce(self, node, name)
        shape, before = shape_of(source), layout_of(source, self.lanes)
        dims: Any = node.args[1] if len(node.args) > 1 and node.args[1] else range(len(shape))
        sizes = [shape[d] for d in dims]
        tiles = self.tiles(source)
        if any(s not in (1, self.lanes) for s in sizes):
            tiles = self.build.row_reduction(name, tiles, before)
        if self.lanes in sizes:
            if name != "sum":
                raise Unsupported(f"{said(node)} over the lanes")
            tiles = self.build.batch_sum(tiles, self.cuts[node])
        return tiles

    def _product(self, node: fx.Node) -> Tiles:
        left, right = node.args[0], node.args[1]
        assert isinstance(left, fx.Node)
        assert isinstance(right, fx.Node)
        matrix = self.matrix(right)
        if matrix is None or not is_plain(left, self.lanes) or not layout_of(left, self.lanes).rows:
            return lower_arrays.product(self, node)
        return self.build.matmul(self.tiles(left), matrix)

    def matrix(self, node: fx.Node) -> Matrix | None:
        """Return the weight that a node is, transposed or cut out, or None."""
        return weight_of(node, self.matrices)

    def _clamp(self, node: fx.Node) -> Tiles:
        tiles = self.tiles(node.args[0])  # type: ignore[arg-type]
        low = (
            node.args[1]
            if len(node.args) > 1 and node.target is not aten.clamp_max.default
            else None
        )
        high = node.args[-1] if node.target is aten.clamp_max.default else None
        if node.target is aten.clamp.default and len(node.args) > 2:
            high = node.args[2]
        last = len(node.args) - 1
        for name, limit, at in (("maximum", low, 1), ("minimum", high, last)):
            if limit is not None:
                if not isinstance(limit, int | float):
                    raise Unsupported(f"{said(node)} between tensors")
                tiles = self.build.pointwise(
                    name, [tiles, (self.numbers.number(node, at, float(limit)),)], self.cuts[node]
                )
        return tiles
