"""One step run once with open eyes: what torch.compile would accept and then do otherwise is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from memcell.backends.inductor.chunk import Form, StepChunk, run_chunk
from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.purity import watched
from memcell.recurrent.refusals import Unsupported, hint_of, operation_name, place_of_call
from memcell.recurrent.state import State, leaves


class _Eyes(TorchDispatchMode):
    """Sees every operation below autograd.

    Args:
        given: Tensors that a step may read and must not write.
    """

    def __init__(self, given: Iterable[Tensor]) -> None:
        # torch writes no types for it
        super().__init__()  # type: ignore[no-untyped-call]
        self.given = {t.untyped_storage().data_ptr() for t in given}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # signature of torch
        if torch.Tag.nondeterministic_seeded in func.tags:
            # compiled code draws from a generator of its own: other numbers than the eager loop's
            raise Unsupported(
                f"{_where()}the step is random ({operation_name(func)}): {hint_of(func)}"
            )
        if func is torch.ops.aten._local_scalar_dense.default:
            raise Unsupported(
                f"{_where()}the step reads a number out of a tensor, as `.item()`, `if` and `while` do: "
                f"{hint_of(func)}"
            )
        if func._schema.is_mutable:
            for schema, value in zip(func._schema.arguments, args, strict=False):
                if schema.alias_info is None or not schema.alias_info.is_write:
                    continue
                for t in pytree.tree_leaves(value):
                    if isinstance(t, Tensor) and t.untyped_storage().data_ptr() in self.given:
                        raise Unsupported(
                            f"{_where()}the step writes into what it is given: make a new tensor"
                        )
        return func(*args, **(kwargs or {}))


def _where() -> str:
    place = place_of_call()
    return f"{place}: " if place is not None and str(place) else ""


def probe(
    cell: Cell, norms: SiteNorms, form: Form, chunk: StepChunk, state: State, initial_state: State
) -> None:
    """Run the first step of a chunk without gradient.

    Raises:
        Unsupported: The step is random, depends on the value of a tensor, writes into its inputs, or
            keeps something on itself.
    """
    first: StepChunk = pytree.tree_map(lambda t: t[:1], chunk)
    given = [*pytree.tree_leaves(first), *leaves(state), *leaves(initial_state)]
    for module in (cell, norms):
        given += [*module.parameters(), *module.buffers()]
    both = nn.ModuleDict({"cell": cell, "norms": norms})
    with torch.no_grad(), watched(both), _Eyes(given):
        # not masked: the step gets the very state, not a copy made by where
        plain = form._replace(masked=False, every=False)
        run_chunk(cell, norms, plain, first, state, initial_state)
