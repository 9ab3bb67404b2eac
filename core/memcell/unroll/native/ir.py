"""The intermediate form: what happens to the rows (lanes) of a step, in pieces of equal width.

A tensor ``[B, N]`` of the step is a list of pieces that lie side by side; a value is computed as a whole.
Gates that are sliced out of one sum, and gradients that are joined into one, are pieces from the start,
so slices and joins cost nothing. Everything is a real number here: bools are 0 and 1, indices are exact.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace


class Op(enum.Enum):
    """What a value is.

    LEAF: given: a parameter, an input, a state, a cotangent, something saved.
    POINT: elementwise function (`Value.name`) of pieces of its own width or of width 1.
    MATMUL: rows times a matrix parameter, added to ``onto`` where given.
    ROWSUM: sum over the columns of each row; width 1.
    BATCHSUM: sum over the rows; not a row value.
    SPREAD: sum over the rows of the squares of what they differ from their mean; not a row value.
    GATHER: row ``index`` of a table (a buffer) for each row.
    LOOKUP: row ``index`` of a row value for each row.
    SCATTER: rows added up where ``index`` says.
    OUTER: sum over rows of the products of two row values, a matrix; only ever added up over time.
    """

    LEAF = enum.auto()
    POINT = enum.auto()
    MATMUL = enum.auto()
    ROWSUM = enum.auto()
    BATCHSUM = enum.auto()
    SPREAD = enum.auto()
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
class Piece:
    """Columns ``offset … offset + width`` of a value."""

    value: Value
    offset: int
    width: int

    @property
    def whole(self) -> bool:
        """Whether it is all of the value."""
        return self.offset == 0 and self.width == self.value.width


Operand = Number | Piece
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
        args: Operands. MATMUL: the tiles of the left factor. ROWSUM: tiles. BATCHSUM, SPREAD: one piece.
            GATHER, LOOKUP, SCATTER: index, then table or source tiles. OUTER: left tiles.
        right: OUTER: the right factor's tiles. SPREAD: the sum of the same piece.
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
    matrix: Matrix | None = None
    onto: Value | None = None
    table: Value | None = None
    offset: int = 0
    order: int = field(default=0)

    def operands(self) -> list[Value]:
        """Return the values that it is computed from, matrices and tables excepted."""
        found = [a.value for a in (*self.args, *self.right) if isinstance(a, Piece)]
        return found if self.onto is None else [*found, self.onto]


def pieces(tiles: Tiles) -> list[Piece]:
    """Return the pieces among tiles."""
    return [t for t in tiles if isinstance(t, Piece)]


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
            if isinstance(tile, Piece):
                found.append(Piece(tile.value, tile.offset + low, high - low))
            else:
                found.append(replace(tile, width=high - low))
        at += tile.width
    return tuple(found)


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
