"""Import paths and names of version 0.1: found, the same objects, and said to have moved."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings

import pytest

import memcell
from memcell import old_paths


@pytest.mark.parametrize("old", old_paths.MODULES)
def test_an_old_path_gives_the_same_module(old):
    sys.modules.pop(old, None)
    new = importlib.import_module(old_paths.MODULES[old])
    spec = new.__spec__
    with pytest.warns(FutureWarning, match=f"{old} is now {new.__name__}"):
        assert importlib.import_module(old) is new
    assert new.__spec__ is spec


@pytest.mark.parametrize(
    ("module", "old"), [(m, old) for m, names in old_paths.NAMES.items() for old in names]
)
def test_an_old_name_gives_the_same_object(module, old):
    where, _, name = old_paths.NAMES[module][old].rpartition(":")
    with pytest.warns(FutureWarning, match=f"{module}.{old} is now {where or module}.{name}"):
        found = getattr(importlib.import_module(module), old)
    assert found is getattr(importlib.import_module(where or module), name)


def test_the_warning_stands_at_the_import_and_comes_once(tmp_path):
    (tmp_path / "theirs.py").write_text("\n\nfrom memcell.config import option\n")
    again = "import theirs, sys; del sys.modules['theirs']; import theirs"
    code = f"{again}, memcell.config.fields as f; print(f)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr.count("module memcell.config is now memcell.plugins.options") == 1
    assert f"{tmp_path / 'theirs.py'}:3: FutureWarning" in done.stderr
    assert "<module 'memcell.plugins.options.fields'" in done.stdout


def test_an_unknown_name_is_still_unknown():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("memcell.sequences.never_was")
    with pytest.raises(AttributeError, match="never_was"):
        memcell.never_was  # noqa: B018


def test_all_that_is_exported_is_there():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in memcell.__all__:
            assert getattr(memcell, name) is not None
    assert set(memcell.__all__) <= set(dir(memcell))


def test_importing_memcell_loads_nothing_heavy():
    code = (
        "import memcell, sys; print([m for m in ('torch', 'numpy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
