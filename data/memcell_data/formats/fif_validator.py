"""A validator for MNE's reader of FIF, which never ends where tags of a damaged file point back.

A FIF file is a chain of tags: kind, type, size and the place of the next one (0: right behind, -1: the end),
each a big-endian 32-bit number.
"""

from __future__ import annotations

import struct
from pathlib import Path

from memcell.errors import DataError

_TAG = struct.Struct(">iiii")


def check_fif(path: Path) -> None:
    """Refuse a file whose chain of tags goes round, or has a tag of negative size.

    Raises:
        DataError: Names the file and the byte.
    """
    size = path.stat().st_size
    at, seen = 0, {0}
    with path.open("rb") as file:
        while at + _TAG.size <= size:
            file.seek(at)
            _, _, length, following = _TAG.unpack(file.read(_TAG.size))
            if length < 0:
                raise DataError(
                    f"{path}: is damaged: the tag at byte {at} promises {length} bytes of data"
                )
            if following < 0:
                return
            before, at = at, following or at + _TAG.size + length
            if at in seen:
                raise DataError(
                    f"{path}: is damaged: the tag at byte {before} says that the next one is at byte {at}, "
                    "which was read before: reading it would never end"
                )
            seen.add(at)
