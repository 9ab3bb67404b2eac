"""The lowering of a traced graph: what is known of each node, and the rules by operation.

A rule says for one operation of ATen which values of the intermediate form it is. Rules register themselves
with `lowers`; `memcell_compiler.passes` loads them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import fx

from memcell.recurrent.refusals import Unsupported, operation_name
from memcell_compiler.ir.builder import Builder
from memcell_compiler.ir.ir import ColumnRange, Matrix, Tiles, Value
from memcell_compiler.passes.cuts import find_cuts
from memcell_compiler.passes.lanes import LaneNumbers
from memcell_compiler.passes.weights import weight_of
from memcell_compiler.trace.shapes import lane_dim, layout_of, shape_of


@dataclass(frozen=True)
class SplitParts:
    """The parts of a split, before one is picked; without them, they are looked for then."""

    parts: list[Tiles] | None


@dataclass(frozen=True)
class LoweringRule:
    """How an operation is lowered.

    Args:
        lower: Returns the tiles of a node, or the parts of a split.
        makes_parts: It makes, or picks, the parts of a split, which have no sizes of their own.
    """

    lower: Callable[[Lowering, fx.Node], Tiles | SplitParts]
    makes_parts: bool = False


#: Rules by the operation's overload.
RULES: dict[Any, LoweringRule] = {}
_Lower = TypeVar("_Lower", bound=Callable[..., Any])


def lowers(*targets: Any, makes_parts: bool = False) -> Callable[[_Lower], _Lower]:
    """Register a function as the rule of operations.

    >>> # @lowers(aten.cat.default)
    """

    def register(function: _Lower) -> _Lower:
        for target in targets:
            assert target not in RULES, f"two rules for {target}"
            RULES[target] = LoweringRule(function, makes_parts)
        return function

    return register


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
            self._tiles[node] = (ColumnRange(value, 0, value.width),)
            return value
        found = layout_of(node, self.lanes)
        if found.rows and any(s != 1 for s in shape[: lane_dim(node, self.lanes)]):
            raise Unsupported(f"sizes {shape} whose first one is not the lanes")
        value = self.build.leaf(name, found.width, found.rows)
        self._tiles[node] = (ColumnRange(value, 0, found.width),)
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
            raise Unsupported(f"{operation_name(node)} is used without picking a part")
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
        return (ColumnRange(value, 0, value.width),)

    def _lowered(self, node: fx.Node) -> Tiles | SplitParts:
        rule = RULES.get(node.target)
        if rule is None or not rule.makes_parts:
            layout_of(node, self.lanes)  # refuses what has the lanes twice
        if rule is None:
            raise Unsupported(f"{operation_name(node)} is not supported in generated C")
        return rule.lower(self, node)

    def parts(self, node: fx.Node) -> SplitParts:
        """Return the parts of a split.

        Raises:
            Unsupported: It is none, or could not be expressed.
        """
        found = self._tiles.get(node)
        if not isinstance(found, SplitParts):
            raise self._failed.get(node, Unsupported(f"a part of {operation_name(node)}"))
        return found

    def matrix(self, node: fx.Node) -> Matrix | None:
        """Return the weight that a node is, transposed or cut out, or None."""
        return weight_of(node, self.matrices)
