"""Folders that somebody else could change, in every way in which they can; becoming somebody needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from campaigns import other_user
from memcell.files import trusted
from memcell_compiler.build import cache

needs_root = pytest.mark.skipif(
    not other_user.can_act(), reason="only root may give folders to another user"
)


@pytest.fixture
def way():
    """``a/b/c`` below the system's folder for temporary files, and its parts."""
    top = Path(tempfile.mkdtemp(prefix="memcell-test-"))
    folder = top / "a" / "b" / "c"
    trusted.make_private(folder)
    yield folder
    shutil.rmtree(top)


def test_a_folder_that_is_made_is_ours_alone(way):
    assert trusted.reason_against(way) == ""
    assert {p.stat().st_mode & 0o777 for p in (way, way.parent, way.parent.parent)} == {0o700}


def test_an_open_umask_opens_no_folder(way):
    before = os.umask(0)
    try:
        trusted.make_private(way / "d" / "e")
    finally:
        os.umask(before)
    assert trusted.reason_against(way / "d" / "e") == ""


@pytest.mark.parametrize("up", [0, 1, 2])
@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_a_folder_that_every_user_may_write_to(way, up, mode):
    (way, *way.parents)[up].chmod(mode)
    assert "every user may write" in trusted.reason_against(way)


def test_sticky_is_enough_above_and_not_for_the_folder_itself(way):
    way.parent.chmod(0o1777)
    assert trusted.reason_against(way) == ""
    way.chmod(0o1777)
    assert "every user may write" in trusted.reason_against(way)


@needs_root
@pytest.mark.parametrize("up", [0, 1, 2])
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
def test_a_folder_of_another_user(way, up, mode):
    theirs = (way, *way.parents)[up]
    os.chown(theirs, other_user.nobody(), -1)
    theirs.chmod(mode)
    assert f"'{theirs}' belongs to user nobody" in trusted.reason_against(way)


@needs_root
@pytest.mark.parametrize("up", [0, 1])
def test_a_folder_that_a_group_may_write_to(way, up):
    theirs = (way, *way.parents)[up]
    os.chown(theirs, -1, 12345)
    theirs.chmod(0o775)
    assert "the group 12345 may write" in trusted.reason_against(way)


@needs_root
def test_a_link_leads_to_where_it_leads(way):
    other = way.parent / "other"
    other.mkdir()
    link = way / "link"
    link.symlink_to(other)
    assert trusted.reason_against(link) == ""
    os.chown(other, other_user.nobody(), -1)
    assert "belongs to user nobody" in trusted.reason_against(link)


@needs_root
def test_a_folder_above_may_be_closed_to_reading():
    """As /home often is: passed, and not listed."""
    top = Path(tempfile.mkdtemp(prefix="memcell-test-"))
    try:
        inner = top / "home"
        inner.mkdir(mode=0o700)
        os.chown(inner, other_user.nobody(), -1)
        top.chmod(0o711)
        told = other_user.as_user(other_user.nobody(), lambda: trusted.reason_against(inner))
        assert told == ""
        os.close(trusted.open_folder(top))
    finally:
        shutil.rmtree(top)


@needs_root
def test_compiled_code_below_a_folder_of_another_user_is_neither_loaded_nor_kept(way):
    path = cache.fetch("k", lambda p: p.write_bytes(b"an object"), way)
    assert cache.lookup("k", way) == path
    os.chown(way.parent, other_user.nobody(), -1)
    assert cache.lookup("k", way) is None
    with pytest.raises(OSError, match="belongs to user nobody"):
        cache.read(path)
    with pytest.raises(OSError, match="belongs to user nobody"):
        cache.load(path)
    before = cache._own_folder
    try:
        cache._own_folder = None
        with pytest.warns(UserWarning, match="belongs to user nobody"):
            place = cache.writable_folder(way)
        assert place != way
        assert place.stat().st_mode & 0o777 == 0o700
    finally:
        cache._own_folder = before


def test_compiled_code_is_loaded_as_it_was_checked(way):
    """Two objects that have stood in one folder are two, whatever the loader calls them."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")

    def builds(number):
        def build(path):
            unit = way / "unit.c"
            unit.write_text(f"int number(void) {{ return {number}; }}\n")
            subprocess.run(["cc", "-shared", "-fPIC", str(unit), "-o", str(path)], check=True)

        return build

    found = [cache.load(cache.fetch(f"k{n}", builds(n), way)).number() for n in (1, 2, 3)]
    assert found == [1, 2, 3]
    path = cache.fetch("k1", builds(1), way)
    path.write_bytes(b"another")
    with pytest.raises(OSError, match="not what it was"):
        cache.load(path)
