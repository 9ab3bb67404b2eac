"""The first bytes of a file, once it is known that there is any content to read."""

from __future__ import annotations

from pathlib import Path

from memcell.errors import DataError

_POINTER = b"version https://git-lfs.github.com"
_EDF = (b"0       ", b"0\0\0\0\0\0\0\0")
BIOSEMI = b"\xffBIOSEMI"


def first_bytes(path: Path, count: int = 256) -> bytes:
    """Return the first bytes of a file.

    Raises:
        DataError: The file is not there, cannot be opened, is empty, or is a git-lfs pointer.
    """
    try:
        with path.open("rb") as file:
            head = file.read(max(count, len(_POINTER)))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror or error}") from error
    if not head:
        raise DataError(f"{path}: is empty (0 bytes)")
    if head.startswith(_POINTER):
        raise DataError(
            f"{path}: is a git-lfs pointer and not the recording itself; fetch it with 'git lfs pull'"
        )
    return head[:count]


def says_simulated(head: bytes) -> bool:
    """Whether an EDF header says that memcell simulated the recording; nothing else of that field is read."""
    return b" memcell simulated" in head[88:168]


def begins_as_edf(head: bytes) -> bool:
    """Whether a file's first bytes are those of EDF or BDF."""
    return head.startswith((*_EDF, BIOSEMI))
