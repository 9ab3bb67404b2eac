"""Sums of matrix products become one product, each added onto the one before, without passes of their own."""

from __future__ import annotations

import itertools
from dataclasses import replace

from memcell_compiler.ir.ir import ColumnRange, Op, Value, ancestors


def merge_products(roots: list[Value]) -> None:
    """Let a product be added onto another where all that reads either is their sum.

    The sums become copies of the last product, in place.

    Args:
        roots: All that is wanted of the step.
    """
    while _merge_one(roots):
        pass


def _merge_one(roots: list[Value]) -> bool:
    values = ancestors(roots)
    outside = set(roots)
    readers: dict[Value, set[Value]] = {}
    for value in values:
        if value not in outside and _copied(value) is not None:
            continue  # what reads it reads the product
        for operand in value.operands():
            readers.setdefault(operand, set()).add(value)
        for piece in value.args:
            if isinstance(piece, ColumnRange):
                readers.setdefault(_through(piece).value, set()).add(value)
    for value in values:
        pair = _pair(value)
        if pair is None or outside & {*pair}:
            continue
        first, second = pair
        sums = readers[first]
        if sums != readers[second] or not all(_is_sum(s, first, second) for s in sums):
            continue
        top = _chained(first, second)
        for total in sums:
            piece = total.args[0]
            assert isinstance(piece, ColumnRange)
            total.name = "copy"
            total.args = (ColumnRange(top, _through(piece).offset, piece.width),)
        return True
    return False


def _chained(first: Value, second: Value) -> Value:
    """Add the products of two sums onto each other, in order, and return the last."""
    chain = []
    for end in (first, second):
        value: Value | None = end
        while value is not None:
            chain.append(value)
            value = value.onto
    chain.sort(key=lambda v: v.order)
    chain[0].onto = None
    for below, value in itertools.pairwise(chain):
        value.onto = below
    return chain[-1]


def _copied(value: Value) -> ColumnRange | None:
    """Return the columns of a product that a value is a copy of."""
    if (
        value.op is not Op.POINT
        or value.name != "copy"
        or not isinstance(value.args[0], ColumnRange)
    ):
        return None
    piece = _through(value.args[0])
    plain = piece.width == value.width and not piece.sizes
    return piece if plain and piece.value.op is Op.MATMUL else None


def _through(piece: ColumnRange) -> ColumnRange:
    """Return the columns of a product that a piece is, through copies, or the piece."""
    found = _copied(piece.value)
    if found is None:
        return piece
    return replace(piece, value=found.value, offset=found.offset + piece.offset)


def _pair(value: Value) -> tuple[Value, Value] | None:
    if value.op is not Op.POINT or value.name != "add":
        return None
    a, b = value.args
    if not isinstance(a, ColumnRange) or not isinstance(b, ColumnRange):
        return None
    if _through(a).sizes or _through(b).sizes:
        return None
    first, second = _through(a).value, _through(b).value
    if not first.op is second.op is Op.MATMUL or first is second or first.width != second.width:
        return None
    return first, second


def _is_sum(value: Value, first: Value, second: Value) -> bool:
    pair = _pair(value)
    if pair is None or {*pair} != {first, second}:
        return False
    a, b = value.args
    if not isinstance(a, ColumnRange) or not isinstance(b, ColumnRange) or a.width != b.width:
        return False
    return _through(a).offset == _through(b).offset
