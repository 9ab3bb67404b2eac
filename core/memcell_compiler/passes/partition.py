"""Stage 3, split: which values the forward loop computes, and which of them it saves for the backward.

What only costs a few additions and products is computed again in the backward loop from what is saved
rather than stored and read: memory traffic costs more.
"""

from __future__ import annotations

from memcell_compiler.ir.elementwise import CHEAP
from memcell_compiler.ir.ir import Op, Value, ancestors


def depending(roots: list[Value], leaves: set[Value]) -> set[Value]:
    """Return the ancestors of the roots that depend on the leaves, and these."""
    found: set[Value] = set()
    for value in ancestors(roots):
        if value in leaves or any(v in found for v in value.operands()):
            found.add(value)
    return found


def to_save(backward: list[Value], cotangents: set[Value]) -> list[Value]:
    """Return the values that the backward loop takes from the forward loop, in order.

    Args:
        backward: What the backward loop must compute.
        cotangents: The leaves that only the backward loop has.
    """
    dependent = depending(backward, cotangents)
    for value in list(dependent):
        # one sum with what it is added onto: both or neither are saved
        while value.onto is not None:
            value = value.onto
            dependent.add(value)
    edge: set[Value] = set()
    for value in dependent:
        edge.update(v for v in value.operands() if v not in dependent)
    for value in backward:
        if value not in dependent:  # a gradient that is nothing, through a function without slope
            edge.update(value.operands() if value.op is Op.OUTER else [value])
    saved = {v for v in edge if not is_given(v)}
    for value in sorted(saved, key=lambda v: -v.order):
        rest = saved - {value}
        if _again(value, rest, 2):
            saved = rest
    return sorted(saved, key=lambda v: v.order)


def is_given(value: Value) -> bool:
    """Whether a value need not be saved: it is a leaf, or made of parameters alone."""
    if value.op is Op.LEAF:
        return True
    return not value.rows and value.op is Op.POINT and all(map(is_given, value.operands()))


def _again(value: Value, saved: set[Value], depth: int) -> bool:
    """Whether it is cheap to compute from what is saved and given."""
    if value.op is Op.GATHER:
        return all(is_given(v) for v in value.operands())
    if value.op is not Op.POINT or value.name not in CHEAP or depth == 0:
        return False
    return all(is_given(v) or v in saved or _again(v, saved, depth - 1) for v in value.operands())
