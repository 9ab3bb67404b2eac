"""The parts of one recording that was split into several FIF files, as every file of them tells.

MNE splits at 2 GB, the acquisition of MEG systems too. Each part but the first refers to the one before, each
but the last to the one behind (``night_raw.fif``, ``night_raw-1.fif``; by BIDS ``_split-01_`` and so on). MNE
reads all of them from the first one; a later part is no recording of its own. The reference decides, not the
name: what is called ``night-1.fif`` may well be a night.
"""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from memcell.errors import DataError

ENDINGS = (".fif", ".fif.gz")
_TAG = struct.Struct(">iiii")
_BLOCK_START, _BLOCK_END, _REFERENCE, _BUFFER = 104, 105, 118, 300
_ROLE, _NAME, _NUMBER = 115, 118, 117
_BEFORE, _BEHIND = 1, 2
_PART = re.compile(r"^(?P<base>.*?)(?:-(?P<number>\d+))?(?P<ending>\.fif(?:\.gz)?)$", re.IGNORECASE)
_SPLIT = re.compile(r"(?<=_split-)(\d+)(?=[_.])")


@dataclass(frozen=True, kw_only=True)
class Links:
    """The files that a part of a recording names.

    Args:
        before: The name of the part before; empty for a first one.
        behind: The name of the part behind; empty for a last one.
    """

    before: str = ""
    behind: str = ""


def is_fif(path: Path) -> bool:
    """Whether a name ends as that of a FIF file."""
    return path.name.lower().endswith(ENDINGS)


def links_of(path: Path) -> Links:
    """Return which parts a FIF file names; none where it cannot be read or its chain of tags ends early.

    Of a compressed file only what stands before the samples is read.
    """
    compressed = path.name.lower().endswith(".gz")
    found: dict[int, str] = {}
    try:
        opened: Any = gzip.open if compressed else open
        with opened(path, "rb") as file:
            _walk(file, path.name, compressed, found)
    except (OSError, EOFError, ValueError, struct.error):
        return Links()
    before = found.get(_BEFORE, "")
    split = _SPLIT.search(path.name)
    if before and split and not _SPLIT.search(before):
        # MNE 1.13 gives the first of BIDS parts its name when the second already refers to it.
        number = f"{int(split[1]) - 1:0{len(split[1])}d}"
        before = path.name[: split.start(1)] + number + path.name[split.end(1) :]
    return Links(before=before, behind=found.get(_BEHIND, ""))


def _walk(file: IO[bytes], own: str, stop_early: bool, found: dict[int, str]) -> None:
    at, seen = 0, {0}
    inside, role, name, number = False, 0, "", -1
    while True:
        file.seek(at)
        raw = file.read(_TAG.size)
        if len(raw) < _TAG.size:
            return
        kind, _, length, following = _TAG.unpack(raw)
        if length < 0 or following < 0 or (stop_early and kind == _BUFFER):
            return
        if kind in (_BLOCK_START, _BLOCK_END) and length == 4:
            block = struct.unpack(">i", file.read(4))[0]
            if block == _REFERENCE and kind == _BLOCK_END and role in (_BEFORE, _BEHIND):
                found.setdefault(role, name or _numbered(own, number))
            if block == _REFERENCE:
                inside, role, name, number = kind == _BLOCK_START, 0, "", -1
        elif inside and kind in (_ROLE, _NUMBER) and length == 4:
            value = struct.unpack(">i", file.read(4))[0]
            role, number = (value, number) if kind == _ROLE else (role, value)
        elif inside and kind == _NAME and 0 < length < 4096:
            # The part before may be named with all its folders, of the system that wrote it.
            name = re.split(r"[/\\]", file.read(length).decode("latin-1"))[-1]
        at = following or at + _TAG.size + length
        if at in seen:
            return
        seen.add(at)


def _numbered(own: str, number: int) -> str:
    """Return the name of part ``number``, from that of another part: the first has no number."""
    match = _PART.match(own)
    if match is None or number < 0:
        return "?"
    return f"{match['base']}{f'-{number}' if number else ''}{match['ending']}"


def later_parts(first: Path) -> list[Path]:
    """Return the files that go on with a recording, in order, as far as they are there."""
    found: list[Path] = []
    at = first
    while (name := links_of(at).behind) and (following := first.with_name(name)).is_file():
        if following == first or following in found:
            break
        found.append(following)
        at = following
    return found


def check_parts(path: Path) -> None:
    """Refuse a later part, and a recording of which a part is missing.

    Raises:
        DataError: Names the file and the part that is to be read or that is missing.
    """
    before = links_of(path).before
    if before:
        first = _first(path)
        beside = first is not None
        raise DataError(
            f"{path}: is a later part of a split recording, not one of its own; "
            + (
                f"type '{first}', and all parts are read"
                if beside
                else f"the part before it, '{before}', is not beside it: put all parts into one folder under "
                "the names that they were written with"
            )
        )
    last = [path, *later_parts(path)][-1]
    behind = links_of(last).behind
    if behind and not path.with_name(behind).is_file():
        raise DataError(
            f"{path}: is split, and its part '{behind}' is not beside it: put all parts into one folder "
            "under the names that they were written with"
        )


def _first(path: Path) -> str | None:
    """Return the name of the first part of a recording, where all parts up to this one are there."""
    at, seen = path, {path}
    while links_of(at).before:
        before = _before(at)
        if before is None or before in seen:
            return None
        at = before
        seen.add(at)
    return at.name


def _before(path: Path) -> Path | None:
    """Return the part before, by its name or, where it has another one, as the file that names this one."""
    named = path.with_name(links_of(path).before)
    if named.is_file():
        return named
    others = (p for p in sorted(path.parent.glob("*.fif")) if p != path)
    return next((p for p in others if links_of(p).behind == path.name), None)


def without_later_parts(paths: Iterable[Path]) -> list[Path]:
    """Return the files without those that go on with another one of them."""
    listed = list(paths)
    links = {p: links_of(p) for p in listed if is_fif(p)}
    followed = {p.with_name(of.behind) for p, of in links.items() if of.behind}

    def goes_on(path: Path) -> bool:
        before = links[path].before if path in links else ""
        return bool(before) and (path.with_name(before) in links or path in followed)

    return [p for p in listed if not goes_on(p)]
