"""The intermediate form: what happens to the rows (lanes) of a step, in pieces of equal width.

A tensor ``[B, N]`` of the step is a list of pieces that lie side by side; a value is computed as a whole.
Gates that are sliced out of one sum, and gradients that are joined into one, are pieces from the start,
so slices and joins cost nothing. Everything is a real number here: bools are 0 and 1, indices are exact.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

import numpy as np


class Op(enum.Enum):
    """What a value is.

    LEAF: given: a parameter, an input, a state, a cotangent, something saved.
    POINT: elementwise function (`Value.name`) of pieces of its own width or of width 1.
    MATMUL: rows times a matrix parameter, added to ``onto`` where given.
    ROWSUM: sum over the columns of each row; width 1.
    FOLD: columns of tiles added up (or the largest, smallest) where ``into`` says, row by row.
    BATCHSUM: sum over the rows; not a row value.
    VARIANCE: sum over the rows of the squares of what they differ from their mean; not a row value.
    GATHER: row ``index`` of a table (a buffer) for each row.
    LOOKUP: row ``index`` of a row value for each row.
    SCATTER: rows added up where ``index`` says.
    OUTER: sum over rows of the products of two row values, a matrix; only ever added up over time.
    """

    LEAF = enum.auto()
    POINT = enum.auto()
    MATMUL = enum.auto()
    ROWSUM = enum.auto()
    FOLD = enum.auto()
    BATCHSUM = enum.auto()
    VARIANCE = enum.auto()
    GATHER = enum.auto()
    LOOKUP = enum.auto()
    SCATTER = enum.auto()
    OUTER = enum.auto()


@dataclass(frozen=True)
class Number:
    """A constant, ``value * B ** lanes_power``, ``width`` times where it stands among tiles."""

    value: float
    lanes_power: int = 0
    width: int = 1


@dataclass(frozen=True)
class ColumnRange:
    """Columns of a value: ``offset … offset + width``, or some that lie apart, or are repeated.

    With ``sizes``, column j is ``offset + sum(i * stride)`` over the index i of j in each dimension, as torch
    counts in a tensor of these sizes and strides.
    """

    value: Value
    offset: int
    width: int
    sizes: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is all of the value, as it lies."""
        return self.offset == 0 and self.width == self.value.width and not self.sizes

    def columns(self) -> np.ndarray:
        """Return the columns of the value, one after the other."""
        found = np.array([self.offset], dtype=np.int64)
        for size, stride in zip(self.sizes or (self.width,), self.strides or (1,), strict=True):
            found = (found[:, None] + np.arange(size, dtype=np.int64) * stride).reshape(-1)
        return found


Operand = Number | ColumnRange
#: Pieces side by side: a tensor [B, N] or [N].
Tiles = tuple[Operand, ...]


@dataclass(frozen=True)
class Matrix:
    """A parameter, or a rectangle of it, used as the right factor ``[K, N]``.

    Args:
        leaf: The parameter's leaf.
        columns: Columns of the whole parameter.
        start: Elements before the first.
        transposed: It lies in memory as ``[N, K]``.
        shape: (K, N).
    """

    leaf: Value
    columns: int
    start: int
    transposed: bool
    shape: tuple[int, int]


@dataclass(eq=False)
class Value:
    """A value.

    Args:
        op: What it is.
        width: Columns.
        rows: It has a row for each lane.
        name: Elementwise function, or name of the leaf.
        args: Operands. MATMUL: the tiles of the left factor. ROWSUM: tiles. BATCHSUM, VARIANCE: one piece.
            GATHER, LOOKUP, SCATTER: index, then table or source tiles. OUTER: left tiles.
        right: OUTER: the right factor's tiles. VARIANCE: the sum of the same piece.
        into: FOLD: for each tile, where its columns go, as columns of the value.
        matrix: MATMUL: the right factor.
        onto: MATMUL: what it is added to.
        table: GATHER: the buffer's leaf.
        offset: GATHER: first column.
    """

    op: Op
    width: int
    rows: bool
    name: str = ""
    args: Tiles = ()
    right: Tiles = ()
    into: tuple[ColumnRange, ...] = ()
    matrix: Matrix | None = None
    onto: Value | None = None
    table: Value | None = None
    offset: int = 0
    order: int = field(default=0)

    def operands(self) -> list[Value]:
        """Return the values that it is computed from, matrices and tables excepted."""
        found = [a.value for a in (*self.args, *self.right) if isinstance(a, ColumnRange)]
        return found if self.onto is None else [*found, self.onto]


def pieces(tiles: Tiles) -> list[ColumnRange]:
    """Return the pieces among tiles."""
    return [t for t in tiles if isinstance(t, ColumnRange)]


def width_of(tiles: Tiles) -> int:
    """Return the width of tiles."""
    return sum(t.width for t in tiles)


def cut(tiles: Tiles, start: int, stop: int) -> Tiles:
    """Return columns ``start … stop`` of tiles."""
    found: list[Operand] = []
    at = 0
    for tile in tiles:
        low, high = max(start - at, 0), min(stop - at, tile.width)
        if low < high:
            if isinstance(tile, ColumnRange) and tile.sizes and high - low < tile.width:
                found += fitted(tile.value, tile.columns()[low:high])
            elif isinstance(tile, ColumnRange):
                found.append(replace(tile, offset=tile.offset + low, width=high - low))
            else:
                found.append(replace(tile, width=high - low))
        at += tile.width
    return tuple(found)


def fitted(value: Value, columns: np.ndarray) -> list[ColumnRange]:
    """Return as few pieces as can be found that are the given columns of a value, in order."""
    found: list[ColumnRange] = []
    start = 0
    while start < len(columns):
        piece = _regular(value, columns[start:])
        found.append(piece)
        start += piece.width
    return found


def _regular(value: Value, columns: np.ndarray) -> ColumnRange:
    """Return the longest piece that begins as the columns do, of those with one more dimension at a time."""
    sizes: list[int] = []
    strides: list[int] = []
    width = 1
    while True:
        heads = columns[: len(columns) // width * width : width]
        steps = np.diff(heads)
        if not len(steps):
            break
        other = np.flatnonzero(steps != steps[0])
        count = int(other[0]) + 1 if len(other) else len(heads)
        pattern = (heads[:count, None] + (columns[:width] - columns[0])).reshape(-1)
        apart = np.flatnonzero(pattern != columns[: count * width])
        count = int(apart[0]) // width if len(apart) else count
        if count < 2:
            break
        sizes.insert(0, count)
        strides.insert(0, int(steps[0]))
        width *= count
    offset = int(columns[0])
    if width == 1 or (len(sizes) == 1 and strides[0] == 1):
        return ColumnRange(value, offset, width)
    return ColumnRange(value, offset, width, tuple(sizes), tuple(strides))


def ancestors(roots: list[Value], stop: set[Value] | None = None) -> list[Value]:
    """Return everything that the roots are computed from, and they, in order of creation."""
    seen: set[Value] = set()
    pending = list(roots)
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        if stop is None or value not in stop:
            pending += value.operands()
    return sorted(seen, key=lambda v: v.order)
