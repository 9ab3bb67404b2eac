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

from memcell.recurrent.refusals import SourceLine, place_of_call

aten = torch.ops.aten
_SIZES = {aten.size.default, aten.stride.default, aten.storage_offset.default}


class NotTraced(RuntimeError):
    """What a trace cannot hold.

    Args:
        what: In the author's words.
        target: The operation.
    """

    def __init__(self, what: str, target: Any) -> None:
        super().__init__(what)
        self.target = target
        #: It is about how something is written, not about what.
        self.may_be_written_otherwise = False
        #: The author's line, and whether it is the gradient of that line.
        self.place: SourceLine | None = None
        self.in_backward = torch._C._current_autograd_node() is not None


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
    recorder = _GraphRecorder(table)
    for tensor in pytree.tree_leaves(list(arguments)):
        recorder.given(tensor)
    with recorder:
        result = function(*arguments)
    recorder.graph.output(pytree.tree_map(recorder.node, result))
    return recorder.graph


class _GraphRecorder(TorchDispatchMode):
    def __init__(self, table: Mapping[Any, Callable[..., Any]]) -> None:
        # torch writes no types for it
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = fx.Graph()
        self._table = table
        # by identity: a tensor is kept, so that no other one gets its number
        self._known: dict[int, tuple[Tensor, fx.Node]] = {}
        self._constants = 0
        #: The author's lines by the order in which autograd saw what stands on them.
        self._places: dict[int, SourceLine] = {}

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
        self._placed(node)
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
            raise NotTraced(f"{func} is no operation of torch", func)
        tensors = [t for t in pytree.tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        known = [t for t in tensors if id(t) in self._known]
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise NotTraced("the step draws random numbers", func)
        if known and torch.Tag.data_dependent_output in func.tags:
            raise NotTraced(
                "a number is read out of a tensor, as `.item()`, `if` and `while` do", func
            )
        if func._schema.is_mutable:
            refused = NotTraced("a tensor is changed in place", func)
            refused.may_be_written_otherwise = True
            refused.place = self._place()
            raise refused
        result = func(*args, **kwargs)
        if tensors and not known and torch.Tag.data_dependent_output in func.tags:
            return result  # of a constant
        self._recorded(func, args, kwargs, result)
        return result

    def _place(self) -> SourceLine | None:
        """Return the author's line; in backward that of the operation whose gradient it is."""
        backward = torch._C._current_autograd_node()
        if backward is not None:
            return self._places.get(backward._sequence_nr())
        place = place_of_call()
        if place is not None:
            self._places[torch.autograd._get_sequence_nr() - 1] = place
        return place

    def _placed(self, node: fx.Node) -> None:
        node.meta["backward"] = torch._C._current_autograd_node() is not None
        node.meta["place"] = self._place()

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
        self._placed(node)
        if isinstance(result, Tensor):
            self._known[id(result)] = (result, node)
            return
        for i, part in enumerate(result if isinstance(result, list | tuple) else ()):
            if isinstance(part, Tensor):
                picked = self.graph.call_function(operator.getitem, (node, i))
                picked.meta["val"] = _sizes(part)
                picked.meta.update({k: v for k, v in node.meta.items() if k != "val"})
                self._known[id(part)] = (part, picked)


def _sizes(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return torch.empty(value.shape, dtype=value.dtype, device="meta")
