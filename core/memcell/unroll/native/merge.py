"""Sums of matrix products become one product added onto the other, without a pass of its own."""

from __future__ import annotations

from memcell.unroll.native.ir import Op, Piece, Value, ancestors


def merge_products(roots: list[Value]) -> None:
    """Let a product be added onto another where all that reads either is their sum.

    The sums become copies of the second product, in place.

    Args:
        roots: All that is wanted of the step.
    """
    while _merge_one(roots):
        pass


def _merge_one(roots: list[Value]) -> bool:
    values = ancestors(roots)
    readers: dict[Value, set[Value]] = {}
    for value in values:
        for operand in value.operands():
            readers.setdefault(operand, set()).add(value)
    outside = set(roots)
    for value in values:
        pair = _pair(value)
        if pair is None or outside & {*pair}:
            continue
        first, second = pair
        sums = readers[first]
        if sums != readers[second] or not all(_is_sum(s, first, second) for s in sums):
            continue
        base, top = _ordered(first, second)
        top.onto = base
        for total in sums:
            piece = next(a for a in total.args if isinstance(a, Piece) and a.value is top)
            total.name, total.args = "copy", (piece,)
        return True
    return False


def _product(value: Value) -> Value | None:
    """Return the product that a value is or is a copy of."""
    return value if value.op is Op.MATMUL and value.onto is None else None


def _pair(value: Value) -> tuple[Value, Value] | None:
    if value.op is not Op.POINT or value.name != "add":
        return None
    a, b = value.args
    if not isinstance(a, Piece) or not isinstance(b, Piece):
        return None
    first, second = _product(a.value), _product(b.value)
    if first is None or second is None or first is second or first.width != second.width:
        return None
    return first, second


def _is_sum(value: Value, first: Value, second: Value) -> bool:
    pair = _pair(value)
    if pair is None or {*pair} != {first, second}:
        return False
    a, b = value.args
    return isinstance(a, Piece) and isinstance(b, Piece) and a.offset == b.offset


def _ordered(first: Value, second: Value) -> tuple[Value, Value]:
    """Return (the one that is done first, the other)."""
    low, high = sorted((first, second), key=lambda v: v.order)
    return low, high
