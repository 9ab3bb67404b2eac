"""What of a recording is not there yet, by what its own files say: it is being copied, or was cut."""

from __future__ import annotations

import struct
from pathlib import Path

from memcell.errors import DataError
from memcell_data.content import begins_as_edf, first_bytes
from memcell_data.formats.brainvision import missing_parts
from memcell_data.formats.edf.fields import field_at
from memcell_data.formats.fif_parts import is_fif, later_parts, links_of

_TAG = struct.Struct(">iiii")


def missing_of(path: Path) -> str:
    """Return what of a recording is not there; empty where nothing is known to be missing.

    EDF and BDF say how many data records they have, BrainVision in which files its samples are and mostly how
    many, FIF where it ends and which part comes next. Of other formats nothing is known.
    """
    try:
        if not path.is_file():
            return ""
        if path.stat().st_size == 0:
            return "the file is empty"
        if path.suffix.lower() == ".vhdr":
            return missing_parts(path)
        if is_fif(path):
            return _of_fif(path)
        return _of_edf(path) if begins_as_edf(first_bytes(path)) else ""
    except (DataError, OSError, ValueError, struct.error):
        return ""  # damaged rather than incomplete, which reading it will say


def _of_edf(path: Path) -> str:
    size, head = path.stat().st_size, first_bytes(path)
    if size < 256:
        return "its header is not all there"
    channels = _number(head, "number of signals")
    length = 256 * (channels + 1)
    if size < length:
        return "its header is not all there"
    head = first_bytes(path, length)
    samples = sum(_number(head, "samples per record", i, channels) for i in range(channels))
    record = samples * (2 if head.startswith(b"0") else 3)
    declared, there = _number(head, "number of records"), (size - length) // record
    if declared == -1:
        return f"its recorder has not closed it: {there} data records are there, and its header says -1"
    if there >= declared:
        return ""
    return f"{there} of {declared} data records ({100 * there // declared} %) are there"


def _number(head: bytes, name: str, channel: int = 0, channels: int = 0) -> int:
    at, width = field_at(name, channel, channels)
    return int(head[at : at + width])


def _of_fif(path: Path) -> str:
    parts = [path, *later_parts(path)]
    for part in parts:
        if part.suffix.lower() != ".gz" and not _has_an_end(part):
            return f"'{part.name}' ends before its last tag"
    behind = links_of(parts[-1]).behind
    if behind and not path.with_name(behind).is_file():
        return f"its part '{behind}' is not there"
    return ""


def _has_an_end(path: Path) -> bool:
    """Whether the tags of a FIF file lead to the one that says that it is the last, with all its data."""
    size, at, seen = path.stat().st_size, 0, set[int]()
    with path.open("rb") as file:
        while at + _TAG.size <= size and at not in seen:
            seen.add(at)
            file.seek(at)
            length, following = _TAG.unpack(file.read(_TAG.size))[2:]
            if following < 0:
                return bool(at + _TAG.size + length <= size)
            at = following or at + _TAG.size + length
    return False
