"""The scripts of the decisive experiment: order of runs, what counts, when verdicts are given, its page."""

from __future__ import annotations

import itertools
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

TARGETS = (0.1, 0.03)
RESULTS = Path(__file__).parents[2] / "docs" / "results"


@pytest.fixture(scope="module")
def scripts():
    """The scripts, which import each other as they lie."""
    sys.path.insert(0, str(RESULTS))
    try:
        import decisive
        import decisive_data
        import decisive_page
        import decisive_plan
        import decisive_report
        import decisive_results
        import decisive_tuned
    finally:
        sys.path.remove(str(RESULTS))
    return SimpleNamespace(
        run=decisive,
        data=decisive_data,
        page=decisive_page,
        plan=decisive_plan,
        report=decisive_report,
        results=decisive_results,
        tuned=decisive_tuned,
    )


@pytest.fixture
def core():
    return json.loads((RESULTS / "decisive-core.json").read_text())


def test_runs_come_seed_by_seed_and_once(scripts, core):
    settings = list(scripts.plan.settings_of(core))
    assert len(settings) == len(set(settings)) == 3620
    assert [s.seed for s in settings[:16]] == [0] * 8 + [1] * 8
    assert {(s.start, s.rate) for s in settings[:8]} == set(
        itertools.product(("carry", "reset", "oracle", "lens-states-never"), (0.03, 0.01))
    )


def test_a_run_that_is_there_is_not_made_again_and_half_a_line_is_dropped(scripts, tmp_path):
    decisive = scripts.run
    plan = {
        "base": {
            "cell": "lstm", "hidden": 4, "optimizer": "adam", "rate": 0.01, "transitions": 4,
            "seed": [0, 1],
        },
        "blocks": [{"start": ["reset", "exchanged"], "epochs": 2}],
    }  # fmt: skip
    path = tmp_path / "runs.jsonl"
    decisive.run(plan, tmp_path, tmp_path)
    first = path.read_text()
    lines = first.splitlines(keepends=True)
    assert [json.loads(line)["updates"] for line in lines] == [100, 100]
    path.write_text(lines[0] + lines[1][:40])
    decisive.run(plan, tmp_path, tmp_path)
    again = path.read_text().splitlines()
    assert again[0] + "\n" == lines[0]
    one, other = (json.loads(line) for line in (lines[1], again[1]))
    assert {**one, "seconds": 0} == {**other, "seconds": 0}
    table = tmp_path / "kept.tsv"
    table.write_text(scripts.results.reduced([json.loads(line) for line in lines[:1]], TARGETS))
    decisive.run(plan, tmp_path / "new", tmp_path, table)
    begun = scripts.results.read(tmp_path / "new")
    assert [one["setting"]["start"] for one in begun] == ["reset", "exchanged"]
    assert "seconds" not in begun[0]
    assert scripts.results.reduced(begun[:1], TARGETS) == table.read_text()
    assert "2 runs" in scripts.plan.predict(plan, begun)


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
    report = scripts.report
    starts = ("carry", "reset", "oracle", "lens-states-never")
    lines = [
        line(seed, start, rate, 1200 if start == "carry" else 1000)
        for seed in range(seeds)
        for start in starts
        for rate in (0.03, 0.01)
    ]
    found = report.primary(core, report.Runs(lines, TARGETS))
    assert len(found) == 6
    assert ("Complete" in report.state_of(core, found)) is complete
    assert ("No verdict" in report.state_of(core, found)) is not complete
    row = report.table(found).splitlines()[2]
    assert f"carry / reset | {seeds} | × 1.20 (1.20 to 1.20)" in row
    assert not report.state_of(core, found[:5]).startswith("Complete")


def test_a_run_that_never_gets_there_counts_as_all_epochs(scripts):
    report = scripts.report
    runs = report.Runs([line(0, "carry", 0.03, 0), line(0, "reset", 0.03, 15000)], TARGETS)
    (cell,) = runs.cells
    found = runs.compare(cell, "carry", "reset", "0.03")
    assert found.differences == [0.0]
    assert found.censored == (1, 0)


def test_a_pair_under_one_inference_is_compared_as_far_as_both_were_followed(scripts):
    """Carry gets there after reset's run has ended without: who was first is not known."""
    report = scripts.report
    first = {**line(0, "carry", 0.03, 600), "common": {"0.03 carry": 900}, "updates": 900}
    second = {**line(0, "reset", 0.03, 500), "common": {}, "updates": 750}
    sooner = {**first, "common": {"0.03 carry": 500}}
    for carry, ratio in ((first, 1.0), (sooner, 500 / 750)):
        runs = report.Runs([carry, second], TARGETS)
        found = runs.compare(runs.cells[0], "carry", "reset", "0.03 carry")
        assert math.exp(found.differences[0]) == pytest.approx(ratio)
        assert found.censored == (0, 1)


def test_each_start_has_the_rate_that_was_best_on_other_seeds(scripts):
    """Carry is sooner at .03 on the first twenty seeds and would be at .01 on the others."""
    lines = []
    for seed in range(30):
        sooner, later = (400, 600) if seed < 20 else (800, 500)
        lines += [
            line(seed, "carry", 0.03, sooner), line(seed, "carry", 0.01, later),
            line(seed, "reset", 0.03, 450), line(seed, "reset", 0.01, 400),
        ]  # fmt: skip
    table = scripts.tuned.tuned(scripts.report.Runs(lines, TARGETS)).splitlines()
    assert len(table) == 3
    assert "| carry / reset | 0.03, 0.01 | 10 | × 2.00 (2.00 to 2.00) |" in table[2]
    between = scripts.tuned.between_rates(scripts.report.Runs(lines, TARGETS)).splitlines()
    assert len(between) == 3
    twenty, ten = math.log((400 / 450) / (600 / 400)), math.log((800 / 450) / (500 / 400))
    ratio = math.exp((20 * twenty + 10 * ten) / 30)
    assert f"| 0.03 / 0.01 | 30 | × {ratio:.2f} " in between[2]
    # a rate that lacks one of the first seeds is none to choose from
    missing = [one for one in lines if one["setting"]["seed"] != 3]
    assert len(scripts.tuned.tuned(scripts.report.Runs(missing, TARGETS)).splitlines()) == 2


def test_exchanged_states_are_those_of_other_windows_and_stand_still(scripts):
    setting = scripts.plan.Setting(
        cell="lstm", hidden=4, optimizer="adam", rate=0.01, transitions=4, start="exchanged", seed=0
    )
    data = scripts.data.Data(setting, Path())
    run = scripts.run.Run(setting, data, TARGETS)
    begun = []
    for epoch in range(3):
        run.memory.epoch = epoch
        run.policy.begin_epoch(run.memory)
        begun.append([run._update(batch)[0].state[0].h.clone() for batch in data.batches])
    first, second, third = (torch.cat(each) for each in begun)
    assert torch.equal(second, third)
    assert not torch.equal(second, first)
    assert sorted(map(tuple, first.tolist())) == sorted(map(tuple, second.tolist()))


def test_a_table_of_runs_gives_the_tables_that_the_runs_give(scripts, core):
    """Kept runs are enough for all that the page says."""
    starts = ("carry", "reset", "oracle", "lens-states-never")
    lines = [
        line(seed, start, 0.03, 0 if seed == 2 else 700 + 37 * seed + 50 * k)
        | {
            "common": {"0.03 carry": 800 + 10 * seed + k},
            "valid": {"0.03 carry": [0.5 + seed / 100, 0.25], "0.03 reset": [0.75, k / 10]},
            "drift": [{"epoch": 2, "between": 0.81, "within": 0.1 + seed / 100}],
        }
        for seed in range(5)
        for k, start in enumerate(starts)
    ]
    text = scripts.results.reduced(lines, TARGETS)
    path = RESULTS / "none.tsv"
    again = scripts.results._read_table(text)
    first, second = (
        scripts.report.parts(core, scripts.report.Runs(each, TARGETS)) for each in (lines, again)
    )
    assert first == second
    assert "× 1." in first["primary: updates to .03, all inferred with carry"]
    assert "| 2 | 5 | 0.81 |" in first["start states, rate 0.03"]
    with pytest.raises(SystemExit, match="expected a folder"):
        scripts.results.read(path)


def test_a_page_is_changed_between_its_marks_alone(scripts):
    first = "<!-- made: core: one -->\nold\n<!-- end -->"
    second = "<!-- made: core: two -->\n<!-- end -->"
    page = f"above\n{first}\nbetween\n{second}\nbelow"
    made = {"one": "| new |", "two": "| other |"}
    after = scripts.page.rewritten(page, lambda name: made)
    assert after.replace("\n\n| new |\n\n", "\nold\n").replace("\n\n| other |\n\n", "\n") == page
    assert scripts.page.rewritten(after, lambda name: made) == after


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("no mark at all", "found 0 whole of 0"),
        ("<!-- made: core: one -->\nnever closed", "found 0 whole of 1"),
        ("<!-- made: core: one -->\n<!-- made: core: one -->\n<!-- end -->", "found 1 whole of 2"),
        ("<!-- made: core: three -->\n<!-- end -->", "has no 'three', but: one"),
    ],
)
def test_a_page_without_its_marks_is_refused(scripts, page, says):
    with pytest.raises(SystemExit, match=says):
        scripts.page.rewritten(page, lambda name: {"one": "| new |"})


def test_what_is_not_there_is_said(scripts, tmp_path):
    with pytest.raises(SystemExit, match="there is no plan 'cor', but: core, "):
        scripts.page.plan_of("cor")
    with pytest.raises(SystemExit, match=r"holds no excerpt\*.txt"):
        scripts.data.excerpts(tmp_path)


def test_tables_of_the_page_are_those_of_the_kept_runs(scripts):
    """Nobody has written into them by hand, and the runs they are from are in the repository."""
    plan, runs = scripts.page.plan_of("core"), scripts.page.runs_of("core")
    found = scripts.report.primary(plan, runs)
    assert scripts.report.state_of(plan, found).startswith("Complete")
    assert scripts.report.table(found) in (RESULTS / "decisive.md").read_text()


@pytest.mark.slow
def test_the_whole_page_is_as_its_command_makes_it(scripts):
    page = (RESULTS / "decisive.md").read_text()
    assert scripts.page.rewritten(page, scripts.page.parts_of) == page


def test_people_are_either_trained_on_or_validated_on(scripts):
    """And a seed draws who, in which order, with features scaled by those alone."""
    series = [
        scripts.data._series(
            f"{who}-{night}", who, np.full((40, 2), ord(who)) + np.eye(40, 2), np.ones(40)
        )
        for who in "abcdef"
        for night in (1, 2)
    ]
    orders = set()
    for seed in range(4):
        train, valid = scripts.data.of_subjects(series, 4, seed)
        assert len(train) == 8
        assert not {s.subject for s in train} & {s.subject for s in valid}
        steps = np.concatenate([s.features for s in train])
        assert steps.mean(axis=0) == pytest.approx([0, 0], abs=1e-4)
        orders.add(tuple(s.name for s in train))
    assert len(orders) == 4


def test_a_recording_s_loss_is_of_its_own_labelled_steps(scripts):
    """A shorter one beside a longer, and steps without a label, change nothing."""
    make = scripts.data._series
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(70, 3)), rng.integers(2, size=70)
    short, longer = make("a", "a", x[:45], y[:45]), make("b", "b", x, y)
    setting = scripts.plan.Setting(
        cell="lstm", hidden=4, optimizer="adam", rate=0.01, transitions=0, start="carry", seed=0
    )
    policy = scripts.run._made("policy", "carry")
    network = scripts.run._network(setting, policy, 3)
    (alone,) = scripts.run.losses(network, [short], "carry", 30)
    assert scripts.run.losses(network, [longer, short], "carry", 30)[1] == pytest.approx(
        alone, abs=2e-6
    )
    cut = make("c", "c", x, np.where(np.arange(70) < 45, y, -1))
    assert scripts.run.losses(network, [cut], "carry", 30) == pytest.approx([alone], abs=2e-6)
