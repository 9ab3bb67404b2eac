"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from memcell.errors import DiskError, MemcellError
from memcell.files.atomic import beside, growing, remove_leftovers, write_atomic


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


WRITER = """
import sys, time
from pathlib import Path
from memcell.files.atomic import growing

with growing(Path(sys.argv[1])) as file:
    file.write("half of it")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of writing ``scores.tsv``."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "scores.tsv")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "writing\n"
    yield process
    process.kill()
    process.communicate()


def test_leftover_of_a_killed_process_is_removed_by_the_next_one(tmp_path, writer):
    others = [".bashrc", ".scores.tsv.swp", ".scores.tsv.backup12", "scores.tsv~"]
    for name in others:
        (tmp_path / name).touch()
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert any(".memcell-" in name for name in names(tmp_path))
    assert not (tmp_path / "scores.tsv").exists()
    next_one = (
        "from pathlib import Path; from memcell.files.atomic import write_atomic; import sys; "
    )
    next_one += "write_atomic(Path(sys.argv[1]) / 'other.txt', '')"
    subprocess.run([sys.executable, "-c", next_one, str(tmp_path)], check=True)
    assert sorted(names(tmp_path)) == sorted([*others, "other.txt"])


def test_file_of_a_running_process_is_left_alone(tmp_path, writer):
    (written,) = tmp_path.iterdir()
    os.utime(written, (0, 0))
    assert remove_leftovers(tmp_path) == []
    assert written.exists()


def test_leftover_whose_process_number_runs_again_is_removed_once_it_is_old(tmp_path):
    path, handle = beside(tmp_path / "a.json")
    os.close(handle)  # this process runs, and does not write it any more
    assert remove_leftovers(tmp_path) == []
    os.utime(path, (time.time() - 20,) * 2)
    assert remove_leftovers(tmp_path) == [path]


@pytest.mark.parametrize("name", [".a.json.memcell-00000000-99-0123abcd", ".a.json.x8_dk2ab"])
def test_leftover_of_another_machine_or_an_earlier_version_waits_a_day(tmp_path, name):
    path = tmp_path / name
    path.touch()
    assert remove_leftovers(tmp_path) == []
    os.utime(path, (time.time() - 90_000,) * 2)
    assert remove_leftovers(tmp_path) == [path]


def test_links_and_folders_of_such_names_are_left_alone(tmp_path):
    (tmp_path / ".a.json.memcell-00000000-99-0123abcd").symlink_to("/dev/null")
    (tmp_path / ".b.json.memcell-00000000-99-0123abcd").mkdir()
    assert remove_leftovers(tmp_path) == []


def test_name_of_many_bytes_that_just_fits_is_written(tmp_path):
    path = tmp_path / ("\u00e4" * 127)  # 254 bytes
    write_atomic(path, "all of it")
    assert path.read_text() == "all of it"
    assert names(tmp_path) == [path.name]


def test_a_name_that_is_no_text_is_said_where_it_cannot_be_written(tmp_path):
    path = tmp_path / "config.toml"
    with pytest.raises(MemcellError, match=r"cannot write .*config\.toml.*udcfc.*no text in UTF-8"):
        write_atomic(path, 'path = "f\udcfc"')
    assert list(tmp_path.iterdir()) == []
