"""Fixed runs give the numbers that were kept; ``python tests/digests/test_digests.py`` keeps them anew.

A line that changes is a change of the program's results and needs its reason in the commit that changes it.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KEPT = HERE / "digests.json"


def load(name):
    """Import a module that lies beside this one."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


runs = load("runs")


def differences(found, kept, place=""):
    """Return the places where two digests differ: numbers beyond rounding, anything else at all."""
    if isinstance(kept, dict) and isinstance(found, dict):
        names = sorted(found.keys() | kept.keys())
        return [
            line
            for name in names
            for line in differences(found.get(name), kept.get(name), f"{place}/{name}")
        ]
    if isinstance(kept, list) and isinstance(found, list) and len(kept) == len(found):
        return [
            line
            for k, (one, other) in enumerate(zip(found, kept, strict=True))
            for line in differences(one, other, f"{place}/{k}")
        ]
    same = found == kept
    if isinstance(kept, float) and isinstance(found, int | float):
        same = found == pytest.approx(kept, rel=1e-3, abs=1e-4)
    return [] if same else [f"{place}: {found}, kept: {kept}"]


def kept(name):
    """Return what was kept of a run."""
    return json.loads(KEPT.read_text())[name]


@pytest.mark.parametrize("name", runs.EAGER_RUNS)
def test_run_gives_the_numbers_that_were_kept(tmp_path, name):
    assert differences(runs.digest(runs.EAGER_RUNS[name], tmp_path), kept(name)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", runs.NATIVE_RUNS)
def test_generated_code_gives_the_numbers_of_the_eager_loop(tmp_path, name):
    assert differences(runs.digest(runs.NATIVE_RUNS[name], tmp_path), kept(name)) == []


def test_resumed_run_gives_the_numbers_of_the_whole_run():
    whole = kept("resume")
    resumed = whole.pop("resume")
    assert differences(resumed, whole) == []


def test_compared_runs_give_the_numbers_that_were_kept(tmp_path):
    assert differences(runs.compared_digest(tmp_path), kept("compare")) == []


def test_a_changed_number_is_found():
    changed = kept("policy-burn_in")
    changed["losses"][1] *= 1.01
    assert differences(changed, kept("policy-burn_in")) == [
        f"/losses/1: {changed['losses'][1]}, kept: {kept('policy-burn_in')['losses'][1]}"
    ]


if __name__ == "__main__":
    found = {}
    for name, run in runs.EAGER_RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = runs.digest(run, Path(folder))
        print(name)
    with tempfile.TemporaryDirectory() as folder:
        found["compare"] = runs.compared_digest(Path(folder))
    KEPT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
