"""The plan that a cell was run with last, found again without asking what the cell is made of anew.

Looking a plan up takes tens of microseconds, more than a short window of few lanes. Here everything that the
look-up goes by is compared with what it was, object by object.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from weakref import WeakKeyDictionary

import torch

from memcell.recurrent.cell import Cell
from memcell.recurrent.purity import Snapshot
from memcell.recurrent.state import leaves
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.build.target import chosen
from memcell_compiler.runtime.plan import NativePlan
from memcell_compiler.trace.inputs import Inputs

#: One for each cell.
_known: WeakKeyDictionary[Cell, KnownPlan] = WeakKeyDictionary()


def known_plan(call: WindowCall, products: torch.dtype) -> KnownPlan | None:
    """Return what a cell was run with last, None where that is not what a window needs."""
    found = _known.get(call.cell)
    return found if found is not None and found.fits(call, products) else None


def remember(
    call: WindowCall,
    products: torch.dtype,
    owners: Mapping[str, torch.nn.Parameter],
    plan: NativePlan,
    inputs: Inputs,
) -> None:
    """Keep a plan for the next window, where all that it rests on can be compared quickly.

    Args:
        call: The window.
        products: What is multiplied.
        owners: The parameters by name.
        plan: The plan.
        inputs: Of the steps.
    """
    if inputs.projects and not len(call.norms) and call.generator is None:
        _known[call.cell] = KnownPlan(call, products, owners, plan)


class KnownPlan:
    """A plan, and what it was found for.

    Args:
        call: The window.
        products: What is multiplied.
        owners: The parameters by name.
        plan: The plan.
    """

    def __init__(
        self,
        call: WindowCall,
        products: torch.dtype,
        owners: Mapping[str, torch.nn.Parameter],
        plan: NativePlan,
    ) -> None:
        self.plan, self.owners = plan, owners
        # not the cell: what is known of it must not keep it
        self._made_of = Snapshot(call.cell)
        self._looked = self._made_of.looked
        self._norms, self._target = weakref.ref(call.norms), chosen()
        self._window = _window(call, products)
        self._wanted = [p.requires_grad for p in owners.values()]

    def fits(self, call: WindowCall, products: torch.dtype) -> bool:
        """Whether looking the plan of a window up would find this one."""
        return (
            call.norms is self._norms()
            and not len(call.norms)
            and call.generator is None
            and _window(call, products) == self._window
            and self._made_of.same(call.cell)
            # not another parameter that is like the one before
            and self._made_of.looked == self._looked
            and [p.requires_grad for p in self.owners.values()] == self._wanted
            and chosen() is self._target
        )


def _window(call: WindowCall, products: torch.dtype) -> tuple[object, ...]:
    """Return what of a window decides the plan, numbers of steps and lanes aside."""
    x = call.x
    states = [(part.shape[1:], part.dtype) for part in leaves(call.state)]
    return x.shape[2:], x.dtype, x.requires_grad, states, type(call.state), products
