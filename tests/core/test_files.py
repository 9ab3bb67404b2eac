"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from memcell.errors import DiskError, MemcellError
from memcell.files import growing, write_atomic


def names(folder):
    return [p.name for p in folder.iterdir()]


def test_a_file_that_grows_stands_there_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "a.bin"
    with growing(path) as file:
        file.write("abc")
        file.write(b"def")
        assert not path.exists()
        file.rewrite(1, b"XY")
        file.write("g")
    assert path.read_bytes() == b"aXYdefg"
    assert names(path.parent) == ["a.bin"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_what_breaks_off_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    write_atomic(path, "old")

    def broken():
        with growing(path) as file:
            file.write("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_name_that_just_fits_is_written(tmp_path):
    path = tmp_path / ("x" * 255)
    write_atomic(path, "all of it")
    assert path.read_text() == "all of it"
    with pytest.raises(MemcellError, match="too long") as caught:
        write_atomic(tmp_path / ("x" * 256), "")
    assert not isinstance(caught.value, DiskError), "the disk takes other files"


def test_a_disk_that_takes_nothing_is_told_from_a_file_that_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(MemcellError) as caught:
        write_atomic(tmp_path / "file" / "a", "")
    assert not isinstance(caught.value, DiskError)

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"a\.txt': No space left"):
        write_atomic(tmp_path / "a.txt", "x")
    assert names(tmp_path) == ["file"]
