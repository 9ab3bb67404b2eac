"""What a program that is verified runs on: memory that knows what was written, and the matrix kernels.

A pointer is an array and a place in it. Reading what nobody has written, or beyond an end, is an error; so is
a loop over columns of which one reads what another one writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from memcell.recurrent.refusals import Unsupported
from memcell_compiler.verify.ring import Numbers, mixed

#: Numbers of a vector, and vectors and columns of a panel: of a middling processor.
LANES, WIDE = 8, 2
PANEL = LANES * WIDE


class Unverified(Unsupported):
    """Generated code that is not what it should be: it is not used."""


def noise(seed: int, *shape: int) -> Numbers:
    """Return random numbers."""
    count = int(np.prod(shape))
    return mixed(np.arange(count, dtype=np.uint64) + np.uint64((seed << 32) + 1)).reshape(shape)


@dataclass(frozen=True, slots=True)
class Span:
    """The indices of a loop's columns: whole numbers from ``start``, ``count`` of them, ``step`` apart."""

    start: int
    count: int
    step: int = 1

    def __add__(self, more: Any) -> Any:
        if isinstance(more, Span | np.ndarray):
            return self.numbers() + (more.numbers() if isinstance(more, Span) else more)
        return Span(self.start + int(more), self.count, self.step)

    __radd__ = __add__

    def __mul__(self, times: int) -> Any:
        if times <= 0:
            return self.numbers() * times
        return Span(self.start * times, self.count, self.step * times)

    __rmul__ = __mul__

    def __floordiv__(self, by: int) -> Any:
        return self.numbers() // by

    def __mod__(self, by: int) -> Any:
        return self.numbers() % by

    @property
    def last(self) -> int:
        """The largest of them."""
        return self.start + (self.count - 1) * self.step

    @property
    def slice(self) -> slice:
        """As a slice of an array."""
        return slice(self.start, self.last + 1, self.step)

    def numbers(self) -> Any:
        """As an array."""
        return np.arange(self.count) * self.step + self.start


class Buffer:
    """An array in memory.

    Args:
        name: For messages.
        data: Its numbers.
        written: Whether they mean something; otherwise they are what happened to lie there.
    """

    def __init__(self, name: str, data: Numbers, written: bool) -> None:
        self.name = name
        self.data = data.reshape(-1)
        self.written = np.full(self.data.shape, written)

    def read(self, at: Any, what: str) -> Numbers:
        """Return numbers.

        Raises:
            Unverified: They were not written, or are not there.
        """
        at = self._inside(at, what)
        if not self.written[at].all():
            raise Unverified(f"{what} is read before it is written")
        return self.data[at].copy()

    def write(self, at: Any, numbers: Numbers, what: str) -> None:
        """Write numbers.

        Raises:
            Unverified: There is no such place.
        """
        at = self._inside(at, what)
        self.data[at] = numbers
        self.written[at] = True

    def _inside(self, at: Any, what: str) -> Any:
        """Return an index as numpy takes it."""
        if isinstance(at, Span):
            first, last, at = at.start, at.last, at.slice
        elif isinstance(at, np.ndarray):
            first, last = (int(at.min()), int(at.max())) if at.size else (0, -1)
        else:
            first = last = at
        if first < 0 or last >= len(self.data):
            raise Unverified(f"{what} is beyond the end of {self.name}")
        return at


class Weight(Buffer):
    """A parameter ``[rows, columns]``: a column times a row, so that products with it are cheap."""

    def __init__(self, name: str, rows: int, columns: int, seed: int) -> None:
        self.name, self.columns = name, columns
        self.down, self.along = noise(2 * seed, rows), noise(2 * seed + 1, columns)
        self.size = rows * columns

    def read(self, at: Any, what: str) -> Numbers:
        """Return numbers."""
        at = at.numbers() if isinstance(at, Span) else np.asarray(at)
        if at.size and not (at.min() >= 0 and at.max() < self.size):
            raise Unverified(f"{what} is beyond the end of {self.name}")
        return self.down[at // self.columns] * self.along[at % self.columns]

    def write(self, at: Any, numbers: Numbers, what: str) -> None:
        """Refuse."""
        raise Unverified(f"{what}: a parameter is written")


class Packed(Buffer):
    """Packed weights: where each begins, and the two factors of it."""

    def __init__(self) -> None:
        super().__init__("packed weights", noise(1, 0), False)
        self.matrices: dict[int, tuple[Numbers, Numbers]] = {}

    def matrix(self, at: int, total: int) -> tuple[Numbers, Numbers]:
        """Return the factors of the weight whose panels begin at a place.

        Raises:
            Unverified: There is none of such a depth.
        """
        start = max((s for s in self.matrices if s <= at), default=None)
        if start is None:
            raise Unverified("a product with a weight that was not packed")
        down, along = self.matrices[start]
        first, rest = divmod(at - start, total)
        if len(down) != total or rest or first % PANEL:
            raise Unverified("a product reads a packed weight of another shape")
        return down, along[first:]


class Pointer:
    """A place in an array."""

    __slots__ = ("at", "buffer")

    def __init__(self, buffer: Buffer, at: int = 0) -> None:
        self.buffer, self.at = buffer, at

    def __add__(self, more: int) -> Pointer:
        return Pointer(self.buffer, self.at + int(more))


class Columns:
    """One loop over columns, run for all of them at once: none may read what another one writes."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._seen: list[tuple[Buffer, Any, bool]] = []

    def load(self, pointer: Pointer, index: Any, what: str) -> Numbers:
        """Return what the columns read."""
        at = self._noted(pointer, index, False, what)
        return pointer.buffer.read(at, what)

    def store(self, pointer: Pointer, index: Any, numbers: Numbers, what: str) -> None:
        """Write what they write."""
        at = self._noted(pointer, index, True, what)
        if not isinstance(at, Span) and len(np.unique(at)) < self.count:
            raise Unverified(f"several columns write into one place: {what}")
        pointer.buffer.write(at, numbers, what)

    def add(self, pointer: Pointer, index: Any, numbers: Numbers, what: str) -> None:
        """Add to what lies there; several columns may add to one place."""
        at = self._noted(pointer, index, True, what)
        if not isinstance(at, Span) and len(np.unique(at)) < self.count:
            pointer.buffer.read(at, what)
            np.add.at(pointer.buffer.data, at, numbers)
            return
        pointer.buffer.write(at, pointer.buffer.read(at, what) + numbers, what)

    def _noted(self, pointer: Pointer, index: Any, writes: bool, what: str) -> Any:
        at = index + pointer.at
        for buffer, other, wrote in self._seen:
            if buffer is pointer.buffer and (writes or wrote) and _cross(at, other):
                raise Unverified(f"a column reads or writes what another one writes: {what}")
        self._seen.append((pointer.buffer, at, writes))
        return at


def _cross(a: Any, b: Any) -> bool:
    """Whether two columns meet in one place; each in its own is none of it."""
    if isinstance(a, Span) and isinstance(b, Span):
        if a == b or a.last < b.start or b.last < a.start:
            return False
        if a.step == b.step and (a.start - b.start) % a.step:
            return False
    a, b = (i.numbers() if isinstance(i, Span) else np.atleast_1d(i) for i in (a, b))
    return not np.array_equal(a, b) and bool(np.intersect1d(a, b).size)


def load(pointer: Pointer, index: Any, what: str) -> Numbers:
    """Return what lies at an index."""
    return pointer.buffer.read(index + pointer.at, what)


def store(pointer: Pointer, index: Any, numbers: Numbers, what: str) -> None:
    """Write what lies at an index."""
    pointer.buffer.write(index + pointer.at, numbers, what)


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


# --- c/kernels.c --------------------------------------------------------------------------------


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
