"""Constants that follow the batch size, found by tracing with two batch sizes.

A mean over the lanes leaves the constant 1/B in the graph, and nothing says where it came from. The same
step traced with another B has another constant there; ``c * B`` or ``c / B`` being equal in both says how it
follows. So one compiled program serves every B.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import fx

from memcell.recurrent.refusals import Unsupported, operation_name
from memcell_compiler.ir.ir import Number


class LaneNumbers:
    """Constants of a graph.

    Args:
        graph: A trace with ``lanes`` lanes.
        lanes: Its batch size.
        other: A trace of the same step with ``other_lanes``.
        other_lanes: Its batch size.

    Raises:
        Unsupported: The step does something else with another batch size.
    """

    def __init__(self, graph: fx.Graph, lanes: int, other: fx.Graph, other_lanes: int) -> None:
        self._powers: dict[tuple[fx.Node, int], int] = {}
        self._varying: set[fx.Node] = set()
        self._lanes = lanes
        nodes, others = list(graph.nodes), list(other.nodes)
        if [n.target for n in nodes if n.op == "call_function"] != [
            n.target for n in others if n.op == "call_function"
        ]:
            raise Unsupported("the step does something else with another number of lanes")
        for a, b in zip(nodes, others, strict=True):
            _mark(a, b, lanes, other_lanes)
            for position, (x, y) in enumerate(zip(a.args, b.args, strict=False)):
                if not isinstance(x, int | float) or not isinstance(y, int | float):
                    continue
                if x == y or (math.isnan(x) and math.isnan(y)):
                    continue
                power = _power(float(x), lanes, float(y), other_lanes)
                if power is None:
                    raise Unsupported(f"{operation_name(a)} depends on the number of lanes", a)
                self._powers[a, position] = power
                self._varying.add(a)
            if any(x != b.kwargs.get(k) for k, x in a.kwargs.items() if isinstance(x, int | float)):
                raise Unsupported(f"{operation_name(a)} depends on the number of lanes", a)

    def varies(self, node: fx.Node) -> bool:
        """Whether a constant argument of a node follows the batch size."""
        return node in self._varying

    def number(self, node: fx.Node, position: int, value: float) -> Number:
        """Return a constant argument."""
        power = self._powers.get((node, position), 0)
        return Number(value / self._lanes**power, power)


def _mark(a: fx.Node, b: fx.Node, lanes: int, other_lanes: int) -> None:
    """Note which dimensions of a node follow the number of lanes."""
    one, two = a.meta.get("val"), b.meta.get("val")
    if not isinstance(one, torch.Tensor) or not isinstance(two, torch.Tensor):
        return
    pairs = list(zip(one.shape, two.shape, strict=False))
    dims = tuple(i for i, (x, y) in enumerate(pairs) if x != y)
    a.meta["lane_dims"] = dims
    for x, y in (pairs[i] for i in dims):
        if one.dim() != two.dim() or x * other_lanes != y * lanes:
            raise Unsupported(
                f"{operation_name(a)}: a size of {x} for {lanes} lanes and {y} for {other_lanes}", a
            )


def _power(x: float, lanes: int, y: float, other_lanes: int) -> Any:
    for power in (-1, 1):
        if math.isclose(x / lanes**power, y / other_lanes**power, rel_tol=1e-12):
            return power
    return None
