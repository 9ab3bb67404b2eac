"""`check_plugin`: all checks of a plugin, its failures named and none of them coming out."""

from __future__ import annotations

import sys
import textwrap

import pytest

from memcell import (
    AppSpec,
    CellSpec,
    DatasetSpec,
    NormalizerSpec,
    OptimizerSpec,
    SamplerSpec,
    StatePolicySpec,
)
from memcell.plugins import Entry
from memcell.testing import CELL_CHECKS, CheckFailed, check_listing, check_plugin

CODE = """
    import sys
    from dataclasses import dataclass
    from memcell.plugins.options import option

    class Exits:
        def __init__(self, *sizes):
            sys.exit(3)

    class Raises:
        def __init__(self, *sizes):
            raise ValueError("no such thing")

    number = 5

    def recognise(path):
        raise OSError("cannot look")

    @dataclass(frozen=True, kw_only=True)
    class Undeclared:
        rate: float = 0.5

    @dataclass(frozen=True, kw_only=True)
    class Misnamed:
        rate: float = option(0.5, help="A rate.")

        def capabilities(self):
            return {"preserves_stream": True}
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "kit_broken.py").write_text(textwrap.dedent(CODE))
    (tmp_path / "kit_heavy.py").write_text("import numpy\n")
    (tmp_path / "kit_heavy_hook.py").write_text(
        "def memcell_cells():\n    import numpy\n    return []\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "kit_broken"
    for name in ("kit_broken", "kit_heavy", "kit_heavy_hook"):
        sys.modules.pop(name, None)


def entry(spec):
    return Entry(spec=spec, distribution="memcell-broken", version="1.2.3")


def failures(spec):
    return [f for f in check_plugin(entry(spec)) if not f.ok]


@pytest.mark.parametrize("attribute", ["Exits", "Raises"])
@pytest.mark.parametrize(
    "spec", [CellSpec, NormalizerSpec, SamplerSpec, StatePolicySpec, OptimizerSpec]
)
def test_whatever_a_plugin_raises_becomes_a_finding(module, spec, attribute):
    found = failures(spec(name="broken", factory=f"{module}:{attribute}"))
    assert found
    assert all("'broken' of memcell-broken 1.2.3" in f.reason for f in found)


@pytest.mark.parametrize(
    ("factory", "config", "check"),
    [
        ("no_such_module:Cell", None, "factory_imports"),
        ("kit_broken:Absent", None, "factory_imports"),
        ("kit_broken:number", None, "factory_imports"),
        ("kit_broken:Raises", "kit_broken:Undeclared", "config_is_declared"),
        ("kit_broken:Raises", "kit_broken:Misnamed", "config_is_declared"),
        ("kit_broken:Raises", "kit_broken:Absent", "config_is_declared"),
        ("kit_broken:Raises", "kit_heavy:Config", "config_import_is_light"),
    ],
)
def test_what_must_hold_before_building(module, factory, config, check):
    found = failures(SamplerSpec(name="broken", factory=factory, config=config))
    assert check in [f.check for f in found]
    assert all("memcell-broken 1.2.3" in f.reason for f in found)


def test_nothing_is_built_when_the_import_fails(module):
    found = check_plugin(entry(CellSpec(name="broken", factory="no_such_module:Cell")))
    assert not {f.check for f in found} & {c.__name__ for c in CELL_CHECKS}


def test_an_app_is_imported_and_not_run(module):
    assert not failures(AppSpec(name="app", factory=f"{module}:Raises"))


def test_recognise_must_not_raise(module):
    spec = DatasetSpec(name="d", factory=f"{module}:Raises", recognise=f"{module}:recognise")
    assert "recognise_says_no" in [f.check for f in failures(spec)]


def test_listing_of_the_built_in_plugins_is_light():
    for name in ("memcell_plugins", "memcell_data", "memcell_microsleep"):
        check_listing(name)


@pytest.mark.parametrize("name", ["kit_heavy", "kit_heavy_hook", "no_such_module"])
def test_heavy_listing_is_rejected(module, name):
    with pytest.raises(CheckFailed, match=name):
        check_listing(name)
