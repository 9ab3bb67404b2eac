"""Plugins that print, dawdle or change the process while they are imported: named, and nothing is changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

RUDE = {
    "prints": ("print('hello from import')", "it printed: hello from import"),
    "writes": ("import os; os.write(1, b'raw bytes \\xff')", "it printed: raw bytes"),
    "compiled": (
        "import ctypes; c = ctypes.CDLL(None); c.puts(b'from C'); c.fflush(None)",
        "it printed: from C",
    ),
    "warns": ("import warnings; warnings.warn('beware')", "it warned: beware"),
    "dawdles": ("import time; time.sleep(1.1)", "it took 1."),
    "moves": ("import os; os.chdir('/')", "it changed the working directory"),
    "signals": (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "it took the signal SIGTERM",
    ),
    "seeds": ("import random; random.seed(1)", "it moved Python's global random numbers"),
}
FAILS = {
    "exits": ("import sys; print('bye'); sys.exit(3)", "SystemExit"),
    "recurses": ("def f():\n    f()\nf()", "RecursionError"),
}
HOOK = """
from memcell import CellSpec, hookimpl
@hookimpl
def memcell_cells():
    print("hello from the hook")
    yield CellSpec(name="{name}", factory="m:a")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    for name, (code, _) in {**RUDE, **FAILS}.items():
        (root / f"rude_{name}.py").write_text(code + HOOK.format(name=name))
        info = root / f"memcell_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: memcell-{name}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[memcell]\n{name} = rude_{name}\n")
    return root


PROGRAM = """
import os, random, signal, sys
before = os.getcwd(), signal.getsignal(signal.SIGTERM), random.getstate()
from memcell.cli.main import run
code = run(sys.argv[1:])
assert before == (os.getcwd(), signal.getsignal(signal.SIGTERM), random.getstate())
sys.exit(code)
"""


@pytest.mark.parametrize("words", [("plugins", "--json"), ("plugins", "--markdown")], ids=str)
def test_the_output_is_clean_and_each_is_named(folder, words):
    path = os.pathsep.join([str(folder), *(p for p in sys.path if p)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    for name, (_, said) in RUDE.items():
        assert f"while plugin '{name}' of memcell-{name} 1.0 was imported {said}" in done.stderr
    assert "hello from the hook" in done.stderr
    if words[-1] == "--json":
        status = {row["name"]: row["status"] for row in json.loads(done.stdout)}
        assert {status[name] for name in RUDE} == {"failed: there is no module 'm'"}
        for name, (_, said) in FAILS.items():
            assert said in status[name]
    else:
        assert done.stdout.startswith("# Reference")
        assert "hello" not in done.stdout
        assert "### prints" in done.stdout
