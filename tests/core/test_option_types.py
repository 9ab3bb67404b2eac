"""Types of options: each goes from a command line to a value, to TOML and back, or is refused by name."""

# ruff: noqa: RUF009 - `option` is how a default is declared

from __future__ import annotations

import enum
import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any, Literal, Optional

import click
import pytest
import tomli_w

from memcell.cli.options import config_options
from memcell.errors import ConfigError, PluginError
from memcell.plugins import Entry
from memcell.plugins.options import TYPES, fields_of, from_mapping, option, replace, to_mapping
from memcell.plugins.specs import AppSpec


class Side(enum.Enum):
    LEFT = "left"
    RIGHT = "right"


class Order(enum.IntEnum):
    FIRST = 1
    SECOND = 2


@dataclass(frozen=True, kw_only=True)
class Nested:
    x: int = option(1, help="x.")


@dataclass(frozen=True, kw_only=True)
class Many:
    mode: Literal["fast", "slow"] = option("fast", help="A mode.")
    side: Side = option(Side.LEFT, help="A side.")
    order: Order = option(Order.SECOND, help="An order.")
    file: Path = option(Path("a b"), help="A file.")
    folder: Path | None = option(None, help="A folder.")
    maybe: Optional[bool] = option(None, help="Perhaps.")  # noqa: UP045 - as people write it
    sides: tuple[Side, ...] = option((Side.LEFT,), help="Sides.")
    rates: list[float] = option([0.5, 1.0], help="Rates.", low=0)
    flags: tuple[bool, ...] = option((True, False), help="Flags.")
    modes: list[Literal["a", "b"]] | None = option(None, help="Modes.")
    pair: tuple[int, int] = option((1, 2), help="Two.")


TYPED = {
    "mode": ("slow", "slow"),
    "side": ("right", Side.RIGHT),
    "order": ("FIRST", Order.FIRST),
    "file": ("x/y", Path("x/y")),
    "folder": ("z", Path("z")),
    "maybe": (True, True),
    "sides": ("right,left", (Side.RIGHT, Side.LEFT)),
    "rates": ("2,3.5", [2.0, 3.5]),
    "flags": ("no,yes", (False, True)),
    "modes": ("b,a", ["b", "a"]),
    "pair": ("3,4", (3, 4)),
}


def test_defaults_and_typed_values_go_through_a_file_and_back():
    typed = from_mapping(Many, {name: text for name, (text, _) in TYPED.items()})
    assert {name: getattr(typed, name) for name in TYPED} == {n: v for n, (_, v) in TYPED.items()}
    for config in (Many(), typed):
        written = tomli_w.dumps(to_mapping(config))
        assert from_mapping(Many, tomllib.loads(written)) == config
        assert replace(config) == config
    assert Many().rates is not Many().rates


def test_words_that_are_not_there_are_refused_with_those_that_are():
    for name, word in (("mode", "fst"), ("side", "up"), ("order", "2"), ("sides", "left,up")):
        with pytest.raises(ConfigError, match=name):
            from_mapping(Many, {name: word})
    with pytest.raises(ConfigError, match="0 or more"):
        from_mapping(Many, {"rates": "-1"})


def test_flags_and_help_show_them():
    options = {p.field.name: p for p in config_options("cell", Many, "cell.")}
    context = click.Context(click.Command("x"))
    shown = {name: " ".join(p.get_help_record(context)) for name, p in options.items()}
    assert "one of fast, slow; default: fast" in shown["mode"]
    assert "one of left, right; default: left" in shown["side"]
    assert "one of FIRST, SECOND; default: SECOND" in shown["order"]
    assert "PATH" in shown["file"]
    assert "--cell.no-maybe" in shown["maybe"]
    assert "0.5,1.0" in shown["rates"]
    json.dumps([f.default for f in fields_of(Many)])


REFUSED = [
    dict,
    dict[str, int],
    Any,
    Callable[[int], int],
    Nested,
    set[int],
    int | str,
    tuple[int, str],
    list[list[int]],
    Literal[1, 2],
    complex,
    bytes,
    object,
    list,
    tuple[()],
]


@pytest.mark.parametrize("hint", REFUSED, ids=str)
def test_other_types_are_refused_by_the_options_name(hint):
    config = make_dataclass("C", [("v", hint, option(None, help="v."))])
    with pytest.raises(TypeError) as caught:
        fields_of(config)
    assert "C.v" in str(caught.value)
    assert TYPES in str(caught.value)


BAD = {
    "mapping": "    v: dict = option(None, help='v.')",
    "nested": "    v: Inner = option(None, help='v.')",
    "missing": "    v: NotThere = option(None, help='v.')",
    "outside": "    v: Literal['a', 'b'] = option('c', help='v.')",
    "bare": "    v: int = 3",
}
MODULE = """
from dataclasses import dataclass
from typing import Literal
from memcell import CellSpec, hookimpl
from memcell.plugins.options import option
@dataclass(frozen=True, kw_only=True)
class Inner:
    x: int = option(1, help='x.')
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A distribution whose cells have options that cannot be."""
    root = tmp_path_factory.mktemp("site")
    code, hook = MODULE, "@hookimpl\ndef memcell_cells():\n"
    configs = "from __future__ import annotations\n" + MODULE
    for name, line in BAD.items():
        configs += f"@dataclass(frozen=True, kw_only=True)\nclass {name.title()}:\n{line}\n"
        hook += f"    yield CellSpec(name='{name}', factory='m:a', config='odd_configs:{name.title()}')\n"
    (root / "odd_options.py").write_text(code + hook)
    (root / "odd_configs.py").write_text(configs)
    info = root / "memcell_odd-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: memcell-odd\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[memcell]\nodd = odd_options\n")
    assert list(importlib.metadata.distributions(path=[str(root)]))
    return root


def memcell(folder, *words):
    path = os.pathsep.join([str(folder), *(p for p in sys.path if p)])
    return subprocess.run(
        [sys.executable, "-m", "memcell", *words],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


def test_one_such_plugin_ends_nothing_for_the_others(folder):
    page = memcell(folder, "plugins", "--markdown")
    assert page.returncode == 0, page.stderr
    assert "### gru" in page.stdout
    assert "### stream" in page.stdout
    for name in BAD:
        assert f"Cannot be shown: cell '{name}' of memcell-odd 0.1" in page.stdout
    assert len(json.loads(memcell(folder, "plugins", "--json").stdout)) > len(BAD)
    assert "--cell.features" not in memcell(folder, "train", "microsleep", "--help").stderr


@pytest.mark.parametrize("name", list(BAD))
def test_it_is_named_with_its_distribution_and_option(folder, name):
    (row,) = json.loads(memcell(folder, "plugins", name, "--json").stdout)
    assert row["status"].startswith(f"failed: cell '{name}' of memcell-odd 0.1")
    done = memcell(folder, "train", "microsleep", "--cell", name, "--help")
    assert done.returncode != 0
    assert f"cell '{name}' of memcell-odd 0.1" in done.stderr
    assert "Traceback" not in done.stderr
    if name != "missing":
        assert "v" in row["status"].rpartition("options:")[2]


@dataclass(frozen=True, kw_only=True)
class Logged:
    log: str = option("", help="Where it is logged.")


def test_an_app_cannot_call_an_option_as_every_command_has_one() -> None:
    spec = AppSpec(name="mine", summary="s", factory="m:f", config=f"{__name__}:Logged")
    entry = Entry(spec=spec, distribution="mine", version="1")
    with pytest.raises(PluginError, match=r"'log' is an option of every command \(--log\)"):
        entry.config_type()
