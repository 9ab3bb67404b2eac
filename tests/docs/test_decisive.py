"""The scripts of the decisive experiment: order of the runs, what is counted, and when a verdict is given."""

from __future__ import annotations

import itertools
import json
import math
import sys
from pathlib import Path

import pytest
import torch

RESULTS = Path(__file__).parents[2] / "docs" / "results"


@pytest.fixture(scope="module")
def scripts():
    """The three scripts, which import each other as they lie."""
    sys.path.insert(0, str(RESULTS))
    try:
        import decisive
        import decisive_plan
        import decisive_report
    finally:
        sys.path.remove(str(RESULTS))
    return decisive, decisive_plan, decisive_report


@pytest.fixture
def core():
    return json.loads((RESULTS / "decisive-core.json").read_text())


def test_runs_come_seed_by_seed_and_once(scripts, core):
    settings = list(scripts[1].settings_of(core))
    assert len(settings) == len(set(settings)) == 3620
    assert [s.seed for s in settings[:16]] == [0] * 8 + [1] * 8
    assert {(s.start, s.rate) for s in settings[:8]} == set(
        itertools.product(("carry", "reset", "oracle", "lens-states-never"), (0.03, 0.01))
    )


def test_a_run_that_is_there_is_not_made_again_and_half_a_line_is_dropped(scripts, tmp_path):
    decisive = scripts[0]
    plan = {
        "base": {
            "cell": "lstm", "hidden": 4, "optimizer": "adam", "rate": 0.01, "transitions": 4,
            "seed": [0, 1],
        },
        "blocks": [{"start": ["reset", "exchanged"], "epochs": 2}],
    }  # fmt: skip
    path = tmp_path / "runs.jsonl"
    decisive.run(plan, tmp_path)
    first = path.read_text()
    lines = first.splitlines(keepends=True)
    assert [json.loads(line)["updates"] for line in lines] == [100, 100]
    path.write_text(lines[0] + lines[1][:40])
    decisive.run(plan, tmp_path)
    again = path.read_text().splitlines()
    assert again[0] + "\n" == lines[0]
    one, other = (json.loads(line) for line in (lines[1], again[1]))
    assert {**one, "seconds": 0} == {**other, "seconds": 0}


def line(seed, start, rate, reached):
    return {
        "setting": {
            "cell": "lstm", "hidden": 45, "optimizer": "adam", "rate": rate, "transitions": 1,
            "start": start, "seed": seed, "epochs": 300,
        },
        "updates": 500, "per_epoch": 50, "seconds": 1.0, "drift": [], "common": {},
        "reached": {"0.03": reached} if reached else {}, "valid": {},
    }  # fmt: skip


@pytest.mark.parametrize(("seeds", "complete"), [(79, False), (80, True)])
def test_a_verdict_waits_for_all_seeds(scripts, core, seeds, complete):
    report = scripts[2]
    starts = ("carry", "reset", "oracle", "lens-states-never")
    lines = [
        line(seed, start, rate, 1200 if start == "carry" else 1000)
        for seed in range(seeds)
        for start in starts
        for rate in (0.03, 0.01)
    ]
    found = report.primary(core, report.Runs(lines))
    assert len(found) == 6
    assert ("Complete" in report.state_of(core, found)) is complete
    assert ("No verdict" in report.state_of(core, found)) is not complete
    row = report.table(found).splitlines()[2]
    assert f"carry / reset | {seeds} | × 1.20 (1.20 to 1.20)" in row
    assert not report.state_of(core, found[:5]).startswith("Complete")


def test_a_run_that_never_gets_there_counts_as_all_epochs(scripts):
    report = scripts[2]
    runs = report.Runs([line(0, "carry", 0.03, 0), line(0, "reset", 0.03, 15000)])
    (cell,) = runs.cells
    found = runs.compare(cell, "carry", "reset", "0.03")
    assert found.differences == [0.0]
    assert found.censored == (1, 0)


def test_a_pair_under_one_inference_is_compared_as_far_as_both_were_followed(scripts):
    """Carry gets there after reset's run has ended without: who was first is not known."""
    report = scripts[2]
    first = {**line(0, "carry", 0.03, 600), "common": {"0.03 carry": 900}, "updates": 900}
    second = {**line(0, "reset", 0.03, 500), "common": {}, "updates": 750}
    sooner = {**first, "common": {"0.03 carry": 500}}
    for carry, ratio in ((first, 1.0), (sooner, 500 / 750)):
        runs = report.Runs([carry, second])
        found = runs.compare(runs.cells[0], "carry", "reset", "0.03 carry")
        assert math.exp(found.differences[0]) == pytest.approx(ratio)
        assert found.censored == (0, 1)


def test_exchanged_states_are_those_of_other_windows_and_stand_still(scripts):
    decisive, plan, _ = scripts
    data = decisive.Data(0, 4)
    setting = plan.Setting(
        cell="lstm", hidden=4, optimizer="adam", rate=0.01, transitions=4, start="exchanged", seed=0
    )
    run = decisive.Run(setting, data)
    begun = []
    for epoch in range(3):
        run.memory.epoch = epoch
        run.policy.begin_epoch(run.memory)
        begun.append([run._update(batch)[0].state[0].h.clone() for batch in data.batches])
    first, second, third = (torch.cat(each) for each in begun)
    assert torch.equal(second, third)
    assert not torch.equal(second, first)
    assert sorted(map(tuple, first.tolist())) == sorted(map(tuple, second.tolist()))
