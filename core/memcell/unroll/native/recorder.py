"""Records the operations that a function of tensors comes down to, below autograd and its transforms.

What `torch.fx.experimental.proxy_tensor.make_fx` does, for the little that a step needs: real tensors of
fixed sizes, operations of the dispatcher, a table of decompositions. `make_fx` imports torch's compiler and a
computer algebra system on its first call, over a second of every process that traces.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
_SIZES = {aten.size.default, aten.stride.default, aten.storage_offset.default}


def record(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    table: Mapping[Any, Callable[..., Any]],
) -> fx.Graph:
    """Return the graph of a function called with nested sequences of tensors.

    Placeholders are the tensors in order; the output is what the function returns, nested likewise. A
    tensor that is neither given nor computed is a ``get_attr``, what is no tensor stays as it is.
    Sizes and type of each result stand in ``meta["val"]``, a tensor on the device ``meta``.

    Args:
        function: Anything that reads no number out of a tensor.
        arguments: Its arguments.
        table: What an operation is taken apart into.

    Raises:
        RuntimeError: A number is read out of a tensor that is computed, a tensor that is given is
            written to, or an operation is none of the dispatcher's. Or what the function raises.
    """
    recorder = _Recorder(table)
    for tensor in pytree.tree_leaves(list(arguments)):
        recorder.given(tensor)
    with recorder:
        result = function(*arguments)
    recorder.graph.output(pytree.tree_map(recorder.node, result))
    return recorder.graph


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, table: Mapping[Any, Callable[..., Any]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = fx.Graph()
        self._table = table
        # by identity: a tensor is kept, so that no other one gets its number
        self._known: dict[int, tuple[Tensor, fx.Node]] = {}
        self._constants = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch asks this; where True its compiler is imported to be told to keep away from this class
        return False

    def given(self, tensor: Tensor) -> None:
        """Make a tensor a placeholder."""
        node = self.graph.placeholder(f"given_{len(self._known)}")
        node.meta["val"] = _sizes(tensor)
        self._known[id(tensor)] = (tensor, node)

    def node(self, value: Any) -> Any:
        """Return the node of a tensor; anything else stays as it is."""
        if not isinstance(value, Tensor):
            return value
        found = self._known.get(id(value))
        if found is not None:
            return found[1]
        # made without the dispatcher, as torch.tensor does, or from outside
        node = self.graph.create_node("get_attr", f"constant_{self._constants}")
        self._constants += 1
        node.meta["val"] = _sizes(value)
        self._known[id(value)] = (value, node)
        return node

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # signature of torch
        kwargs = kwargs or {}
        taken_apart = self._taken_apart(func, args, kwargs)
        if taken_apart is not NotImplemented:
            return taken_apart
        if not isinstance(func, torch._ops.OpOverload):
            raise RuntimeError(f"{func} is no operation of the dispatcher")
        tensors = [t for t in pytree.tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        known = [t for t in tensors if id(t) in self._known]
        if known and torch.Tag.data_dependent_output in func.tags:
            raise RuntimeError(f"a number is read out of a tensor ({func})")
        if func._schema.is_mutable:
            raise RuntimeError(f"a tensor is modified by an inplace operation ({func})")
        result = func(*args, **kwargs)
        if tensors and not known and torch.Tag.data_dependent_output in func.tags:
            return result  # of a constant
        self._recorded(func, args, kwargs, result)
        return result

    def _taken_apart(self, func: Any, args: Any, kwargs: Any) -> Any:
        rule = self._table.get(func)
        with self:
            if rule is not None:
                found = rule(*args, **kwargs)
                if found is not NotImplemented:
                    return found
            if func in _SIZES or not isinstance(func, torch._ops.OpOverload):
                return NotImplemented
            # composed of others; autograd would have taken it apart
            return func.decompose(*args, **kwargs)

    def _recorded(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        nodes = pytree.tree_map(self.node, (tuple(args), kwargs))
        node = self.graph.call_function(func, *nodes)
        node.meta["val"] = pytree.tree_map(_sizes, result)
        if isinstance(result, Tensor):
            self._known[id(result)] = (result, node)
            return
        for i, part in enumerate(result if isinstance(result, list | tuple) else ()):
            if isinstance(part, Tensor):
                picked = self.graph.call_function(operator.getitem, (node, i))
                picked.meta["val"] = _sizes(part)
                self._known[id(part)] = (part, picked)


def _sizes(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return torch.empty(value.shape, dtype=value.dtype, device="meta")
