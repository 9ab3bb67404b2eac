"""The linear rest of parameter gradients: a few operations that torch runs once after the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx


@dataclass(frozen=True)
class Ref:
    """The tensor of this number: what is given, then the results of the operations, in order."""

    number: int


@dataclass(frozen=True)
class Operation:
    """An operation of torch.

    Args:
        name: As in ``aten.slice.Tensor``.
        args: Numbers, words, `Ref`, torch's own words (types, layouts), and sequences of them.
        kwargs: Likewise.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class TorchOperations:
    """From what the loop added up to the gradients.

    Args:
        parameters: Names of the parameters that are given beside the sums.
        operations: In order.
        results: Tensor of each parameter's gradient.
    """

    parameters: tuple[str, ...]
    operations: tuple[Operation, ...]
    results: dict[str, Ref]

    @classmethod
    def of(
        cls,
        sums: int,
        single: Mapping[fx.Node, int],
        several: Mapping[fx.Node, list[list[int]]],
        parameters: Mapping[fx.Node, str],
        order: Sequence[fx.Node],
        results: Mapping[str, fx.Node],
    ) -> TorchOperations:
        """Take nodes of a graph, in the order in which they are computed.

        Args:
            sums: How many tensors are added up in the loop.
            single: Nodes that are one of them, by number.
            several: Nodes that are a stack of matrices (a product of two: one), each the sum of some.
            parameters: Nodes that are parameters, with their names.
            order: Nodes that are computed.
            results: Nodes of the gradients, by parameter.
        """
        known = {node: Ref(number) for node, number in single.items()}
        known |= {node: Ref(sums + i) for i, node in enumerate(parameters)}
        operations: list[Operation] = []

        def run(name: str, *args: Any, **kwargs: Any) -> Ref:
            operations.append(Operation(name, args, kwargs))
            return Ref(sums + len(parameters) + len(operations) - 1)

        def plain(value: Any) -> Any:
            if isinstance(value, fx.Node):
                return known[value]
            if isinstance(value, list | tuple):
                return [plain(v) for v in value]
            return value

        for node, batches in several.items():
            matrices = []
            for first, *rest in batches:
                total = Ref(first)
                for number in rest:
                    total = run("aten.add.Tensor", total, Ref(number))
                matrices.append(total)
            flat = node.target is torch.ops.aten.mm.default
            known[node] = matrices[0] if flat else run("aten.stack.default", matrices, 0)
        for node in order:
            args = (plain(a) for a in node.args)
            kwargs = {k: plain(v) for k, v in node.kwargs.items()}
            known[node] = run(str(node.target), *args, **kwargs)
        return cls(
            tuple(parameters.values()),
            tuple(operations),
            {name: known[node] for name, node in results.items()},
        )

    def __call__(
        self, sums: Sequence[Tensor], parameters: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the gradients by parameter.

        No two are the same tensor: they may be added to in place.
        """
        tensors = [*sums, *(parameters[name] for name in self.parameters)]

        for call, args, refs, kwargs in self._calls:
            if refs is None:
                given = {k: _filled(v, tensors) for k, v in kwargs.items()}
                tensors.append(call(*(_filled(a, tensors) for a in args), **given))
                continue
            filled = list(args)
            for place, number in refs:
                filled[place] = tensors[number]
            tensors.append(call(*filled, **kwargs))
        taken: set[int] = set()
        result: dict[str, Tensor] = {}
        for name, ref in self.results.items():
            gradient = tensors[ref.number]
            if gradient.data_ptr() in taken:
                gradient = gradient.clone()
            taken.add(gradient.data_ptr())
            result[name] = gradient
        return result

    @cached_property
    def _calls(self) -> list[_Call]:
        """For each operation the function, its arguments, where tensors are put among them, and options."""
        return [_prepared(operation) for operation in self.operations]


_Call = tuple[Any, tuple[Any, ...], list[tuple[int, int]] | None, dict[str, Any]]


def _prepared(operation: Operation) -> _Call:
    """Return an operation with its function, and which of its arguments are tensors; None: look for them."""
    args, kwargs = operation.args, operation.kwargs
    refs = [(place, v.number) for place, v in enumerate(args) if isinstance(v, Ref)]
    deep = any(isinstance(v, list) for v in args) or any(
        isinstance(v, list | Ref) for v in kwargs.values()
    )
    return _resolved(operation.name), args, None if deep else refs, kwargs


def _filled(value: Any, tensors: Sequence[Tensor]) -> Any:
    """Return an argument with tensors for their numbers."""
    if isinstance(value, Ref):
        return tensors[value.number]
    return [_filled(v, tensors) for v in value] if isinstance(value, list) else value


def _resolved(name: str) -> Any:
    namespace, packet, overload = name.split(".")
    return getattr(getattr(getattr(torch.ops, namespace), packet), overload)
