"""The three walks of the design page: their files and functions exist, and they are short."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
#: Beginning of each walk's heading, and the most files that it may open.
MOST = {"One recording": 15, "A carried state": 8, "An option": 5}
_STOP = re.compile(r"^\d+\. `([\w/.]+\.py)` ((?:`[\w.]+`(?:, )?)+): \S")


def walks() -> dict[str, list[tuple[str, list[str]]]]:
    """Return for each walk its stops: a file, and the functions to read in it."""
    page = (ROOT / "docs/design.md").read_text("utf-8")
    section = page.partition("## Three walks\n")[2].partition("\n## ")[0]
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for line in section.splitlines():
        if line.startswith("**"):
            stops = found.setdefault(line.strip("*"), [])
        elif re.match(r"\d+\. ", line):
            stop = _STOP.match(line)
            assert stop, f"not '1. `FILE` `NAME`: what happens': {line}"
            stops.append((stop[1], re.findall(r"`([\w.]+)`", stop[2])))
    return found


STOPS = [
    pytest.param(file, name, id=f"{file}:{name}")
    for stops in walks().values()
    for file, names in stops
    for name in names
]


def defined(text: str) -> set[str]:
    """Return functions and classes of a module, and the methods of its classes as ``Class.method``."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = set()
    for node in ast.parse(text).body:
        if isinstance(node, kinds):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, kinds)}
    return names


@pytest.mark.parametrize(("file", "name"), STOPS)
def test_stop_of_a_walk_exists(file, name):
    assert name in defined((ROOT / file).read_text("utf-8"))


@pytest.mark.parametrize(("beginning", "most"), MOST.items())
def test_walk_opens_few_files(beginning, most):
    (stops,) = [stops for title, stops in walks().items() if title.startswith(beginning)]
    files = [file for file, _ in stops]
    assert 3 <= len(set(files)) == len(files) <= most
