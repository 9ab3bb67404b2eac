"""Makes values, each only once: equal operations of equal operands are one value."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from memcell.recurrent.refusals import Unsupported
from memcell_compiler.ir.elementwise import folded
from memcell_compiler.ir.ir import (
    ColumnRange,
    Matrix,
    Number,
    Op,
    Operand,
    Tiles,
    Value,
    cut,
    fitted,
    width_of,
)
from memcell_compiler.trace.shapes import RowLayout


class Builder:
    """Makes values and remembers them."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Value] = {}
        self._count = 0

    def leaf(self, name: str, width: int, rows: bool) -> Value:
        """Return the leaf of a name."""
        return self._value(("leaf", name), Value(Op.LEAF, width, rows, name))

    def pointwise(
        self, name: str, operands: list[Tiles], cuts: set[int], width: int | None = None
    ) -> Tiles:
        """Apply an elementwise function; operands of width 1 are repeated.

        Args:
            name: The function.
            operands: Tiles of each operand.
            cuts: Where pieces must begin, besides the operands' own edges.
            width: Width of the result; that of the widest operand by default.
        """
        total = max(width_of(o) for o in operands) if width is None else width
        edges = {0, total} | {c for c in cuts if 0 < c < total}
        for operand in operands:
            if width_of(operand) == total:
                at = 0
                for tile in operand:
                    at += tile.width
                    edges.add(at)
            elif width_of(operand) != 1:
                raise Unsupported(f"{name} of widths {[width_of(o) for o in operands]}")
        pending = [*itertools.pairwise(sorted(edges))][::-1]
        made: list[Operand] = []
        while pending:
            start, stop = pending.pop()
            parts = [cut(o, start, stop) if width_of(o) == total else o for o in operands]
            several = max(parts, key=len)
            if len(several) > 1:  # cut apart, what was one piece may be several
                ends = itertools.accumulate((t.width for t in several), initial=start)
                pending += [*itertools.pairwise(ends)][::-1]
                continue
            made.append(self._point(name, tuple(p[0] for p in parts), stop - start))
        return tuple(made)

    def side_by_side(self, tiles: Tiles) -> Tiles:
        """Copy tiles next to each other, into one value."""
        width = width_of(tiles)
        return self._fold("sum", tiles, np.arange(width), width)

    def fold(self, name: str, tiles: Tiles, outer: int, size: int, inner: int) -> Tiles:
        """Sum (or take the largest or smallest) over the middle one of three dimensions of the columns."""
        columns = np.arange(outer * inner).reshape(outer, 1, inner)
        into = np.broadcast_to(columns, (outer, size, inner)).reshape(-1)
        known = self._fold(name, tiles, into, outer * inner)
        if known:
            return known
        return self._fold(name, self.side_by_side(tiles), into, outer * inner)

    def _fold(self, name: str, tiles: Tiles, into: np.ndarray, width: int) -> Tiles:
        """Add columns up where ``into`` says; nothing, where that cannot be written for these tiles."""
        rows = any(isinstance(t, ColumnRange) and t.value.rows for t in tiles)
        value = Value(Op.FOLD, width, rows, name, tiles)
        at, targets = 0, []
        for tile in tiles:
            targets.append(fitted(value, into[at : at + tile.width]))
            at += tile.width
        if any(len(t) > 1 for t in targets) or _crossing([t[0] for t in targets]):
            return ()
        value.into = tuple(t[0] for t in targets)
        places = tuple((t.offset, t.sizes, t.strides) for t in value.into)
        known = self._value(("fold", name, tiles, width, places), value)
        return (ColumnRange(known, 0, width),)

    def _point(self, name: str, args: Tiles, width: int) -> Operand:
        simple = _simplified(name, args, width)
        if simple is not None:
            return simple
        args = tuple(replace(a, width=1) if isinstance(a, Number) else a for a in args)
        rows = any(isinstance(a, ColumnRange) and a.value.rows for a in args)
        value = self._value(("point", name, width, *args), Value(Op.POINT, width, rows, name, args))
        return ColumnRange(value, 0, width)

    def matmul(self, left: Tiles, matrix: Matrix) -> Tiles:
        """Multiply rows with a matrix parameter."""
        assert width_of(left) == matrix.shape[0], (width_of(left), matrix.shape)
        value = Value(Op.MATMUL, matrix.shape[1], True, args=left, matrix=matrix)
        return (ColumnRange(self._value(("matmul", left, matrix), value), 0, value.width),)

    def row_reduction(self, name: str, tiles: Tiles, before: RowLayout) -> Tiles:
        """Sum (or take the largest or smallest) over columns."""
        if len(tiles) == 1 and isinstance(tiles[0], Number):
            number = tiles[0]
            times = before.width if name == "sum" else 1
            return (Number(number.value * times, number.lanes_power),)
        return self.row_sum(name, tiles)

    def row_sum(self, name: str, tiles: Tiles) -> Tiles:
        """Sum (or take the largest or smallest) over all columns."""
        rows = any(isinstance(t, ColumnRange) and t.value.rows for t in tiles)
        value = Value(Op.ROWSUM, 1, rows, name, tiles)
        return (ColumnRange(self._value(("rowsum", name, tiles), value), 0, 1),)

    def batch_sum(self, tiles: Tiles, cuts: set[int]) -> Tiles:
        """Sum over the lanes, piece by piece."""
        edges = sorted({0, width_of(tiles), *cuts})
        operands: list[Operand] = []
        for start, stop in itertools.pairwise(edges):
            for tile in cut(tiles, start, stop):
                if isinstance(tile, Number) or not tile.value.rows:
                    times: Tiles = (Number(1.0, lanes_power=1),)
                    operands += self.pointwise("mul", [(tile,), times], set())
                    continue
                value = Value(Op.BATCHSUM, tile.width, False, args=(tile,))
                operands.append(ColumnRange(self._value(("batchsum", tile), value), 0, tile.width))
        return tuple(operands)

    def gather(self, table: Value, index: Tiles, columns: int, cuts: set[int]) -> Tiles:
        """Take a row of a table for each lane."""
        edges = sorted({0, columns, *cuts})
        operands: list[Operand] = []
        for start, stop in itertools.pairwise(edges):
            key = ("gather", table, index, start, stop)
            value = Value(
                Op.GATHER, stop - start, True, str(columns), index, table=table, offset=start
            )
            operands.append(ColumnRange(self._value(key, value), 0, stop - start))
        return tuple(operands)

    def lookup(self, source: Tiles, index: Tiles) -> Tiles:
        """Take a row of a row value for each lane."""
        value = Value(Op.LOOKUP, width_of(source), True, args=index, right=source)
        return (ColumnRange(self._value(("lookup", source, index), value), 0, value.width),)

    def scatter(self, index: Tiles, source: Tiles) -> Tiles:
        """Add each lane's row to the row that its index names."""
        value = Value(Op.SCATTER, width_of(source), True, args=index, right=source)
        return (ColumnRange(self._value(("scatter", source, index), value), 0, value.width),)

    def outer(self, left: Tiles, right: Tiles) -> Value:
        """Return the sum over lanes of products, ``left^T right``."""
        value = Value(Op.OUTER, width_of(right), False, args=left, right=right)
        return self._value(("outer", left, right), value)

    def _value(self, key: Hashable, value: Value) -> Value:
        found = self._known.setdefault(key, value)
        if found is value:
            value.order = self._count
            self._count += 1
        return found


def _crossing(targets: list[ColumnRange]) -> bool:
    """Whether of two pieces of one width some columns meet, and not all in the same places.

    They are added up in one loop, in which a column must not read what another one writes.
    """
    for one, two in itertools.combinations(targets, 2):
        if one.width == two.width:
            a, b = one.columns(), two.columns()
            if not np.array_equal(a, b) and np.intersect1d(a, b).size:
                return True
    return False


def _simplified(name: str, args: Tiles, width: int) -> Operand | None:
    """Return what a function of these operands plainly is, or None."""
    numbers = [a for a in args if isinstance(a, Number)]
    if len(numbers) == len(args) and not any(n.lanes_power for n in numbers):
        known = folded(name, [n.value for n in numbers])
        if known is not None:
            return Number(known, width=width)
    if name == "copy" and args[0].width == width:
        return args[0]
    if len(args) != 2:
        return None
    for kept, other in ((args[0], args[1]), (args[1], args[0])):
        if not isinstance(other, Number) or other.lanes_power or kept.width != width:
            continue
        first = kept is args[0]
        neutral = {
            "add": 0.0,
            "mul": 1.0,
            "sub": 0.0 if first else None,
            "div": 1.0 if first else None,
        }
        if neutral.get(name) == other.value and neutral.get(name) is not None:
            return kept
    return None
