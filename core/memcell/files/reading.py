"""The files of a run, a comparison or a prediction that somebody else may have made: read with limits.

A folder of results is handed on: from a colleague, a download, a backup that went wrong. So every file of
one is read here. No link is followed out of its folder, nothing is opened that is no plain file (a pipe would
wait for ever), sizes and depths have limits, packed arrays are unpacked no further than a file of their size
can need, nothing is ever unpickled, and whatever is wrong is one `RunFolderError` that names the file.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tomllib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from memcell.errors import MemcellError, RunFolderError

MEGABYTE = 1_000_000
#: Bytes of a config, of a JSON or text file, of a file of lines, of weights.
MOST_CONFIG = 1 * MEGABYTE
MOST_TEXT = 32 * MEGABYTE
MOST_LINES = 512 * MEGABYTE
MOST_WEIGHTS = 16_000 * MEGABYTE
#: Lines of a file of lines, and bytes of one.
MOST_NUMBER_OF_LINES = 5_000_000
LONGEST_LINE = 4 * MEGABYTE
#: What packed arrays may take in memory: so much in any case, and so many times the file's size.
ALWAYS_UNPACKED, MOST_TIMES_PACKED = 256 * MEGABYTE, 32
#: Digits of a whole number; all that a run counts has fewer.
_MOST_DIGITS = 20
#: Words of one dotted key; the time that reading one takes grows with their square.
_MOST_DOTS = 32
_WORD = r"(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')"
_DOTTED = re.compile(rf"(?<![\w\"'.-]){_WORD}(?:[ \t]*+\.[ \t]*+{_WORD}){{{_MOST_DOTS},}}")

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_plain(path: Path, flags: int = os.O_RDONLY) -> int:
    """Return a descriptor of a plain file; one that is not there, where ``flags`` say so, is made.

    Args:
        path: The file. A link is followed where it leads to a place in the same folder or below it.
        flags: Of `os.open`.

    Raises:
        FileNotFoundError: It is not there.
        RunFolderError: It is no plain file, a link leads out of its folder, or it cannot be opened.
    """
    extra = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    extra |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        try:
            handle = os.open(path, flags | extra, 0o666)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EMLINK) or not path.is_symlink():
                raise
            handle = os.open(_target(path), flags | extra, 0o666)
    except FileNotFoundError:
        raise
    except ValueError as error:  # a zero byte in the name
        raise RunFolderError(f"'{path}' cannot be opened: {error}") from None
    except OSError as error:
        what = _kind(path) if error.errno in (errno.EISDIR, errno.ENXIO) else ""
        problem = (
            f"is {what}, and a file is expected" if what else f"cannot be opened: {error.strerror}"
        )
        raise RunFolderError(f"'{path}' {problem}") from None
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        what = next((name for test, name in _KINDS if test(mode)), "no plain file")
        raise RunFolderError(f"'{path}' is {what}, and a file is expected")
    return handle


def check_inside(path: Path, root: Path) -> Path:
    """Return a folder or file below a root, whether it is there or not.

    Raises:
        RunFolderError: A link on the way leads out of the root.
    """
    try:
        inner, outer = Path(os.path.realpath(path)), Path(os.path.realpath(root))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"'{path}' cannot be used: {error}") from None
    if not inner.is_relative_to(outer):
        raise RunFolderError(
            f"'{path}' is a link out of '{root}', to '{inner}', and is not followed; put a copy of what "
            "it leads to in its place"
        )
    return path


def subfolders(root: Path, pattern: str) -> list[Path]:
    """Return the folders below a root that match, in order; what is a link out of it is not among them."""
    found = []
    for path in sorted(root.glob(pattern)):
        try:
            if path.is_dir() and check_inside(path, root):
                found.append(path)
        except (OSError, RunFolderError):
            continue
    return found


def read_bytes(path: Path, most: int = MOST_TEXT) -> bytes:
    """Return the content of a file.

    Args:
        path: The file.
        most: Bytes that a file of its kind has at most.

    Raises:
        RunFolderError: It is missing, larger, or cannot be read.
    """
    with opened(path, most) as file:
        # as much as there is, and a little more: a buffer of the limit's size would be made at once
        size = os.fstat(file.fileno()).st_size
        content: bytes = file.read(min(size, most) + 1)
        if len(content) > most:
            raise _too_large(path, len(content), most)
        return content


@contextmanager
def opened(path: Path, most: int) -> Iterator[IO[bytes]]:
    """Yield a file to read; what the system says of it meanwhile becomes a `RunFolderError`.

    Args:
        path: The file.
        most: Bytes that a file of its kind has at most.
    """
    try:
        with os.fdopen(open_plain(path), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise _too_large(path, size, most)
            yield file
    except FileNotFoundError:
        raise RunFolderError(f"'{path}' is missing") from None
    except OSError as error:
        raise RunFolderError(f"'{path}' cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise RunFolderError(f"'{path}' cannot be read: there is not enough memory") from None


def read_text(path: Path, most: int = MOST_TEXT) -> str:
    """Return the text of a file in UTF-8.

    Raises:
        RunFolderError: It cannot be read, or is not UTF-8.
    """
    return _decoded(read_bytes(path, most), path)


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RunFolderError(
            f"'{path}' is not UTF-8 text: byte {content[error.start]:#04x} at {error.start}"
        ) from None


def read_json(path: Path, most: int = MOST_TEXT) -> Any:
    """Return the values of a JSON file.

    Raises:
        RunFolderError: It cannot be read, or is not JSON, or nested too deeply.
    """
    return parse_json(read_text(path, most), path)


def read_object(path: Path, most: int = MOST_TEXT) -> dict[str, Any]:
    """Return the object of a JSON file.

    Raises:
        RunFolderError: As `read_json`, or it holds something else.
    """
    found = read_json(path, most)
    if not isinstance(found, dict):
        raise RunFolderError(f"'{path}' holds no JSON object, but {_brief(found)}")
    return found


def parse_json(text: str | bytes, path: Path) -> Any:
    """Return the values of a JSON text that comes from a file.

    Raises:
        RunFolderError: It is not JSON, nested too deeply, or has a number that nothing here can be.
    """
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        raise RunFolderError(f"'{path}' cannot be read: it is nested too deeply") from None
    except MemoryError:
        raise RunFolderError(f"'{path}' cannot be read: there is not enough memory") from None
    except ValueError as error:
        raise RunFolderError(f"'{path}' is not valid JSON: {error}") from None


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file, without their ends.

    Raises:
        RunFolderError: It cannot be read, or has lines of a length, or a number of them, that no run writes.
    """
    with opened(path, MOST_LINES) as file:
        for number in range(MOST_NUMBER_OF_LINES + 1):
            line = file.readline(LONGEST_LINE + 1)
            if not line:
                return
            if len(line) > LONGEST_LINE:
                raise RunFolderError(
                    f"'{path}': line {number + 1} is longer than any that a run writes"
                )
            yield line.decode("utf-8", errors="replace").rstrip("\r\n")
        raise RunFolderError(f"'{path}' has more than {MOST_NUMBER_OF_LINES} lines")


def read_json_lines(path: Path, strict: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file with one a line; a line that is none, as a crash leaves, is left out.

    Args:
        path: The file.
        strict: Refuse a line that is no object.

    Raises:
        RunFolderError: The file cannot be read.
    """
    for number, text in enumerate(read_lines(path), start=1):
        if not text.strip():
            continue
        try:
            line = parse_json(text, path)
        except RunFolderError:
            line = None
        if isinstance(line, dict):
            yield line
        elif strict:
            raise RunFolderError(f"'{path}': line {number} is no JSON object")


def read_toml(path: Path, most: int = MOST_CONFIG) -> dict[str, Any]:
    """Return the sections of a TOML file.

    Raises:
        RunFolderError: It cannot be read, or is not TOML; says where.
    """
    return parse_toml(read_bytes(path, most), path)


def parse_toml(content: bytes, path: Path) -> dict[str, Any]:
    """Return the sections of a TOML text that comes from a file.

    Raises:
        RunFolderError: It is not TOML, too large, or nested too deeply; says where.
    """
    if len(content) > MOST_CONFIG:
        raise _too_large(path, len(content), MOST_CONFIG)
    text = _decoded(content, path)
    if _DOTTED.search(text):
        raise RunFolderError(f"'{path}' has a dotted key of more than {_MOST_DOTS} words")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise RunFolderError(f"'{path}' cannot be read: it is nested too deeply") from None
    except ValueError as error:
        raise RunFolderError(f"'{path}' cannot be read, it is not valid TOML: {error}") from None


def read_arrays(path: Path) -> dict[str, Any]:
    """Return the arrays of an ``.npz`` file by name.

    Raises:
        RunFolderError: It cannot be read, holds objects, or would take more memory than a file of its size
            can need.
    """
    import numpy as np

    with opened(path, MOST_WEIGHTS) as file, refusing(path):
        size = os.fstat(file.fileno()).st_size
        most = max(ALWAYS_UNPACKED, MOST_TIMES_PACKED * size)
        try:
            with zipfile.ZipFile(file) as packed:
                members = packed.infolist()
                total = sum(m.file_size for m in members)
                if total > most:
                    raise RunFolderError(
                        f"'{path}' would take {total / MEGABYTE:.0f} MB of memory, from "
                        f"{size / MEGABYTE:.1f} MB: no run writes such a file"
                    )
                return {
                    m.filename.removesuffix(".npy"): _array(packed.read(m), path, np)
                    for m in members
                }
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise RunFolderError(f"'{path}' is damaged: {' '.join(str(error).split())}") from None


def _array(content: bytes, path: Path, np: Any) -> Any:
    """Return the array of a ``.npy`` content whose size is what its head says."""
    import io

    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read:
        raise RunFolderError(f"'{path}' holds an array in a format that memcell does not write")
    shape, fortran, kind = read[version](file)
    count = 1
    for n in shape:
        count *= n
    if (
        kind.hasobject
        or min((0, *shape)) < 0
        or count * kind.itemsize != len(content) - file.tell()
    ):
        raise RunFolderError(f"'{path}' holds an array that is not what its head says")
    return np.frombuffer(content, kind, count, file.tell()).reshape(
        shape, order="F" if fortran else "C"
    )


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what goes wrong with values that came from a file into a `RunFolderError` that names it.

    Around code that takes such values for what a run writes; errors that a person is meant to read stay as
    they are, with the file named.
    """
    try:
        yield
    except RunFolderError:
        raise
    except MemcellError as error:
        if str(path) in str(error):
            raise
        raise RunFolderError(f"'{path}': {error}") from error
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        MemoryError,
        RecursionError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        reason = " ".join(str(error).split())[:300]
        problem = (
            f"lacks {reason}" if isinstance(error, KeyError) else reason or type(error).__name__
        )
        raise RunFolderError(f"'{path}' does not hold what a run writes: {problem}") from error


def _target(path: Path) -> str:
    check_inside(path, path.parent)
    return os.path.realpath(path)


def _kind(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    return next((name for test, name in _KINDS if test(mode)), "")


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _too_large(path: Path, size: int, most: int) -> RunFolderError:
    return RunFolderError(
        f"'{path}' has {size / MEGABYTE:.0f} MB; a file of its kind has at most {most / MEGABYTE:.0f} MB"
    )


def _brief(value: Any) -> str:
    return {list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(
        type(value), "a number"
    )
