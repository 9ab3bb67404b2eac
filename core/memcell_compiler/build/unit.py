"""Compiled units of C: their recipe, the cache on disk, and loading; the programs of a step."""

from __future__ import annotations

import ctypes
import hashlib
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from memcell.recurrent.refusals import Unsupported
from memcell_compiler.build import cache as disk
from memcell_compiler.build.compiler import FLAGS, find_compiler
from memcell_compiler.build.prefetch import begin, finished
from memcell_compiler.build.target import Target
from memcell_compiler.c import source_file

_HEADERS = ("base.h", "flush.h", "functions.h", "rows.h", "share.h")
_PREAMBLE = "".join(f'#include "{name}"\n' for name in _HEADERS) + "\n"


def load(
    source: str, dtype: torch.dtype, target: Target, extra: tuple[str, ...] = ()
) -> ctypes.CDLL:
    """Compile a C source (or take it from the cache) and load it.

    Args:
        source: After the runtime's headers.
        dtype: float32 or float64: what ``real`` is.
        target: The instruction set.
        extra: Further flags.

    Raises:
        Unsupported: There is no compiler, it failed, or there is no place for what it makes.
    """
    key, build = _recipe(source, dtype, target, extra)
    finished(key)
    try:
        path = disk.fetch(key, build)
        try:
            return disk.load(path)
        except OSError:  # an object of the right digest that this system does not load
            return disk.load(disk.store(key, build, path.parent))
    except OSError as e:  # a full disk, a folder from which nothing may run
        raise Unsupported(f"compiled code could not be kept or loaded: {e}") from e


def symbol(unit: ctypes.CDLL, name: str) -> Any:
    """Return a function of a unit.

    Raises:
        Unsupported: What the compiler made does not have it.
    """
    try:
        return getattr(unit, name)
    except AttributeError:
        raise Unsupported(f"compiled code lacks the function '{name}'") from None


def begin_program(sources: tuple[str, ...], dtype: torch.dtype, target: Target) -> None:
    """Begin to compile what `program_unit` will load."""
    begin_unit(_PREAMBLE + "\n\n".join(sources), dtype, target)


def begin_unit(
    source: str, dtype: torch.dtype, target: Target, extra: tuple[str, ...] = ()
) -> None:
    """Begin to compile what `load` will load, unless it is in the cache."""
    try:
        key, build = _recipe(source, dtype, target, extra)
    except Unsupported:  # said when the unit is loaded
        return
    begin(key, lambda: disk.fetch(key, build))


def _recipe(
    source: str, dtype: torch.dtype, target: Target, extra: tuple[str, ...]
) -> tuple[str, Callable[[Path], None]]:
    """Return the key of a unit, and what writes its object."""
    compiler = find_compiler()
    flags = (*target.flags, *extra)
    if dtype == torch.float64:
        flags = (*flags, "-DMEMCELL_DOUBLE")
    known = [
        compiler.version,
        *compiler.command,
        *FLAGS,
        *flags,
        *map(source_file, _HEADERS),
        source,
    ]

    def build(output: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="memcell-") as work:
            for name in _HEADERS:
                (Path(work) / name).write_text(source_file(name), encoding="utf-8")
            unit = Path(work) / "unit.c"
            unit.write_text(source, encoding="utf-8")
            compiler.compile(unit, output, flags)

    return hashlib.sha256("\0".join(known).encode()).hexdigest()[:32], build


@cache
def begin_update(dtype: torch.dtype, target: Target) -> None:
    """Begin to compile what `update_library` will load, unless it is in the cache; once a process."""
    begin_unit(source_file("update.c"), dtype, target)


@cache
def update_library(dtype: torch.dtype, target: Target) -> ctypes.CDLL:
    """Return the ends of an update of training (c/update.c), loaded once a process.

    Raises:
        Unsupported: They cannot be had.
    """
    return load(source_file("update.c"), dtype, target)


def program_unit(
    sources: tuple[str, ...], dtype: torch.dtype, target: Target, extra: tuple[str, ...] = ()
) -> ctypes.CDLL:
    """Compile programs into one unit."""
    return load(_PREAMBLE + "\n\n".join(sources), dtype, target, extra)
