"""Sums over the lanes: what is the same for all lanes is multiplied onto the sum, not into it.

Batch statistics make many sums of the same rows times different vectors; with the vectors outside, the
sums are one, and fewer passes over the rows must wait for each other. Programs whose lanes do not meet are
left alone: there a sum that only leaves the loop costs nothing, and a product behind it would.
"""

from __future__ import annotations

from memcell_compiler.ir.builder import Builder
from memcell_compiler.ir.ir import (
    ColumnRange,
    Number,
    Op,
    Operand,
    Tiles,
    Value,
    ancestors,
)
from memcell_compiler.passes.one_pass_variance import find_variances


def pull_factors(roots: list[Value], build: Builder) -> None:
    """Rewrite sums over the lanes in place, where there are any that the step itself needs.

    Args:
        roots: All that is wanted of the step.
        build: Makes the new values.
    """
    values = ancestors(roots)
    inside = {v for value in values for v in value.operands()}
    sums = [v for v in values if v.op is Op.BATCHSUM]
    if not any(v in inside for v in sums):
        return
    for value in sums:
        piece = value.args[0]
        rows, vectors = _parts(piece)
        if not vectors:
            continue
        total = build.batch_sum((_product(rows, build, piece.width),), set())
        outside = _product(vectors, build, piece.width)
        value.op, value.name = Op.POINT, "mul"
        value.args = (total[0], outside)
    find_variances(roots)
    _renumber(roots)


def _parts(operand: Operand) -> tuple[list[Operand], list[Operand]]:
    """Return the factors that differ from lane to lane, and the others."""
    if isinstance(operand, Number) or not operand.value.rows:
        return [], [operand]
    value = operand.value
    if value.op is Op.POINT and operand.whole:
        if value.name == "neg":
            rows, vectors = _parts(value.args[0])
            return rows, [*vectors, Number(-1.0)]
        if value.name == "mul":
            found = [_parts(a) for a in value.args]
            vectors = [v for _, several in found for v in several]
            wide = all(r.width == operand.width for several, _ in found for r in several)
            if vectors and wide:
                return [r for several, _ in found for r in several], vectors
    return [operand], []


def _product(factors: list[Operand], build: Builder, width: int) -> Operand:
    def order(factor: Operand) -> int:
        return factor.value.order if isinstance(factor, ColumnRange) else -1

    product, *rest = sorted(factors, key=order)
    for factor in rest:
        pair: list[Tiles] = [(product,), (factor,)]
        wide = max(product.width, factor.width)
        (product,) = build.pointwise("mul", pair, set(), wide)
    return product


def _renumber(roots: list[Value]) -> None:
    """Number values in an order in which each comes after what it is computed from."""
    pending = [(v, False) for v in reversed(roots)]
    done: set[Value] = set()
    count = 0
    while pending:
        value, ready = pending.pop()
        if value in done:
            continue
        if ready:
            value.order = count
            count += 1
            done.add(value)
            continue
        pending.append((value, True))
        pending += [(v, False) for v in value.operands() if v not in done]
