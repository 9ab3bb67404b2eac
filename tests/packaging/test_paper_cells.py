"""Cells of papers as a third party's package: installed afresh, they keep the contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = (ROOT, ROOT / "tests" / "paper_cells")


def run(*command: object, cwd: Path | None = None) -> str:
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**inherited, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_every_cell_keeps_the_contract(tmp_path):
    pytest.importorskip("hatchling")
    wheels = tmp_path / "wheels"
    for source in SOURCES:
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels, cwd=source)
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    packages = [path for path in sys.path if path.endswith("site-packages")]
    (site / "zz_dependencies.pth").write_text("\n".join(packages) + "\n")
    install = ("install", "--no-deps", "--no-index", "--quiet", "--ignore-installed")
    run(sys.executable, "-m", "pip", "--python", python, *install, *sorted(wheels.glob("*.whl")))
    command = python.with_name("memcell")
    rows = json.loads(run(command, "plugins", "--json", cwd=tmp_path))
    names = [r["name"] for r in rows if r["distribution"] == "memcell-paper-cells"]
    assert len(names) == 5
    for name in names:
        found = json.loads(run(command, "plugins", name, "--check", "--json", cwd=tmp_path))
        assert [r["status"] for r in found] == ["ok"], found
