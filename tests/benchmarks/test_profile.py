"""``memcell bench cells --what profile``: where the time of the generated loop goes."""

from __future__ import annotations

import json

import pytest

from memcell.cli.main import run

TINY = [
    *["bench", "cells", "--what", "profile", "--cell", "lstm", "--normalizer", "batch"],
    *["--hidden-size", "4", "--batch-size", "16", "--time-steps", "5", "--input-size", "2"],
    *["--rounds", "1", "--sample", "0.001", "--no-check"],
]


@pytest.mark.parametrize("threads", ["1", "2"])
def test_parts_are_printed_and_add_up(capfd, tmp_path, threads):
    file = tmp_path / "numbers.json"
    code = run([*TINY, "--backends", "eager,native", "--threads", threads, "--json", str(file)])
    said = capfd.readouterr().out
    assert code == 0, said
    rows = json.loads(file.read_text())["results"]
    (row,) = (r for r in rows if "profile" in r)
    assert (row["backend"], row["normalizer"]) == ("native", "batch")
    found = row["profile"]
    parts = {p["name"]: p for p in found["parts"]}
    assert found["timed"] == pytest.approx(
        sum(p["forward"] + p["backward"] for p in found["parts"])
    )
    assert found["plain"] > 0
    assert found["runs"] >= 4
    for name in ("products", "rows", "sums", "waiting", "packing", "handing", "outside"):
        assert parts[name]["forward"] > 0, name
        assert parts[name]["backward"] > 0, name
        assert parts[name]["what"] in said
    assert parts["late"]["forward"] == 0 < parts["late"]["backward"]
    assert "all of it" in said
    assert said.rstrip().endswith("100")


@pytest.mark.parametrize("normalizer", ["none", "batch"])
def test_windows_that_stand_ready_are_profiled_too(capfd, tmp_path, normalizer):
    file = tmp_path / "numbers.json"
    code = run([*TINY[:7], normalizer, *TINY[8:], "--backends", "native", "--json", str(file)])
    assert code == 0, capfd.readouterr().out
    (row,) = (r for r in json.loads(file.read_text())["results"] if "profile" in r)
    parts = {p["name"]: p for p in row["profile"]["parts"]}
    for name in ("products", "rows", "packing"):
        assert parts[name]["forward"] > 0, name
        assert parts[name]["backward"] > 0, name


def test_only_when_asked_for(capfd):
    code = run(["bench", "cells", "--help"])
    said = capfd.readouterr().out
    assert code == 0
    assert "profile" in said
    assert "first-use,profile" not in said
