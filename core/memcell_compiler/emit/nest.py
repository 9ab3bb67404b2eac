"""Stage 5i, write: loops within loops over the columns, where pieces are read along several dimensions.

A state of matrices is a row of columns like any other. What is read of it by its own dimensions (a vector
repeated for each row of a matrix, a sum over one axis) makes the loop over columns one loop a dimension, so
that addresses move by constant steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from memcell_compiler.emit.memory import index_of
from memcell_compiler.ir.ir import ColumnRange


class Nest:
    """Loops that count the columns ``0 … width``, the last one the innermost.

    Args:
        width: Columns.
        shapes: Sizes of what is read; those that do not divide each other are left to index arithmetic.
    """

    def __init__(self, width: int, shapes: Iterable[tuple[int, ...]]) -> None:
        edges = {1, width}
        for sizes in dict.fromkeys(shapes):
            more = edges | _edges(sizes)
            ordered = sorted(more)
            if all(b % a == 0 for a, b in itertools.pairwise(ordered)):
                edges = more
        self._edges = sorted(edges)
        self._inner = self._edges[-2::-1]  # of each loop, outermost first
        self._sizes = [b // a for a, b in itertools.pairwise(self._edges)][::-1]

    @property
    def flat(self) -> bool:
        """Whether it is one loop."""
        return len(self._sizes) <= 1

    def index(self, piece: ColumnRange) -> tuple[str, int | None]:
        """Return the column of a piece's value, and by how much it moves in the innermost loop.

        None where it has no constant step: the column is then that of column ``j``.
        """
        sizes = piece.sizes or (piece.width,)
        if not _edges(sizes) <= {*self._edges}:
            return index_of(piece, "j"), None
        terms, step, inner = [str(piece.offset)] if piece.offset else [], 0, piece.width
        for size, stride in zip(sizes, piece.strides or (1,), strict=True):
            outer, inner = inner, inner // size
            for level, count in enumerate(self._inner):
                if inner <= count < outer and stride:
                    by = stride * (count // inner)
                    if level == len(self._inner) - 1:
                        step = by
                    else:
                        terms.append(f"a{level}_ * {by}")
        return " + ".join(terms) or "0", step

    def written(
        self, pragma: list[str], before: list[str], inside: list[str], after: list[str]
    ) -> list[str]:
        """Return the loops in C.

        Args:
            pragma: In front of the innermost.
            before: In front of it, within the others.
            inside: In the innermost: ``j`` is the column, ``k`` counts.
            after: Behind it.
        """
        lines, closing = [], []
        for level, size in enumerate(self._sizes[:-1]):
            lines.append(f"for (long a{level}_ = 0; a{level}_ < {size}; a{level}_++) {{")
            closing.append("}")
        base = " + ".join(f"a{i}_ * {n}" for i, n in enumerate(self._inner[:-1]))
        return [
            *lines,
            *before,
            *pragma,
            f"for (long k = 0; k < {self._sizes[-1]}; k++) {{",
            f"  const long j = {base} + k; (void)j;",
            *(f"  {line}" for line in inside),
            "}",
            *after,
            *closing,
        ]


def _edges(sizes: tuple[int, ...]) -> set[int]:
    found, inner = set(), 1
    for size in reversed(sizes):
        found.add(inner)
        inner *= size
    return found | {inner}
