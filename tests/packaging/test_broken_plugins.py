"""Deliberately broken plugins: each is named with distribution and version, and all else works."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import textwrap

import pytest

from memcell.errors import PluginError
from memcell.plugins import Registry, load
from memcell.plugins.loader import installed

#: Name of the plugin to its hook module, and a word that the failure must say (None: it works).
BROKEN = {
    "import_error": ("import no_such_library", "no_such_library"),
    "exits": ("import sys; sys.exit(1)", "SystemExit"),
    "syntax": ("def memcell_cells(:", "SyntaxError"),
    "misspelt": (
        """
        @hookimpl
        def memcell_cell():
            return []
        """,
        "unknown hook 'memcell_cell'. Did you mean 'memcell_cells'?",
    ),
    "argument": (
        """
        @hookimpl
        def memcell_cells(registry):
            return []
        """,
        "registry",
    ),
    "raises": (
        """
        @hookimpl
        def memcell_cells():
            yield CellSpec(name="never_listed", factory="m:a")
            raise RuntimeError("in the middle")
        """,
        "in the middle",
    ),
    "returns_none": (
        """
        @hookimpl
        def memcell_samplers():
            return None
        """,
        "memcell_samplers",
    ),
    "wrong_type": (
        """
        @hookimpl
        def memcell_samplers():
            return [CellSpec(name="no_sampler", factory="m:a")]
        """,
        "expected a SamplerSpec",
    ),
    "no_reference": (
        """
        @hookimpl
        def memcell_cells():
            return [CellSpec(name="bare", factory="module.attribute")]
        """,
        "module:attribute",
    ),
    "unmarked": (
        """
        def memcell_cells():
            return []
        """,
        "memcell_cells is not asked, since it is not marked: write @memcell.hookimpl",
    ),
    "half_marked": (
        """
        def memcell_cells():
            return []

        @hookimpl
        def memcell_samplers():
            return []
        """,
        "memcell_cells is not asked",
    ),
    "class_as_factory": (
        """
        @hookimpl
        def memcell_cells():
            return [CellSpec(name="bare", factory=dict)]
        """,
        "expected the text 'module:attribute'",
    ),
    "duplicate": (
        """
        @hookimpl
        def memcell_cells():
            return [CellSpec(name="lstm", factory="m:a")]
        """,
        None,
    ),
    "late": (
        """
        @hookimpl
        def memcell_cells():
            return [CellSpec(name="late", factory="no_such_library:Cell")]
        """,
        None,
    ),
}
HEAD = "from memcell import CellSpec, SamplerSpec, hookimpl\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of installed distributions, as pip would leave it."""
    root = tmp_path_factory.mktemp("site")
    for number, (name, (code, _)) in enumerate(BROKEN.items()):
        (root / f"broken_{name}.py").write_text(HEAD + textwrap.dedent(code))
        info = root / f"memcell_{name}-1.{number}.dist-info"
        info.mkdir()
        version = f"Metadata-Version: 2.1\nName: memcell-{name}\nVersion: 1.{number}\n"
        (info / "METADATA").write_text(version)
        (info / "entry_points.txt").write_text(f"[memcell]\n{name} = broken_{name}\n")
    return root


@pytest.fixture
def loaded(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    found = importlib.metadata.distributions(path=[str(folder)])
    broken = [point for dist in found for point in dist.entry_points]
    assert len(broken) == len(BROKEN)
    yield load([*broken, *installed_elsewhere()])
    for name in BROKEN:
        sys.modules.pop(f"broken_{name}", None)


def installed_elsewhere():
    return [p for p in installed() if not p.module.startswith("broken_")]


def version(name):
    return f"1.{list(BROKEN).index(name)}"


@pytest.mark.parametrize("name", [n for n, (_, word) in BROKEN.items() if word])
def test_broken_plugin_is_named(loaded, name):
    _, failures = loaded
    (failure,) = [f for f in failures if f.plugin == name]
    assert f"plugin '{name}' of memcell-{name} {version(name)}: " in str(failure)
    assert BROKEN[name][1] in failure.reason
    assert "\n" not in str(failure)


def test_everything_else_works(loaded):
    specs, failures = loaded
    registry = Registry(specs, failures)
    assert {f.plugin for f in failures} == {n for n, (_, word) in BROKEN.items() if word}
    assert {"gru", "cec", "late"} <= set(registry.names("cell"))
    assert registry.get("cell", "gru").build(3, 4, registry.get("cell", "gru").config({}))
    assert registry.get("sampler", "stream").distribution == "memcell-rnn"


def test_duplicate_names_both(loaded):
    registry = Registry(*loaded)
    with pytest.raises(PluginError) as caught:
        registry.get("cell", "lstm")
    message = str(caught.value)
    assert f"memcell-duplicate {version('duplicate')}" in message
    assert "memcell-rnn" in message
    assert "uninstall" in message


def test_late_failure_names_its_distribution(loaded):
    entry = Registry(*loaded).get("cell", "late")
    with pytest.raises(PluginError, match=rf"memcell-late {version('late')}.*no_such_library"):
        entry.build(3, 4, None)


def test_command_line_lists_them_all(folder):
    rows = plugins(folder)
    status = {(r["name"], r["distribution"]): r["status"] for r in rows}
    for name, (_, word) in BROKEN.items():
        if word:
            assert word in status[name, f"memcell-{name}"]
    assert status["gru", "memcell-rnn"] == "ok"
    assert status["late", "memcell-late"] == "failed: there is no module 'no_such_library'"
    assert "memcell-rnn" in status["lstm", "memcell-duplicate"]
    assert "memcell-duplicate" in status["lstm", "memcell-rnn"]
    assert {r["version"] for r in rows if r["name"] == "exits"} == {version("exits")}


@pytest.mark.slow
def test_command_line_checks_them_all(folder):
    rows = plugins(folder, "--kind", "cell", "--check")
    status = {r["name"]: r["status"] for r in rows}
    assert status["gru"] == "ok"
    assert "no_such_library" in status["late"]
    assert f"memcell-late {version('late')}" in status["late"]


def plugins(folder, *options):
    path = os.pathsep.join([str(folder), *(p for p in sys.path if p)])
    done = subprocess.run(
        [sys.executable, "-m", "memcell", "plugins", "--json", *options],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr  # something is broken, and the exit code says so
    return json.loads(done.stdout)
