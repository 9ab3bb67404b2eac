"""The memory that a program which is verified runs on; it knows what was written.

A pointer is an array and a place in it. Reading what nobody has written, or beyond an end, is an error; so is
a loop over columns of which one reads what another one writes.
"""

from __future__ import annotations

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
