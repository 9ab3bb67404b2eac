"""Files that are whole or not there: written beside their place, flushed to the disk, renamed.

The file beside is called ``.NAME.memcell-HOST-PID-RANDOM`` and is locked by whoever writes it. A process that
was killed leaves it behind; the next one that writes into the folder removes it.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from memcell.errors import DiskError, MemcellError
from memcell.files.reading import open_plain

try:
    import fcntl
except ImportError:  # not on Windows: a file that is in use cannot be removed there
    # a name that holds a module can hold nothing else to the type checker
    fcntl = None  # type: ignore[assignment]

#: What is wrong with the disk and not with this one file.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


class Growing:
    """A file that is being written."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path

    def write(self, content: bytes | str) -> None:
        """Add to the file.

        Raises:
            MemcellError: It cannot be written; names the file.
        """
        with _named(self._path):
            self._file.write(content.encode("utf-8") if isinstance(content, str) else content)

    def rewrite(self, at: int, content: bytes) -> None:
        """Replace bytes that were written before, such as a header's count."""
        with _named(self._path):
            end = self._file.tell()
            self._file.seek(at)
            self._file.write(content)
            self._file.seek(end)


@contextmanager
def growing(path: Path, lasting: bool = True) -> Iterator[Growing]:
    """Yield a file to write piece by piece; it stands at its place, whole, when the block ends well.

    A reader sees the old one or the new one, also after a crash.

    Args:
        path: The file.
        lasting: Its name is on the disk, too, before this returns. Of several files in a folder the last one
            is enough, after `sync_folder` where it says something of the others.

    Raises:
        DiskError: The disk is full, or must not be written; names the file.
        MemcellError: The file cannot be written for another reason.
    """
    temporary: Path | None = None
    try:
        with _named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _tidied(os.path.realpath(path.parent), os.getpid())
            temporary, handle = beside(path)
        file = os.fdopen(handle, "wb")
        try:
            yield Growing(file, path)
            with _named(path):
                file.flush()
                os.fsync(file.fileno())
        finally:
            with suppress(OSError):  # what could not be written was said by then
                file.close()
        with _named(path):
            temporary.replace(path)
            if lasting:
                sync_folder(path.parent)
    except BaseException:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, for a writer that wants one, and rename it there at the end.

    Two processes may write the same file at once: each writes its own, and the last rename stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    temporary, handle = beside(path, path.suffix)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def write_atomic(path: Path, content: bytes | str, lasting: bool = True) -> None:
    """Write a file so that a reader sees the old one or the new one, also after a crash; see `growing`.

    Raises:
        DiskError: The disk is full, or must not be written; names the file.
        MemcellError: The file cannot be written for another reason.
    """
    with growing(path, lasting) as file:
        file.write(content)


def make_folder(path: Path) -> None:
    """Make a folder with its parents.

    Raises:
        MemcellError: It cannot be made, or is a file; names it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MemcellError(f"cannot make the folder '{path}': {error.strerror or error}") from error


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except OSError as error:
        kind = DiskError if error.errno in _OF_THE_DISK else MemcellError
        raise kind(f"cannot write '{path}': {error.strerror or error}") from error
    except UnicodeEncodeError as error:
        before, after = error.object[: error.start], error.object[error.start :]
        line = before.rpartition("\n")[2] + after.partition("\n")[0]
        raise MemcellError(
            f"cannot write '{path}': {line[:200]!r} holds a name that is no text in UTF-8; rename the file "
            "or folder, or set a UTF-8 locale (LC_ALL=C.UTF-8)"
        ) from error


#: How the names of files that are being written end: host, process, and a number of its own for each.
_MARK = re.compile(
    r"\..*\.memcell-(?P<host>[0-9a-f]{8})-(?P<pid>\d{1,10})-[0-9a-f]{8}(\.\w+)?", re.DOTALL
)
#: The same of versions before, which named no process; only files with an ending that memcell writes.
_OLD = re.compile(
    r"\..+\.(safetensors|toml|jsonl?|tsv|txt|html|png|npy|npz|onnx|edf)\.[a-z0-9_]{8}(\.\w+)?",
    re.DOTALL,
)
#: Bytes of a file's name that the name of the file beside it begins with.
_LONGEST = 180
#: A leftover whose writer cannot be asked about is removed when nobody touched it for so long, seconds.
_OLD_AGE = 24 * 60 * 60.0


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove what killed processes of this person left half-written in a folder; return what was removed.

    A file goes only where its name is one that memcell gives, it is a plain file of this user, nobody holds
    its lock, and its process ran on this machine and is gone; of other machines (a shared disk) and of
    versions before, where nobody touched it for a day.
    """
    removed = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            mark = _MARK.fullmatch(entry.name)
            if mark is None and _OLD.fullmatch(entry.name) is None:
                continue
            with suppress(OSError):
                if _abandoned(entry, mark):
                    Path(entry.path).unlink()
                    removed.append(Path(entry.path))
    return removed


def _abandoned(entry: os.DirEntry[str], mark: re.Match[str] | None) -> bool:
    status = entry.stat(follow_symlinks=False)
    if not entry.is_file(follow_symlinks=False):
        return False
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return False
    age, held = time.time() - status.st_mtime, _is_held(entry.path)
    if mark is not None and mark["host"] == _host():
        # a number may be another process's by now; whoever writes has the lock as soon as the file is there
        return not held if _is_gone(int(mark["pid"])) else held is False and age > 10.0
    return not held and age > _OLD_AGE


def _is_gone(process: int) -> bool:
    """Say whether no process of this number runs on this machine."""
    if os.name != "posix":  # elsewhere asking might end it
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _is_held(path: str) -> bool | None:
    """Say whether somebody holds a file's lock; None where the file system has no locks."""
    if fcntl is None:
        return None
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return False


@functools.lru_cache(maxsize=64)
def _tidied(folder: str, process: int) -> None:
    """Remove leftovers once a folder and process: a large one is not looked through for each file."""
    remove_leftovers(Path(folder))


@functools.cache
def _host() -> str:
    """Return a short name of this machine and container, in which numbers of processes mean something."""
    inside = ""
    with suppress(OSError):
        inside = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{platform.node()} {inside}".encode()).hexdigest()[:8]


def beside(path: Path, ending: str = "") -> tuple[Path, int]:
    """Make a file beside a path, hidden, and locked while it is open; return it with its handle.

    It is as readable as any other file of the person. The name is cut so that it fits where ``path`` does.

    Args:
        path: Where its content will stand; the folder exists.
        ending: What its name ends with, for libraries that look at it.
    """
    cut = os.fsencode(path.name)[:_LONGEST].decode("utf-8", "ignore")  # between two characters
    short = os.fsdecode(cut.encode())
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    flags |= getattr(os, "O_BINARY", 0)
    while True:
        mark = f"memcell-{_host()}-{os.getpid()}-{secrets.token_hex(4)}{ending}"
        temporary = path.parent / f".{short}.{mark}"
        try:
            handle = os.open(temporary, flags, 0o666)
        except FileExistsError:
            continue
        break
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return temporary, handle


def sync_folder(folder: Path) -> None:
    """Flush a folder to the disk: the names of files that were put there outlast a crash from then on."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # not every file system opens a folder; the rename is done all the same
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, busy: str | None = None) -> Iterator[None]:
    """Hold the lock on a file while entered.

    Args:
        path: The file, made where it is not there; its folder exists.
        busy: What to say where somebody else holds it; None to wait for them.

    Raises:
        MemcellError: Somebody else holds it, or the file cannot be made.
    """
    try:
        handle = open_plain(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise MemcellError(f"cannot write '{path}': {error.strerror}") from error
    try:
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy is not None else 0))
            except BlockingIOError:
                raise MemcellError(busy or "") from None
            except OSError:
                pass  # a file system without locks: nobody is kept out
        yield
    finally:
        os.close(handle)
