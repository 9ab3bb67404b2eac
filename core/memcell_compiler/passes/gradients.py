"""Parameter gradients: what is added up over time inside the loop, and what is done once after it.

A parameter's gradient is a sum over time of sums over lanes. Going back from it through what is linear
(transposing, cutting, adding, scaling by what does not change with time) one comes to those sums: products
of two row values, or sums of one over the lanes. They are added up in the loop; the linear rest is a small
graph that torch runs once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import fx

from memcell.recurrent.refusals import Unsupported, operation_name
from memcell_compiler.ir.ir import Tiles, Value, width_of
from memcell_compiler.passes import lower_arrays
from memcell_compiler.passes.cuts import VIEWS
from memcell_compiler.passes.gradient_epilogue import TorchOperations
from memcell_compiler.passes.lower_moves import MOVES
from memcell_compiler.passes.lowering import Lowering
from memcell_compiler.trace.shapes import lane_dim, shape_of
from memcell_compiler.trace.trace import Traced

aten = torch.ops.aten
_LINEAR = VIEWS | {
    aten.neg.default,
    aten.clone.default,
    aten.add.Tensor,
    aten.sub.Tensor,
    aten.mul.Tensor,
    aten.mm.default,
    aten.bmm.default,
    aten.where.self,
    aten.mul.Scalar,
    aten.div.Tensor,
    aten.div.Scalar,
    aten.sum.dim_IntList,
    *MOVES,
}
#: Linear in one factor, where the other one does not depend on time.
_PRODUCTS = (aten.mul.Tensor, aten.mm.default, aten.bmm.default)


@dataclass(frozen=True)
class Sum:
    """Something that is added up over the loop.

    Args:
        shape: Its shape where torch takes it up.
        outer: A sum of products of row values; or
        tiles: a vector (one value, or a sum over the lanes, a piece).
    """

    shape: tuple[int, ...]
    outer: Value | None = None
    tiles: Tiles = ()

    @property
    def width(self) -> int:
        """Columns of a vector."""
        return width_of(self.tiles)


class ParameterGradients:
    """The gradients of the parameters of a traced step.

    Args:
        traced: The step.
        lowering: Its lowering, with every leaf made.
        wanted: Names of the parameters whose gradient is wanted.

    Attributes:
        sums: What the loop adds up.
        epilogue: The linear rest.
    """

    def __init__(self, traced: Traced, lowering: Lowering, parameters: frozenset[str]) -> None:
        self._lowering = lowering
        self._lanes = traced.lanes
        self._parameters = {node: name for name, node in traced.parameters.items()}
        self._parameters |= {node: name for name, node in _still_buffers(traced)}
        gradients = {
            name: node
            for name, node in traced.parameter_gradients.items()
            if node is not None and name in parameters
        }
        self._timed = _depending_on_time(traced)
        gradients = {n: g for n, g in gradients.items() if g in self._timed}
        ends: dict[fx.Node, None] = {}
        for node in gradients.values():
            self._ends(node, ends)
        self.sums: list[Sum] = []
        #: Where several sums are one end: by matrix of a batch, numbers of the sums that are added.
        self._several: dict[fx.Node, list[list[int]]] = {}
        self._single: dict[fx.Node, int] = {}
        for node in ends:
            try:
                self._add(node)
            except Unsupported as refused:
                refused.node = refused.node or node
                raise
        self.epilogue = self._epilogue(list(ends), gradients)

    def _ends(self, node: fx.Node, ends: dict[fx.Node, None]) -> None:
        if node not in self._timed or node in ends:
            return
        timed = [a for a in node.all_input_nodes if a in self._timed]
        lanes = self._lanes
        linear = node.target in _LINEAR and all(lane_dim(a, lanes) is None for a in timed)
        linear = linear and not self._lowering.numbers.varies(node)  # the loop knows how many
        if linear and node.target in (*_PRODUCTS, aten.div.Tensor):
            linear = len(timed) == 1 and (node.target in _PRODUCTS or node.args[0] in self._timed)
        if linear and node.target is aten.where.self:
            linear = node.args[0] not in self._timed
        if not linear or not timed:
            ends[node] = None
            return
        for argument in timed:
            self._ends(argument, ends)

    def _add(self, node: fx.Node) -> None:
        """Add up an end: one sum, or for a product over the lanes of more dimensions several."""
        pairs = None
        if node.target in (aten.mm.default, aten.bmm.default):
            pairs = lower_arrays.outer_products(self._lowering, node)
        if pairs is None:
            found = Sum(shape_of(node), tiles=self._lowering.tiles(node))
            if found not in self.sums:  # several biases of one sum have one gradient
                self.sums.append(found)
            self._single[node] = self.sums.index(found)
            return
        shape = shape_of(node)[-2:]
        numbers = []
        for batch in pairs:
            first = len(self.sums)
            self.sums += [Sum(shape, outer=self._lowering.build.outer(*pair)) for pair in batch]
            numbers.append(list(range(first, len(self.sums))))
        if node.target is aten.mm.default and numbers == [numbers[0][:1]]:
            self._single[node] = numbers[0][0]
        else:
            self._several[node] = numbers

    def _epilogue(self, ends: list[fx.Node], results: dict[str, fx.Node]) -> TorchOperations:
        needed: dict[fx.Node, None] = {}
        order: list[fx.Node] = []
        seen = set(ends)

        def visit(node: fx.Node) -> None:
            if node in seen:
                return
            seen.add(node)
            if node.op == "placeholder":
                if node not in self._parameters:
                    raise Unsupported("a weight's gradient needs more than sums over time", node)
                needed[node] = None
                return
            if self._lowering.numbers.varies(node):
                raise Unsupported(
                    f"a weight's gradient depends on the number of lanes ({operation_name(node)})",
                    node,
                )
            for argument in node.all_input_nodes:
                visit(argument)
            order.append(node)

        for node in results.values():
            visit(node)
        return TorchOperations.of(
            len(self.sums),
            self._single,
            self._several,
            {n: self._parameters[n] for n in needed},
            order,
            results,
        )


def _still_buffers(traced: Traced) -> Iterator[tuple[str, fx.Node]]:
    """Yield the cell's buffers; a normalizer's are left in the loop, where the sums by them are."""
    for name, node in traced.buffers.items():
        if name.startswith("cell."):
            yield name, node


def _depending_on_time(traced: Traced) -> set[fx.Node]:
    still = {*traced.parameters.values(), *(node for _, node in _still_buffers(traced))}
    found: set[fx.Node] = set()
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            if node not in still:
                found.add(node)
        elif any(a in found for a in node.all_input_nodes):
            found.add(node)
    return found
