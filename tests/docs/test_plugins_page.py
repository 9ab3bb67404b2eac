"""The package on docs/plugins.md: written out as it stands there, checked, and trained with.

So is the one on the page of version 0.1, whose import paths and names go on working for a version.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from memcell.plugins import Registry, load
from memcell.testing import check_plugin

PAGES = {
    "today": Path(__file__).parents[2] / "docs" / "plugins.md",
    "0.1": Path(__file__).with_name("plugins-0.1.md"),
}
BLOCK = re.compile(r"^```(\w+)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```\w+$", re.MULTILINE)


@pytest.fixture(scope="module", params=["today", pytest.param("0.1", marks=pytest.mark.slow)])
def package(request, tmp_path_factory):
    """The files of the page, installed as pip would leave them."""
    root = tmp_path_factory.mktemp("ours")
    text = PAGES[request.param].read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) == len(FENCE.findall(text)), "a block does not begin with its file's name"
    for _, name, code in blocks:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    info = root / f"memcell_ours-{project['version']}.dist-info"
    info.mkdir()
    facts = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(facts)
    points = [f"{k} = {v}" for k, v in project["entry-points"]["memcell"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[memcell]", *points]) + "\n")
    return root


@pytest.fixture
def entries(package, monkeypatch):
    monkeypatch.syspath_prepend(package)
    found = importlib.metadata.distributions(path=[str(package)])
    registry = Registry(*load(point for dist in found for point in dist.entry_points))
    assert not registry.failures
    yield registry.entries()
    for name in [n for n in sys.modules if n.partition(".")[0] == "memcell_ours"]:
        del sys.modules[name]


def test_there_is_each_kind(entries, package):
    kinds = {"app", "cell", "dataset", "normalizer", "optimizer", "policy", "sampler"}
    if (package / "memcell_ours" / "line_length.py").exists():  # not yet in version 0.1
        kinds |= {"encoder", "feature_extractor", "gradient", "head", "probe"}
    assert {e.spec.kind for e in entries} == kinds


def test_all_keep_the_contract(entries):
    found = [f for entry in entries for f in check_plugin(entry)]
    assert [f for f in found if not f.ok] == []
    assert {"listing_is_light", "config_import_is_light"} <= {f.check for f in found}


@pytest.mark.slow
def test_its_own_tests_pass(package):
    options = ("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(package))
    answer = run(package, "-m", "pytest", *options, str(package / "tests"))
    assert re.search(r"^\d+ passed", answer, re.MULTILINE)


def test_it_trains(package, tmp_path):
    out = tmp_path / "run"
    chosen = {
        "--cell": "leaky",
        "--normalizer": "mean_only",
        "--sampler": "stream",
        "--policy": "short_memory",
        "--policy.longest": "30",
        "--optimizer": "signs",
        "--batch-size": "4",
        "--epochs": "2",
        "--data.tosses": "60",
        "--out": str(out),
    }
    probed = (package / "memcell_ours" / "loss_spread.py").exists()
    if probed:
        chosen |= {
            "--gradient": "random_start",
            "--gradient.shortest": "5",
            "--encoder": "delta",
            "--head": "gated",
            "--head.width": "4",
            "--probe": "loss_spread",
            "--probe.loss_spread.measurements": "2",
            "--probe-budget": "5",
        }
    words = [word for pair in chosen.items() for word in pair]
    answer = run(package, "-m", "memcell", "train", "parity", *words, folder=tmp_path)
    assert "leaky, trained with short_memory" in answer
    assert (
        "first window of cell 'leaky' of memcell-ours 0.1.0 with normalizer 'mean_only'" in answer
    )
    assert "majority" in (out / "scores.tsv").read_text()
    assert (out / "probes.jsonl").exists() == probed
    misfit = run(
        package,
        *("-m", "memcell", "train", "parity", "--sampler", "changes_first"),
        *("--policy", "short_memory"),
        folder=tmp_path,
        code=2,
    )
    assert "policy 'short_memory' needs row i of batch k+1 to continue" in misfit


def run(package, *command, folder=None, code=0):
    path = os.pathsep.join([str(package), *(p for p in sys.path if p)])
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr
