"""The imports between the rooms, and what a listing may import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import arrows

FOUND = list(arrows.imports(arrows.modules()))


def test_every_module_is_in_a_room():
    assert {arrows.room_of(module) for module in arrows.modules()} == {
        room for floor in arrows.FLOORS for room in floor
    }, "a room without a module: take it off the list"


def test_imports_run_downwards():
    wrong = arrows.upwards(FOUND)
    assert not wrong, "\n".join(wrong)


def test_no_circle_of_rooms():
    wrong = arrows.circles(FOUND)
    assert not wrong, "\n".join(wrong)


def planted(tmp_path: Path, **files: str) -> list[arrows.Import]:
    """Return the imports of a package ``house`` with these modules."""
    for name, text in files.items():
        path = tmp_path / "house" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(arrows.imports(arrows.modules({"house": tmp_path})))


FLOORS = (("house.cellar",), ("house.kitchen",), ("house.attic",))


def test_an_import_upwards_is_found(tmp_path):
    found = planted(
        tmp_path, cellar__wine="from house.attic import old\n", attic__old="", kitchen__stove=""
    )
    (line,) = arrows.upwards(found, FLOORS)
    assert line.startswith("house.cellar.wine, line 1, imports house.attic.old")


@pytest.mark.parametrize(
    "text",
    [
        "import house.attic.old\n",
        "def cook():\n    from house.attic import old\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.attic.old import Box\n",
    ],
    ids=["plain", "in a function", "for type checkers"],
)
def test_a_circle_of_rooms_is_found(tmp_path, text):
    found = planted(
        tmp_path,
        cellar__wine=text,
        attic__old="from house.kitchen import stove\n",
        kitchen__stove="from house.cellar.wine import bottle\n",
    )
    assert arrows.circles(found, FLOORS) == [
        "house.attic -> house.kitchen -> house.cellar -> house.attic"
    ]


def test_downward_imports_are_no_circle(tmp_path):
    found = planted(
        tmp_path, attic__old="from house.cellar import wine\n", cellar__wine="", kitchen__stove=""
    )
    assert len(found) == 1
    assert arrows.circles(found, FLOORS) == arrows.upwards(found, FLOORS) == []


def test_a_module_outside_of_all_rooms_is_named():
    with pytest.raises(ValueError, match=r"memcell_garage\.car is in no room"):
        arrows.room_of("memcell_garage.car")


HEAVY = ("torch", "mne", "sklearn", "scipy", "numpy", "matplotlib", "pandas", "safetensors")


@pytest.mark.parametrize(
    ("args", "forbidden"),
    [
        (["--help"], HEAVY),
        (["--version"], HEAVY),
        (["plugins"], HEAVY),
        (["plugins", "--json"], HEAVY),
        (["plugins", "lstm"], HEAVY),
        (["train", "--help"], HEAVY),
        (["train", "microsleep", "--help"], ("torch", "mne", "sklearn", "scipy")),
        (["data", "list"], ("torch", "mne", "sklearn", "scipy")),
    ],
    ids=lambda v: " ".join(v),
)
def test_help_and_lists_import_no_torch(args, forbidden):
    code = (
        "import sys; from memcell.cli.main import run; code = run(sys.argv[1:]); "
        "print('MODULES', *{m.partition('.')[0] for m in sys.modules}); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.rpartition("MODULES")[2].split())
    assert "click" in modules
    assert not modules & set(forbidden)


def test_no_class_name_is_given_twice():
    """A reader who meets a name knows which class it is."""
    places = defaultdict(list)
    for module, path in arrows.modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
