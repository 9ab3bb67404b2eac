"""Folders that only this user (or root) can change, all the way up to the root of the file system.

What is loaded from a cache runs as the person who asked for it. Whoever can rename or replace one folder on
the way decides what is found there, so every one of them counts and not the last alone.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import lru_cache
from pathlib import Path

try:
    import grp
    import pwd
except ImportError:  # not on Windows: folders of a person are theirs there
    # a name that holds a module can hold nothing else to the type checker
    grp = pwd = None  # type: ignore[assignment]

# O_PATH where there is such: a folder above may be closed to reading and still be passed
_FOLDER = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)
_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Distrusted(OSError):
    """A folder or file that somebody else could have changed; the message says who and how."""


def open_folder(path: Path) -> int:
    """Return a descriptor of a folder that nobody else can change or replace.

    Links are resolved first; the way to where they lead is then walked without following any.

    Args:
        path: The folder.

    Raises:
        Distrusted: Somebody else owns it or a folder above it, or may write there.
        OSError: It is not there, or is no folder.
    """
    # links first, since they are common (~/.cache on another disk); what counts is where they lead
    real = Path(os.path.realpath(path))
    handle = os.open(real.anchor, _FOLDER)
    try:
        _check(os.fstat(handle), Path(real.anchor), last=len(real.parts) == 1)
        if os.open not in os.supports_dir_fd:
            return os.open(real, _FOLDER)
        for depth, name in enumerate(real.parts[1:], start=2):
            inner = os.open(name, _FOLDER, dir_fd=handle)
            os.close(handle)
            handle = inner
            here = Path(*real.parts[:depth])
            _check(os.fstat(handle), here, last=depth == len(real.parts))
    except BaseException:
        os.close(handle)
        raise
    return handle


def open_file(name: str, folder: int) -> int:
    """Return a descriptor of a plain file in a folder that `open_folder` gave; no link is followed.

    Raises:
        Distrusted: It is another user's, may be written by others, or is no plain file.
        OSError: It is not there.
    """
    handle = os.open(name, _FILE, dir_fd=folder)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise Distrusted(f"'{name}' is not a plain file")
        _check(status, Path(name), last=True)
    except BaseException:
        os.close(handle)
        raise
    return handle


def make_private(path: Path) -> None:
    """Make a folder, and those above it that are missing, which nobody else can enter."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def reason_against(path: Path) -> str:
    """Return why a folder is not to be trusted; empty where it is, or where it is not there."""
    if not hasattr(os, "getuid"):
        return ""
    try:
        os.close(open_folder(path))
    except Distrusted as error:
        return str(error)
    except OSError:
        return ""
    return ""


def _check(status: os.stat_result, path: Path, last: bool) -> None:
    """Refuse what somebody else can change.

    In a folder above, others may write where it is sticky: there they cannot rename what is not theirs.
    """
    if not hasattr(os, "getuid"):
        return
    if status.st_uid not in (0, os.getuid()):
        raise Distrusted(f"'{path}' belongs to {_user(status.st_uid)}")
    mode = status.st_mode
    if not last and mode & stat.S_ISVTX:
        return
    if mode & stat.S_IWOTH:
        raise Distrusted(f"every user may write to '{path}'")
    if mode & stat.S_IWGRP and not _own_group(status.st_gid):
        raise Distrusted(f"the group {_group(status.st_gid)} may write to '{path}'")


@lru_cache(maxsize=64)
def _own_group(gid: int) -> bool:
    """Whether a group has nobody in it but this user, as many systems make one for each; or root's."""
    if gid == 0:
        return True
    try:
        me = pwd.getpwuid(os.getuid())
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == me.pw_name and set(group.gr_mem) <= {me.pw_name}


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
