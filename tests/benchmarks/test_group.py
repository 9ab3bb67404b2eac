"""``memcell bench``: benchmarks by entry point, listed without importing them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points

import pytest

from memcell.cli import bench
from memcell.cli.main import run


class Distribution:
    def __init__(self, name):
        self.name, self.version = name, "1.2"


def point(name, value, distribution):
    made = EntryPoint(name, value, "memcell.bench")
    vars(made)["dist"] = Distribution(distribution)
    return made


@pytest.fixture
def installed(monkeypatch):
    def install(*points):
        known = [*entry_points(group=bench.GROUP), *points]
        monkeypatch.setattr(bench, "entry_points", lambda group: known)

    return install


@pytest.mark.parametrize("args", [["bench", "--help"], ["bench", "cells", "--help"]])
def test_help_imports_nothing_heavy(args):
    code = (
        "import sys; from memcell.cli.main import run; code = run(sys.argv[1:]); "
        "print('MODULES', *{m.partition('.')[0] for m in sys.modules}); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cells" in done.stdout
    modules = set(done.stdout.rpartition("MODULES")[2].split())
    assert not modules & {"torch", "numpy", "scipy", "mne", "jax", "onnx"}


def test_an_unknown_benchmark_says_which_is_near(capfd):
    assert run(["bench", "cels"]) == 2
    assert "Did you mean 'cells'?" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_module_here:command", "ModuleNotFoundError"),
        ("json:nothing", "AttributeError"),
        ("json:dumps", "a click command is expected"),
    ],
)
def test_a_broken_benchmark_is_named_and_the_others_work(installed, capfd, value, said):
    installed(point("flawed", value, "their-package"))
    assert run(["bench", "--help"]) == 0
    assert "flawed of their-package 1.2" in " ".join(capfd.readouterr().out.split())
    assert run(["bench", "flawed"]) == 1
    printed = capfd.readouterr().err
    assert "their-package 1.2" in printed
    assert said in printed
    assert run(["bench", "cells", "--help"]) == 0


def test_two_of_a_name_are_an_error_that_names_both(installed, capfd):
    installed(point("cells", "json:dumps", "their-package"))
    assert run(["bench", "cells"]) == 1
    printed = capfd.readouterr().err
    assert "memcell-rnn" in printed
    assert "their-package 1.2" in printed
