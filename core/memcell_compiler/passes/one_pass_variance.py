"""Variances over the lanes: one pass over the rows instead of two, and no sum that is 0 by itself.

A step says ``mean = sum(z) / B`` and then ``sum((z - mean)^2)``, which must wait for the first sum. Both
come from one pass: each thread adds up distances from its first row and their squares, and the threads'
sums are merged exactly (T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample
variance", 1983). Distances from a row of the sample lose few digits however far the mean is from 0.

Going back through the mean leaves ``sum(z - mean)``, which is 0.
"""

from __future__ import annotations

from memcell_compiler.ir.ir import ColumnRange, Number, Op, Value, ancestors

_ZERO = (Number(0.0),)


def find_variances(roots: list[Value]) -> None:
    """Rewrite sums over the lanes of deviations from a mean, and of their squares, in place.

    Args:
        roots: All that is wanted of the step.
    """
    paired: set[Value] = set()
    for value in ancestors(roots):
        if value.op is Op.BATCHSUM:
            _sum(value, paired)
        elif value.op is Op.POINT and any(map(_is_zero, value.args)):
            _with_zero(value)


def _sum(value: Value, paired: set[Value]) -> None:
    piece = value.args[0]
    if not isinstance(piece, ColumnRange) or not piece.whole:
        return
    if _total(piece) is not None:
        value.op, value.name, value.args = Op.POINT, "copy", _ZERO
        return
    square = piece.value
    if square.op is not Op.POINT or square.name != "mul" or square.args[0] != square.args[1]:
        return
    deviation = square.args[0]
    total = _total(deviation) if isinstance(deviation, ColumnRange) and deviation.whole else None
    if total is not None and total not in paired:
        paired.add(total)
        value.op, value.args = Op.VARIANCE, total.args
        value.right = (ColumnRange(total, 0, total.width),)


def _total(piece: ColumnRange) -> Value | None:
    """Return the sum whose mean a piece is the deviation from, or None where it is something else."""
    deviation = piece.value
    if not deviation.rows or deviation.op is not Op.POINT or deviation.name != "sub":
        return None
    what, mean = deviation.args
    if not isinstance(mean, ColumnRange) or not mean.whole or mean.width != piece.width:
        return None
    if mean.value.op is not Op.POINT or mean.value.name not in ("mul", "div"):
        return None
    share = {"mul": Number(1.0, -1), "div": Number(1.0, 1)}[mean.value.name]
    for total, number in (mean.value.args, mean.value.args[::-1]):
        if number == share and isinstance(total, ColumnRange) and total.whole:
            found = total.value
            return found if found.op is Op.BATCHSUM and found.args == (what,) else None
    return None


def _is_zero(operand: object) -> bool:
    return (
        isinstance(operand, ColumnRange)
        and operand.value.name == "copy"
        and operand.value.args == _ZERO
    )


def _with_zero(value: Value) -> None:
    if value.rows or len(value.args) != 2:
        return
    zeros = [_is_zero(a) for a in value.args]
    if value.name == "mul":
        value.name, value.args = "copy", _ZERO
    elif value.name == "add" or (value.name == "sub" and zeros[1]):
        kept = value.args[1] if zeros[0] else value.args[0]
        if kept.width == value.width:
            value.name, value.args = "copy", (kept,)
