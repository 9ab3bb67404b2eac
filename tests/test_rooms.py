"""The arrows between the rooms, and what a listing may import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "memcell": (ROOT / "core/memcell", set()),
    "memcell_plugins": (ROOT / "plugins/memcell_plugins", {"memcell"}),
    "memcell_data": (ROOT / "data/memcell_data", {"memcell"}),
    "memcell_microsleep": (
        ROOT / "apps/microsleep/memcell_microsleep",
        {"memcell", "memcell_data"},
    ),
    "memcell_memory_tasks": (ROOT / "apps/memory_tasks/memcell_memory_tasks", {"memcell"}),
    "memcell_benchmarks": (
        ROOT / "apps/benchmarks/memcell_benchmarks",
        {"memcell", "memcell_data", "memcell_microsleep"},
    ),
}
FILES = [
    pytest.param(name, path, id=str(path.relative_to(ROOT)))
    for name, (folder, _) in ROOMS.items()
    for path in sorted(folder.rglob("*.py"))
]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize(("room", "path"), FILES)
def test_imports_run_one_way(room, path):
    allowed = ROOMS[room][1] | {room}
    wrong = (set(imported(path)) & set(ROOMS)) - allowed
    assert not wrong, (
        f"{path.relative_to(ROOT)} imports {sorted(wrong)}; {room} may import {sorted(allowed)}"
    )


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
def test_what_only_tells_imports_nothing_heavy(args, forbidden):
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
