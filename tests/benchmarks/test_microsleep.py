"""The benchmark of the microsleep app: its numbers hang together; how large they are is not tested."""

from __future__ import annotations

import json

import pytest

from memcell.cli.main import run


def bench(*args):
    return run(["bench", "microsleep", "--hours", "0.02", "--rounds", "1", *args])


def test_a_part_is_measured_in_a_process_of_its_own(tmp_path, capfd):
    file = tmp_path / "numbers.json"
    assert bench("--what", "predict", "--json", str(file)) == 0
    said = capfd.readouterr().out
    assert "weights untrained" in said
    assert "hours of EEG an hour and core" in said
    found = json.loads(file.read_text())
    part = found["predict"]
    assert part["threads"] == 1
    assert part["steps"] == pytest.approx(0.02 * 3600 / 0.2)
    assert set(part["stages"]) == {"read", "filter", "features", "network", "rest"}
    assert sum(part["stages"].values()) == pytest.approx(part["cpu"])
    assert part["hours_per_hour"] == pytest.approx(0.02 * 3600 / part["cpu"])
    assert part["peak_mb"] > 50


@pytest.mark.slow
def test_all_parts(tmp_path, capfd):
    file = tmp_path / "numbers.json"
    assert bench("--files", "10", "--json", str(file)) == 0
    said = capfd.readouterr().out
    parts = ("prepare", "features", "predict", "files", "workers", "live", "alarm")
    for name in parts:
        assert f"\n{name}: " in said
    found = json.loads(file.read_text())
    assert set(parts) < set(found)
    cpu = found["prepare"]["cpu"]
    assert found["prepare"]["ratio"] == pytest.approx(cpu["ours"] / cpu["mne"])
    assert sum(found["live"]["parts"].values()) > 0
    assert 0 < found["alarm"]["milliseconds"] < 50
    assert found["alarm"]["alarms"] == 20


def test_wrong_options_are_refused(capfd):
    assert bench("--what", "predicct") == 2
    assert "Did you mean 'predict'?" in capfd.readouterr().err
    assert bench("--files", "3") == 2
