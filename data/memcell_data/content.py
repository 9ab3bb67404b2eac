"""The first bytes of a file, or an error that says why it has no content."""

from __future__ import annotations

import errno
import re
import stat
from pathlib import Path

from memcell.errors import DataError

_POINTER = b"version https://git-lfs.github.com"
#: What git-annex writes in place of a link: a pointer, or a link as text where there are no links.
_ANNEX = re.compile(rb"^(?:(?:\.\./)*\.git)?/?annex/objects/")
_EDF = (b"0       ", b"0\0\0\0\0\0\0\0")
BIOSEMI = b"\xffBIOSEMI"


def first_bytes(path: Path, count: int = 256) -> bytes:
    """Return the first bytes of a file.

    Raises:
        DataError: The file is not there, cannot be opened, is empty, or stands for content that was not
            fetched (git-annex, DataLad, git-lfs).
    """
    try:
        if not stat.S_ISREG(
            path.stat().st_mode
        ):  # to open a pipe would wait for who writes into it
            raise DataError(f"{path}: is not a regular file (but a pipe, a device or a folder)")
        with path.open("rb") as file:
            head = file.read(max(count, len(_POINTER)))
    except FileNotFoundError:
        raise DataError(f"{path}: {_not_there(path)}") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DataError(f"{path}: is a link that leads back to itself") from None
        raise DataError(f"{path}: cannot be opened: {error.strerror or error}") from error
    if not head:
        raise DataError(f"{path}: is empty (0 bytes)")
    if head.startswith(_POINTER):
        raise DataError(
            f"{path}: is a git-lfs pointer and not the recording itself; fetch it with 'git lfs pull'"
        )
    if _ANNEX.match(head):
        raise DataError(f"{path}: {_not_fetched(path)}")
    return head[:count]


def _not_there(path: Path) -> str:
    """Say why a file that has a name has no content."""
    if not path.is_symlink():
        return "there is no such file"
    target = path.readlink()
    if "annex" in target.parts:
        return _not_fetched(path)
    return f"is a link to '{target}', which is not there"


def _not_fetched(path: Path) -> str:
    return (
        "its content was not fetched (git-annex or DataLad keeps it elsewhere): type 'datalad get "
        f"{path.name}' or 'git annex get {path.name}' in its folder"
    )


def says_simulated(head: bytes) -> bool:
    """Whether an EDF header says that memcell simulated the recording; nothing else of that field is read."""
    return b" memcell simulated" in head[88:168]


def begins_as_edf(head: bytes) -> bool:
    """Whether a file's first bytes are those of EDF or BDF."""
    return head.startswith((*_EDF, BIOSEMI))
