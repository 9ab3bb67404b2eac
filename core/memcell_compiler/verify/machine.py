"""The kernels that a program which is verified calls: copies, choices and products of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from memcell_compiler.verify.memory import (
    LANES,
    PANEL,
    WIDE,
    Packed,
    Pointer,
    Span,
    Unverified,
    Weight,
)


def block(pointer: Pointer, rows: int, width: int, distance: int) -> Any:
    """Return the places of rows."""
    return pointer.at + np.arange(rows)[:, None] * distance + np.arange(width)


# --- c/rows.h and string.h ----------------------------------------------------------------------


def memset(to: Pointer, _: int, count: int) -> None:
    """Write zeros."""
    to.buffer.write(Span(to.at, count), np.uint64(0), "memset")


def memcpy(to: Pointer, source: Pointer, count: int) -> None:
    """Copy numbers."""
    copy_rows(1, count, source, count, to, count)


def copy_rows(n: int, width: int, source: Pointer, lds: int, to: Pointer, ldt: int) -> None:
    """Copy rows."""
    found = source.buffer.read(block(source, n, width, lds), "a copy of rows")
    to.buffer.write(block(to, n, width, ldt), found, "a copy of rows")


def add_rows(n: int, width: int, source: Pointer, lds: int, to: Pointer, ldt: int) -> None:
    """Add rows."""
    places = block(to, n, width, ldt)
    found = source.buffer.read(block(source, n, width, lds), "a sum of rows")
    to.buffer.write(places, to.buffer.read(places, "a sum of rows") + found, "a sum of rows")


def _chosen(n: int, flag: Pointer, which: int) -> list[int]:
    return [r for r in range(n) if int(flag.buffer.data[flag.at + r]) == which]


def choose_rows(
    n: int, width: int, flag: Pointer, which: int, source: Pointer, lds: int, to: Pointer, ldt: int
) -> None:
    """Take rows of a flag from another place."""
    for r in _chosen(n, flag, which):
        copy_rows(1, width, source + r * lds, lds, to + r * ldt, ldt)


def move_rows(
    n: int, width: int, flag: Pointer, which: int, source: Pointer, lds: int, to: Pointer, ldt: int
) -> None:
    """Add rows of a flag to another place, and make them 0 here."""
    for r in _chosen(n, flag, which):
        add_rows(1, width, source + r * lds, lds, to + r * ldt, ldt)
        memset(source + r * lds, 0, width)


# --- c/kernels.c, packing.c --------------------------------------------------------------------------------


def _panels(columns: int) -> Iterator[tuple[int, int, int]]:
    """Yield (first column, numbers a row, of these used) of each panel."""
    for j in range(0, columns, PANEL):
        vectors = min(WIDE, -(-(columns - j) // LANES))
        yield j, vectors * LANES, min(vectors * LANES, columns - j)


def packed_size(depth: int, columns: int) -> int:
    """Return how many numbers a packed weight has."""
    return int(depth * sum(width for _, width, _ in _panels(columns)))


def pack(
    depth: int,
    columns: int,
    source: Pointer,
    ld: int,
    transposed: int,
    to: Pointer,
    start: int,
    total: int,
) -> None:
    """Pack a right factor."""
    if isinstance(to.buffer, Packed):
        weight = source.buffer
        assert isinstance(weight, Weight)
        if ld != weight.columns or start or total != depth:
            raise Unverified(f"{weight.name} is packed with another shape than its own")
        row, column = divmod(source.at, ld)
        high, wide = (columns, depth) if transposed else (depth, columns)
        down, along = weight.down[row : row + high], weight.along[column : column + wide]
        if len(down) != high or len(along) != wide:
            raise Unverified(f"more of {weight.name} is packed than there is")
        to.buffer.matrices[to.at] = (along, down) if transposed else (down, along)
        return
    assert not transposed
    for j, width, used in _panels(columns):
        found = source.buffer.read(block(source + j, depth, used, ld), "what is packed")
        rows = block(to + (j * total + start * width), depth, width, width)
        to.buffer.write(rows, np.uint64(0), "a packed factor")
        to.buffer.write(rows[:, :used], found, "a packed factor")


def combine(
    rows: int,
    columns: int,
    count: int,
    parts: list[tuple[Any, ...]],
    turned: int,
    to: Pointer,
    ldc: int,
    add: int,
) -> None:
    """Multiply and add up: (depth, left, lda, packed, start, total) a part."""
    if count != len(parts):
        raise Unverified("a product of more or fewer parts than there are")
    sums = np.zeros((rows, columns), np.uint64)
    for depth, left, lda, packed, start, total in parts:
        if turned:
            a = left.buffer.read(block(left, depth, rows, lda), "a product's left factor").T
        else:
            a = left.buffer.read(block(left, rows, depth, lda), "a product's left factor")
        if start + depth > total:
            raise Unverified("a product reads more rows of a factor than are packed")
        if isinstance(packed.buffer, Packed):
            down, along = packed.buffer.matrix(packed.at, total)
            if columns > len(along):
                raise Unverified("a product reads more columns of a weight than it has")
            sums += (a @ down[start : start + depth])[:, None] * along[:columns]
            continue
        for j, width, used in _panels(columns):
            places = block(packed + (j * total + start * width), depth, used, width)
            sums[:, j : j + used] += a @ packed.buffer.read(places, "a product's right factor")
    places = block(to, rows, columns, ldc)
    if add:
        sums += to.buffer.read(places, "what a product is added to")
    to.buffer.write(places, sums, "a product")


def multiply(
    rows: int,
    columns: int,
    depth: int,
    left: Pointer,
    lda: int,
    packed: Pointer,
    to: Pointer,
    ldc: int,
    add: int,
) -> None:
    """Multiply."""
    combine(rows, columns, 1, [(depth, left, lda, packed, 0, depth)], 0, to, ldc, add)


def combine_shared(
    w: Any,
    tid: int,
    swap: Pointer,
    rows: int,
    columns: int,
    count: int,
    parts: list[tuple[Any, ...]],
    to: Pointer,
    ldc: int,
    add: int,
) -> Iterator[None]:
    """Multiply with the columns shared among threads (c/share.h)."""
    panels = -(-columns // PANEL)
    first = panels * tid // w.threads * PANEL
    last = min(columns, panels * (tid + 1) // w.threads * PANEL)
    if first < last:
        mine = [(d, a, lda, p + first * n, s, n) for d, a, lda, p, s, n in parts]
        combine(rows, last - first, count, mine, 0, to + first, ldc, add)
        copy_rows(rows, last - first, to + first, ldc, swap + first, columns)
    yield
    copy_rows(rows, columns, swap, columns, to, ldc)
