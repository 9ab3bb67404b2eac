"""The wheel holds every package of the repository, whole, and nothing that is not theirs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import memcell

ROOT = Path(__file__).parents[2]
ROOTS = ("core", "plugins", "data", "apps/*")


def packages() -> dict[str, Path]:
    """Every package of the repository to the folder it lies in: found, so that none is forgotten."""
    found = (p.parent for root in ROOTS for p in ROOT.glob(f"{root}/*/__init__.py"))
    return {folder.name: folder.parent for folder in found}


PACKAGES = packages()
#: What a package may ship beside code: text that it reads through importlib.resources.
SHIPPED = {
    ".py",
    ".typed",
    ".toml",
    ".html",
    ".css",
    ".js",
    ".json",
    ".tsv",
    ".txt",
    ".md",
    ".c",
    ".h",
}
# and the weights of trained models
SHIPPED |= {".safetensors"}
LARGEST = 200_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def sources(package: str) -> set[str]:
    root = PACKAGES[package]
    files = (p for p in (root / package).rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {p.relative_to(root).as_posix() for p in files}


def test_the_rooms_are_found():
    assert {"memcell", "memcell_plugins", "memcell_data", "memcell_microsleep"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_is_in_it(wheel, package):
    # and as it is here: tests of the checkout are tests of the wheel
    root = PACKAGES[package]
    assert {
        name for name in sources(package) if wheel.read(name) != (root / name).read_bytes()
    } == set()
    assert f"{package}/py.typed" in wheel.namelist()


def test_wheel_has_no_other_files(wheel):
    for info in wheel.infolist():
        top = info.filename.split("/")[0]
        if top.endswith(".dist-info"):
            continue
        assert top in PACKAGES, info.filename
        assert Path(info.filename).suffix in SHIPPED, info.filename
        assert info.file_size < LARGEST, info.filename
        assert "/tests/" not in info.filename, info.filename


def test_its_metadata(wheel):
    (name,) = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
    metadata = message_from_string(wheel.read(name).decode())
    assert metadata["Name"] == "memcell-rnn"
    assert metadata["Version"] == memcell.__version__
    assert "Private :: Do Not Upload" in (metadata.get_all("Classifier") or [])
    points = wheel.read(name.replace("METADATA", "entry_points.txt")).decode()
    for line in ("memcell = memcell.cli.main:main", "builtin = memcell_plugins"):
        assert line in points
