"""The template as a third party's package: built, installed in a fresh environment, used.

The fresh environment gets memcell and the template as wheels; what they need (torch and the rest) is taken
from the environment of the tests through a ``.pth`` file, which comes after its own packages.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from tests.results import result

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "tests" / "template"


def run(*command: object, cwd: Path | None = None, code: int = 0) -> str:
    """Run a command without this checkout on its path, and return what it printed."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**inherited, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A fresh environment with both wheels; its folder of commands."""
    pytest.importorskip("hatchling")
    base = tmp_path_factory.mktemp("fresh")
    wheels = base / "wheels"
    for source in (ROOT, TEMPLATE):
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels, cwd=source)
    run(sys.executable, "-m", "venv", "--without-pip", base / "env")
    python = base / "env" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "zz_dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ("install", "--no-deps", "--no-index", "--quiet", "--ignore-installed")
    run(sys.executable, "-m", "pip", "--python", python, *install, *sorted(wheels.glob("*.whl")))
    return base / "env" / "bin"


@pytest.mark.slow
def test_installed_packages_are_imported(environment):
    program = "import memcell, memcell_template; print(memcell.__file__, memcell_template.__file__)"
    for path in run(environment / "python", "-c", program, cwd="/").split():
        assert Path(path).is_relative_to(environment.parent)


@pytest.mark.slow
def test_template_plugin_is_listed(environment, tmp_path):
    rows = json.loads(run(environment / "memcell", "plugins", "--json", cwd=tmp_path))
    found = {r["name"]: r for r in rows if r["distribution"] == "memcell-template"}
    assert set(found) == {
        *("mgu", "boustrophedon", "alternating", "weight_norms", "hjorth"),
        *("leaky_mean", "seizure", "spike-wave"),
    }
    assert {r["version"] for r in found.values()} == {"0.3.0"}
    assert {r["status"] for r in rows} == {"ok"}
    shown = json.loads(run(environment / "memcell", "plugins", "mgu", "--json", cwd=tmp_path))
    assert [o["name"] for o in shown[0]["options"]] == ["forget-bias"]


@pytest.mark.slow
def test_template_passes_conformance_checks(environment, tmp_path):
    rows = json.loads(run(environment / "memcell", "plugins", "--check", "--json", cwd=tmp_path))
    assert {r["name"]: r["status"] for r in rows if r["status"] != "ok"} == {}
    checks = {r["name"]: r["checks"] for r in rows}
    assert checks["mgu"] >= 25
    assert checks["boustrophedon"] >= 10
    assert checks["hjorth"] >= 10


@pytest.mark.slow
def test_its_own_tests_pass(environment, tmp_path):
    own = TEMPLATE / "tests"
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, "-c", "/dev/null")
    assert " passed" in run(environment / "python", "-m", "pytest", *options, own, cwd=tmp_path)


@pytest.mark.slow
def test_template_cell_trains(environment, tmp_path):
    chosen = ("--cell", "mgu", "--sampler", "boustrophedon", "--policy", "reset")
    small = ("--against", "none", "--epochs", 1, "--hidden-size", 4, "--batch-size", 8)
    data = ("--data.subjects", 4, "--data.minutes", 4)
    out = tmp_path / "run"
    run(
        environment / "memcell",
        *("train", "microsleep", *chosen, *small, *data, "--out", out),
        cwd=tmp_path,
    )
    assert 'name = "mgu"' in (out / "config.toml").read_text()
    assert "memcell-template" in (out / "environment.json").read_text()


@pytest.mark.slow
def test_seizures_are_trained_predicted_and_streamed(environment, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    memcell = environment / "memcell"
    data = ("--data.subjects", 5, "--data.minutes", 8)
    small = ("--against", "none", "--hidden-size", 8, "--batch-size", 4, "--epochs", 1)
    chosen = ("--features", "bandpower,hjorth:complexity=false")
    run(memcell, "train", "seizure", *small, *data, *chosen, "--out", "run", cwd=tmp_path)
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    network = next(r["scores"] for r in scores["rows"] if r["kind"] == "network")
    assert network["balanced_accuracy"] > 0.9
    assert network["false_alarms_per_day"] == pytest.approx(24 * network["false_alarms_per_hour"])
    assert any(n.startswith("protocol: ictal (positive: seiz;") for n in scores["notes"])

    (recording,) = (tmp_path / "cache").rglob("sw02.edf")
    chosen = ("--model", "run")
    run(memcell, "predict", "seizure", *chosen, "--out", "found", recording, cwd=tmp_path)
    table = result(tmp_path / "found", "sw02", "_events.tsv").read_text().splitlines()[1:]
    events = [line.split("\t") for line in table]
    assert {e[2] for e in events} == {"seizure"}
    assert all(float(e[1]) >= 10 for e in events)

    played = ("--file", recording, "--speed", "max", "--lines", "steps", "--out", "live")
    lines = run(memcell, "stream", "seizure", *chosen, *played, cwd=tmp_path).splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds.count("step") == 480
    assert kinds.count("alarm") == len(events)
    predicted = result(tmp_path / "found", "sw02", "_probability.tsv")
    assert (tmp_path / "live" / "sw02_probability.tsv").read_text() == predicted.read_text()


def test_the_seizure_application_is_short() -> None:
    """What makes an application long belongs into `memcell_eeg`."""
    files = (TEMPLATE / "memcell_template_seizure").glob("*.py")
    assert 0 < sum(len(f.read_text().splitlines()) for f in files) < 300
