"""From a traced step to the programs that run it: forward with what is saved, backward, inference."""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx

from memcell.recurrent.refusals import Unsupported
from memcell_compiler.emit.layout import ArrayLayout, SumArray
from memcell_compiler.ir.ir import ColumnRange, Number, Tiles, Value, ancestors
from memcell_compiler.ir.program import Added, Array, Program, State, StorePlace

# the rules of lowering register themselves when they are imported
from memcell_compiler.passes import (  # noqa: F401
    lower_arrays,
    lower_moves,
    lower_pointwise,
    lower_rows,
)
from memcell_compiler.passes.gradient_epilogue import TorchOperations
from memcell_compiler.passes.gradients import ParameterGradients, Sum
from memcell_compiler.passes.lane_sum_factors import pull_factors
from memcell_compiler.passes.lanes import LaneNumbers
from memcell_compiler.passes.lowering import Lowering
from memcell_compiler.passes.merge import merge_products
from memcell_compiler.passes.partition import to_save
from memcell_compiler.passes.storage_requests import fills_panels
from memcell_compiler.trace.inputs import GradientRequest
from memcell_compiler.trace.shapes import layout_of, shape_of
from memcell_compiler.trace.trace import Traced

#: Numbers of a line of the cache, in float32.
LINE = 16
#: Numbers of a record for which up to a line more is little.
LONG_RECORD = 8 * LINE


@dataclass(frozen=True)
class Programs:
    """A step's programs.

    Args:
        forward: With what is saved.
        backward: Of it.
        inference: Saves nothing.
        layout: What their arrays are.
    """

    forward: Program
    backward: Program
    inference: Program
    layout: ArrayLayout


class _Construction:
    def __init__(self, traced: Traced, numbers: LaneNumbers, request: GradientRequest) -> None:
        self.traced, self.request = traced, request
        self.lowering = Lowering(traced.graph, traced.lanes, numbers)
        self.given: dict[Value, StorePlace] = {}
        self.parameters: dict[str, str] = {}
        self.buffers: dict[str, str] = {}

    def programs(self, statistics_sites: dict[str, int]) -> Programs:
        traced, lowering = self.traced, self.lowering
        self._constants("P", traced.parameters, self.parameters, True)
        self._constants("Q", traced.buffers, self.buffers, True)
        for i, node in enumerate(traced.inputs):
            self._steps(node, f"x{i}")
        for i, node in enumerate(traced.norm_inputs):
            self._steps(node, f"m{i}")
        before = [self._steps(n, f"s{i}_in", True) for i, n in enumerate(traced.state)]
        dy = self._steps(traced.output_cotangent, "dy", True)
        after = [self._steps(n, f"d{i}_in", True) for i, n in enumerate(traced.state_cotangents)]
        self.carried = {v for v in after if v is not None}
        assert dy is not None
        for value, node in zip(before, traced.state, strict=True):
            if value is None or not value.rows:
                raise Unsupported(f"a state of sizes [B, …] is needed, here is {shape_of(node)}")
        if len(shape_of(traced.output)) != 2:
            raise Unsupported(f"an output [B, H] is needed, here is {shape_of(traced.output)}")

        states = [lowering.tiles(n) for n in traced.after]
        output = lowering.tiles(traced.output)
        statistics = [lowering.tiles(n) for n in traced.statistics]
        cotangents = {v for v in (dy, *after) if v is not None}
        state_gradients = [
            self._gradient(g, n) for g, n in zip(traced.state_gradients, traced.state, strict=True)
        ]
        input_gradients = [
            self._gradient(g, n) if w else None
            for g, n, w in zip(
                traced.input_gradients, traced.inputs, self.request.inputs, strict=True
            )
        ]
        gradients = ParameterGradients(traced, lowering, self.request.parameters)
        added = [self._added(i, s) for i, s in enumerate(gradients.sums)]
        backward_tiles = [*state_gradients, *(g for g in input_gradients if g)]
        roots = _values([*states, output, *statistics, *backward_tiles])
        sums = _values([a.tiles for a in added]) + [a.outer for a in added if a.outer]
        merge_products([*roots, *sums])
        pull_factors([*roots, *sums], lowering.build)
        saved = to_save(_values(backward_tiles) + sums, cotangents)

        before_loop = self._before([*roots, *sums])
        places, saved_rows, saved_vector = _saved_places(saved)
        widths = [layout_of(n, traced.lanes).width for n in traced.state]
        forward_states = [
            State(f"s{i}", w, v, tiles)
            for i, (w, v, tiles) in enumerate(zip(widths, before, states, strict=True))
            if v is not None
        ]
        y = Array("y", layout_of(traced.output, traced.lanes).width, True)
        stores = [(output, StorePlace(y))]
        for i, (tiles, node) in enumerate(zip(statistics, traced.statistics, strict=True)):
            found = layout_of(node, traced.lanes)
            stores.append((tiles, StorePlace(Array(f"g{i}", found.width, found.rows))))
        keeps = [((ColumnRange(v, 0, v.width),), place) for v, place in places.items()]
        only_forward = {v: p for v, p in self.given.items() if v not in cotangents}
        given = dict(self.given)
        given.update(places)
        for i, value in enumerate(before):
            if value is not None:
                given[value] = StorePlace(Array(f"s{i}_before", value.width, True))
        return Programs(
            forward=Program("forward", False, only_forward, [*stores, *keeps], forward_states),
            inference=Program("inference", False, only_forward, stores, forward_states),
            backward=Program(
                "backward",
                True,
                given,
                [
                    (g, StorePlace(Array(f"dx{i}", sum(t.width for t in g), True)))
                    for i, g in enumerate(input_gradients)
                    if g
                ],
                [
                    State(f"d{i}", w, v, tiles)
                    for i, (w, v, tiles) in enumerate(
                        zip(widths, after, state_gradients, strict=True)
                    )
                    if v is not None
                ],
                added,
            ),
            layout=ArrayLayout(
                saved=(saved_rows, saved_vector),
                output=y.width,
                states=tuple(widths),
                statistics=tuple(
                    tuple(None if s == traced.lanes else s for s in shape_of(n))
                    for n in traced.statistics
                ),
                parameters=self.parameters,
                buffers=self.buffers,
                read=tuple(dict.fromkeys(p.array.name for p in only_forward.values())),
                input_gradients=tuple(g is not None for g in input_gradients),
                output_state=states.index(output) if output in states else None,
                sums=tuple(
                    SumArray(a.name, s.shape[::-1] if a.swapped else s.shape, a.swapped)
                    for a, s in zip(added, gradients.sums, strict=True)
                ),
                epilogue=gradients.epilogue,
                statistics_sites=statistics_sites,
                before=before_loop,
            ),
        )

    def _before(self, roots: list[Value]) -> TorchOperations:
        """Find what must be computed before the loop, and give it to the programs."""
        read = {v.matrix.leaf for v in ancestors(roots) if v.matrix is not None}
        read |= set(ancestors(roots))
        values = {n: v for n, v in self.lowering.before.items() if v in read}
        sources = {node: name for name, node in self.traced.parameters.items()}
        sources |= {node: name for name, node in self.traced.buffers.items()}
        order: dict[fx.Node, None] = {}

        def visit(node: fx.Node) -> None:
            if node in order or node in sources:
                return
            for argument in node.all_input_nodes:
                visit(argument)
            order[node] = None

        for node, value in values.items():
            visit(node)
            self.given[value] = StorePlace(Array(value.name, value.width, False, steps=False))
        needed = {a: sources[a] for node in order for a in node.all_input_nodes if a in sources}
        results = {value.name: node for node, value in values.items()}
        return TorchOperations.of(0, {}, {}, needed, list(order), results)

    def _constants(
        self, letter: str, nodes: dict[str, fx.Node], names: dict[str, str], matrices: bool
    ) -> None:
        for i, (name, node) in enumerate(nodes.items()):
            if not node.users:
                continue
            value = self.lowering.leaf(node, f"{letter}{i}", matrices)
            self.given[value] = StorePlace(Array(value.name, value.width, False, steps=False))
            names[value.name] = name

    def _steps(self, node: fx.Node, name: str, always: bool = False) -> Value | None:
        if not node.users and not always:
            return None
        value = self.lowering.leaf(node, name, False)
        self.given[value] = StorePlace(Array(name, value.width, value.rows))
        return value

    def _gradient(self, gradient: fx.Node | None, of: fx.Node) -> Tiles:
        width = layout_of(of, self.traced.lanes).width
        if gradient is None:
            return (Number(0.0, width=width),)
        return self.lowering.tiles(gradient)

    def _added(self, i: int, entry: Sum) -> Added:
        name = f"a{i}"
        if entry.outer is None:
            for tile in entry.tiles:
                if isinstance(tile, Number) and tile.value != 0:
                    raise Unsupported("a weight's gradient that is a constant")
            return Added(name, entry.width, tiles=entry.tiles)
        outer = entry.outer
        # the right factor is packed, and what the loop computes can be written so
        turn = fills_panels(outer.args) and not self._lies(outer.args)
        if not fills_panels(outer.right):
            turn = turn or (self._lies(outer.args) and not self._lies(outer.right))
        if turn:
            flipped = self.lowering.build.outer(outer.right, outer.args)
            return Added(name, flipped.width, outer=flipped, swapped=True)
        return Added(name, outer.width, outer=outer)

    def _lies(self, tiles: Tiles) -> bool:
        first = tiles[0]
        if len(tiles) != 1 or not isinstance(first, ColumnRange) or first.value not in self.given:
            return False
        return not first.sizes and first.value not in self.carried  # that is there for a step only


def _saved_places(saved: list[Value]) -> tuple[dict[Value, StorePlace], int, int]:
    """Return where saved values lie in a record, and its columns for each lane and for each step.

    Whole lines of the cache come first, and a long record is made of such: a vector that crosses two of them
    is read and written twice.
    """
    saved = sorted(saved, key=lambda v: v.width % LINE != 0)
    rows = sum(v.width for v in saved if v.rows)
    if rows >= LONG_RECORD:
        rows = -(-rows // LINE) * LINE
    vector = sum(v.width for v in saved if not v.rows)
    arrays = {True: Array("saved", rows, True), False: Array("saved_vector", vector, False)}
    at = {True: 0, False: 0}
    places = {}
    for value in saved:
        places[value] = StorePlace(arrays[value.rows], at[value.rows])
        at[value.rows] += value.width
    return places, rows, vector


def _values(tiles: list[Tiles]) -> list[Value]:
    return [t.value for several in tiles for t in several if isinstance(t, ColumnRange)]


def construct(
    traced: Traced, numbers: LaneNumbers, request: GradientRequest, statistics_sites: dict[str, int]
) -> Programs:
    """Lower a traced step and split it into programs.

    Args:
        traced: The step.
        numbers: Its constants that follow the number of lanes.
        request: Which gradients.
        statistics_sites: How many tensors of statistics each site has.

    Raises:
        Unsupported: It cannot be expressed.
    """
    return _Construction(traced, numbers, request).programs(statistics_sites)
