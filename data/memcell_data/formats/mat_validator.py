"""A validator for scipy's reader of MATLAB files, which ends the whole process on some damaged ones.

Every element of a MATLAB 5 file is walked through, compressed ones too, and held against its place: tags
that are known, sizes that fit into what holds them, as many values as the dimensions say. Only a file that
is whole in this sense is handed on. Nothing of its content is kept.

References:
    MathWorks, MAT-File Format (2023), chapter 1.
"""

from __future__ import annotations

import math
import mmap
import struct
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from memcell.errors import DataError
from memcell_data.content import first_bytes

_HEADER = 128
_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}
_MATRIX, _COMPRESSED = 14, 15
_INT32, _UINT32, _INT8 = 5, 6, 1
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE = 1, 2, 3, 4, 5
_NUMERIC = range(6, 16)
_FUNCTION, _OPAQUE = 16, 17
_COMPLEX, _DEEPEST, _MOST_DIMENSIONS = 0x08, 40, 32


class _Damaged(Exception):
    """What is wrong with an element."""


@dataclass(frozen=True)
class _Element:
    """Where the content of an element lies."""

    kind: int
    start: int
    stop: int
    after: int


def check_mat(path: Path) -> None:
    """Refuse a file that is no whole MATLAB 5 file.

    Raises:
        DataError: It is of another version, or damaged; names the file and the reason.
    """
    head = first_bytes(path, _HEADER)
    if is_hdf(head):
        raise DataError(
            f"{path}: is a MATLAB 7.3 file (HDF5); save it with '-v7', as older programs do"
        )
    if len(head) < _HEADER or head[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise DataError(f"{path}: is no MATLAB 5 file: its 128 bytes of header do not say so")
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            _Walk(content, ">" if head[126:128] == b"MI" else "<").file()
    except _Damaged as damage:
        raise DataError(f"{path}: is damaged or cut: {damage}") from None
    except zlib.error:
        raise DataError(
            f"{path}: is damaged or cut: a compressed variable cannot be unpacked"
        ) from None


def is_hdf(head: bytes) -> bool:
    """Whether a file's first bytes are those of MATLAB 7.3, which is HDF5."""
    return (
        head.startswith(b"\x89HDF")
        or b"MATLAB 7.3" in head[:20]
        or head[124:128] in (b"\x00\x02IM", b"\x02\x00MI")
    )


class _Walk:
    """Goes through the elements of a file, or of an unpacked variable.

    Args:
        content: All of it.
        order: ``"<"`` or ``">"``, the order of bytes.
    """

    def __init__(self, content: bytes | mmap.mmap, order: str) -> None:
        self.content, self.order = content, order

    def file(self) -> None:
        at, n = _HEADER, 0
        while at < len(self.content):
            element = self._tag(at, len(self.content), packed=True)
            if element.kind == _COMPRESSED:
                inner = _Walk(
                    zlib.decompress(self.content[element.start : element.stop]), self.order
                )
                first = inner._tag(0, len(inner.content))
                if first.kind != _MATRIX:
                    raise _Damaged(f"the variable at byte {at} is no array")
                inner._matrix(first, 0)
            elif element.kind == _MATRIX:
                self._matrix(element, 0)
            else:
                raise _Damaged(f"byte {at} begins no variable (type {element.kind})")
            at, n = element.after, n + 1
        if not n:
            raise _Damaged("it holds no variable")

    def _tag(self, at: int, end: int, packed: bool = False) -> _Element:
        """Return the element whose tag stands at a byte, inside what ends at ``end``."""
        if at + 8 > end:
            raise _Damaged(f"it ends in the tag at byte {at}")
        kind, size = struct.unpack_from(f"{self.order}II", self.content, at)
        if kind >> 16:  # a small element: type, size and content in 8 bytes
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4 or kind not in _SIZES:
                raise _Damaged(f"an unknown tag at byte {at}")
            return _Element(kind, at + 4, at + 4 + size, at + 8)
        if kind not in (_MATRIX, *_SIZES) and not (packed and kind == _COMPRESSED):
            raise _Damaged(f"an unknown tag at byte {at}")
        stop = at + 8 + size
        after = stop if kind == _COMPRESSED else stop + -size % 8
        if stop > end:
            raise _Damaged(
                f"the element at byte {at} needs {size} bytes and {end - at - 8} are left"
            )
        return _Element(kind, at + 8, stop, min(after, end))

    def _matrix(self, element: _Element, depth: int) -> int:
        """Check an array, and return how many values it has by its dimensions."""
        if element.start == element.stop:
            return 0  # an empty one, as fields may be
        if depth > _DEEPEST:
            raise _Damaged(f"arrays within arrays more than {_DEEPEST} deep")
        end = element.stop
        flags = self._sub(element.start, end, (_UINT32,), 8)
        word = struct.unpack_from(f"{self.order}I", self.content, flags.start)[0]
        kind, is_complex = word & 0xFF, bool((word >> 8) & _COMPLEX)
        if kind == _OPAQUE:
            return self._rest(flags.after, end)
        at, dimensions = self._dimensions(flags.after, end)
        name = self._sub(at, end, (_INT8,))
        at, n = name.after, math.prod(dimensions)
        if kind in (_CELL, _STRUCT, _OBJECT):
            return self._holder(kind, at, end, n, depth)
        if kind == _FUNCTION:
            return self._matrix(self._sub(at, end, (_MATRIX,)), depth + 1)
        if kind == _SPARSE:
            return self._sparse(at, end, dimensions, n, is_complex)
        if kind != _CHAR and kind not in _NUMERIC:
            raise _Damaged(f"an array of unknown class {kind} at byte {element.start}")
        for _ in range(2 if is_complex else 1):
            part = self._sub(at, end, tuple(_SIZES))
            # text in UTF-8 (16) may have more bytes than characters
            values = (part.stop - part.start) / _SIZES[part.kind]
            if values != n and not (kind == _CHAR and part.kind == 16 and values >= n):
                raise _Damaged(f"{values:g} values at byte {at}, expected {n}")
            at = part.after
        return n

    def _holder(self, kind: int, at: int, end: int, n: int, depth: int) -> int:
        fields = 1
        if kind == _OBJECT:
            at = self._sub(at, end, (_INT8,)).after
        if kind != _CELL:
            length = self._sub(at, end, (_INT32,), 4)
            width = struct.unpack_from(f"{self.order}i", self.content, length.start)[0]
            names = self._sub(length.after, end, (_INT8,))
            total = names.stop - names.start
            if width < 1 or total % width:
                raise _Damaged(f"field names at byte {names.start} that do not fit their length")
            fields, at = total // width, names.after
        for _ in range(fields * n):
            inner = self._sub(at, end, (_MATRIX,))
            self._matrix(inner, depth + 1)
            at = inner.after
        return n

    def _sparse(self, at: int, end: int, dimensions: list[int], n: int, is_complex: bool) -> int:
        if len(dimensions) != 2:
            raise _Damaged(f"a sparse array of {len(dimensions)} dimensions")
        rows = self._sub(at, end, (_INT32,))
        columns = self._sub(rows.after, end, (_INT32,))
        stored, count = (columns.stop - columns.start) // 4, (rows.stop - rows.start) // 4
        starts = struct.unpack_from(f"{self.order}{stored}i", self.content, columns.start)
        places = struct.unpack_from(f"{self.order}{count}i", self.content, rows.start)
        rising = all(a <= b for a, b in pairwise(starts))
        if stored != dimensions[1] + 1 or not rising or starts[0] != 0 or starts[-1] > count:
            raise _Damaged(f"a sparse array with wrong columns at byte {columns.start}")
        if any(not 0 <= place < max(1, dimensions[0]) for place in places):
            raise _Damaged(f"a sparse array with wrong rows at byte {rows.start}")
        at = columns.after
        for _ in range(2 if is_complex else 1):
            part = self._sub(at, end, tuple(_SIZES))
            if (part.stop - part.start) // _SIZES[part.kind] < starts[-1]:
                raise _Damaged(f"a sparse array with too few values at byte {at}")
            at = part.after
        return n

    def _dimensions(self, at: int, end: int) -> tuple[int, list[int]]:
        element = self._sub(at, end, (_INT32,))
        n = (element.stop - element.start) // 4
        if not 2 <= n <= _MOST_DIMENSIONS or (element.stop - element.start) % 4:
            raise _Damaged(f"an array of {n} dimensions at byte {at}")
        found = list(struct.unpack_from(f"{self.order}{n}i", self.content, element.start))
        if min(found) < 0:
            raise _Damaged(f"an array with a negative dimension at byte {at}")
        return element.after, found

    def _rest(self, at: int, end: int) -> int:
        """Check that what is left is made of elements (MATLAB's own objects)."""
        while at < end:
            at = self._tag(at, end).after
        return 0

    def _sub(self, at: int, end: int, kinds: tuple[int, ...], size: int | None = None) -> _Element:
        element = self._tag(at, end)
        if element.kind not in kinds:
            raise _Damaged(f"an element of type {element.kind} at byte {at}, expected {kinds[0]}")
        if size is not None and element.stop - element.start != size:
            raise _Damaged(f"an element of {element.stop - element.start} bytes at byte {at}")
        return element
