"""Where things are kept, and files that are whole or absent."""

from __future__ import annotations

import sys

import pytest

from memcell.files.atomic import atomic_path
from memcell.files.places import cache_folder, data_folder


def test_the_persons_setting_is_heard(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "d"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert data_folder() == tmp_path / "d" / "memcell"
    assert cache_folder() == tmp_path / "c" / "memcell"


def test_without_a_setting_it_is_the_platforms_place(tmp_path, monkeypatch):
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder().is_relative_to(tmp_path)
    assert cache_folder().is_relative_to(tmp_path)
    if sys.platform == "linux":
        assert data_folder() == tmp_path / ".local" / "share" / "memcell"
        assert cache_folder() == tmp_path / ".cache" / "memcell"


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "HOME"])
def test_compiled_code_and_features_lie_in_one_cache_folder(variable, tmp_path, monkeypatch):
    from memcell_compiler.build import cache
    from memcell_eeg.cache import FeatureCache

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    assert cache.folder() == cache_folder() / "native"
    assert FeatureCache.of("default").folder == cache_folder() / "features"


def test_whole_or_absent(tmp_path):
    path = tmp_path / "new" / "a.bin"

    def fail_halfway():
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert list(path.parent.iterdir()) == []
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"whole")
        assert not path.exists()
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"whole"
    assert path.stat().st_mode & 0o400
