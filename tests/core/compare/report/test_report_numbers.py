"""What the report says of simulated records: the numbers, the rule for diverged runs, what is missing."""

from __future__ import annotations

import csv
import dataclasses
import json
import math

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from memcell.compare.one_run import finished
from memcell.compare.records import RunRecord
from memcell.compare.report import build_report
from memcell.compare.report.findings import find, messages, write_numbers
from memcell.compare.report.phrasing import memory_sentence
from memcell.compare.report.staleness import StalenessMeasurement, staleness_by_setting
from memcell.errors import DataError
from memcell.statistics.crossed import crossed


def table(folder, name):
    with (folder / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def pick(rows, **wanted):
    (row,) = [r for r in rows if all(r[k] == v for k, v in wanted.items())]
    return row


def said_of(folder):
    found = find(folder)
    write_numbers(found)
    return list(messages(found))


@pytest.fixture(scope="module")
def whole(write_comparison, tmp_path_factory):
    """Twenty seeds of four policies, of which one has no effect; every run done."""
    axes = {"policy": ["reset", "carry", "oracle", "decay(rate=0.9)"]}
    folder = tmp_path_factory.mktemp("compared")
    write_comparison(folder, axes, seeds=range(20), subjects=12)
    said_of(folder)
    return folder


def test_a_planted_effect_is_found_and_none_where_there_is_none(whole):
    rows = table(whole, "comparisons")

    def verdict(setting, measure, inference, unit="seeds"):
        return pick(rows, setting=setting, reference="reset", measure=measure, inference=inference,
                    unit=unit)["verdict"]  # fmt: skip

    assert verdict("carry", "kappa", "carry") == "better"
    assert verdict("carry", "kappa", "carry", "subjects") == "better"
    assert verdict("carry", "best_validation_loss", "n/a") == "better"
    assert verdict("carry", "log_updates_to_target", "n/a") == "better"
    assert verdict("oracle", "false_alarms_per_hour", "carry") == "lower"
    for measure, inference in (("kappa", "carry"), ("best_validation_loss", "n/a")):
        assert verdict("decay(rate=0.9)", measure, inference) == "undecided"


def test_differences_are_those_of_the_records(whole):
    records = [RunRecord.read(p) for p in whole.glob("runs/*/record.json")]
    kappa = {(r.setting["policy"], r.seed): r.scores["reset"]["kappa"] for r in records}
    d = [kappa["oracle", s] - kappa["reset", s] for s in range(20)]
    row = pick(table(whole, "comparisons"), setting="oracle", measure="kappa", inference="reset",
               unit="seeds")  # fmt: skip
    assert float(row["difference"]) == pytest.approx(np.mean(d))
    assert float(row["d_z"]) == pytest.approx(np.mean(d) / np.std(d, ddof=1))
    assert float(row["superiority"]) == pytest.approx(np.mean(np.array(d) > 0))
    assert float(row["low"]) < np.mean(d) < float(row["high"])
    assert row["n"] == "20"


def test_subjects_are_averaged_over_seeds_first(whole):
    records = [RunRecord.read(p) for p in whole.glob("runs/*/record.json")]
    each = {
        policy: np.mean(
            [[s["kappa"] for _, s in sorted(r.subjects["carry"].items())]
             for r in records if r.setting["policy"] == policy], axis=0,
        )
        for policy in ("carry", "reset")
    }  # fmt: skip
    row = pick(table(whole, "comparisons"), setting="carry", reference="reset", measure="kappa",
               inference="carry", unit="subjects")  # fmt: skip
    d = each["carry"] - each["reset"]
    assert row["n"] == "12"
    assert float(row["difference"]) == pytest.approx(d.mean())
    assert float(row["d_z"]) == pytest.approx(d.mean() / d.std(ddof=1))


def test_where_nothing_was_declared_all_differences_are_one_family(whole):
    rows = [r for r in table(whole, "comparisons") if r["p"] != "n/a"]
    expected = multipletests([float(r["p"]) for r in rows], method="holm")[1]
    assert [float(r["p_holm"]) for r in rows] == pytest.approx(expected)
    assert {r["family"] for r in rows} == {str(len(rows))}
    assert {r["primary"] for r in rows} == {"false"}


def test_the_target_is_by_the_rule_and_clearly_below_chance(whole):
    found = json.loads((whole / "results.json").read_text(encoding="utf-8"))
    records = [RunRecord.read(path) for path in whole.glob("runs/*/record.json")]
    good = np.median([min(v for _, v in r.validation) for r in records])
    assert found["target_loss"] == pytest.approx(math.log(2) - 0.9 * (math.log(2) - good))
    assert found["target_loss"] < 0.9 * math.log(2)


def test_a_given_target_is_taken(write_comparison, tmp_path):
    write_comparison(tmp_path, seeds=range(6), target_loss=0.28)
    lines = said_of(tmp_path)
    assert any("given by --target-loss" in line for line in lines)
    reset = [r for r in table(tmp_path, "summary") if r["policy"] == "reset"]
    assert {r["reached"] for r in reset} == {"0.0"}
    assert {r["updates"] for r in reset} == {"never"}


def test_diverged_runs_count_by_the_rule(write_comparison, tmp_path):
    write_comparison(tmp_path, seeds=range(8), diverged=[(("carry",), 2), (("carry",), 5)])
    lines = said_of(tmp_path)
    runs = table(tmp_path, "runs")
    row = pick(runs, policy="carry", seed="2", inference="carry")
    assert row["status"] == "diverged"
    assert float(row["kappa"]) == 0.0  # the majority class
    assert float(row["best_validation_loss"]) == float(row["final_training_loss"]) == math.log(2)
    assert row["updates_to_target"] == "never"
    assert pick(table(tmp_path, "summary"), policy="carry", inference="carry")["diverged"] == "2"
    rows = [r for r in table(tmp_path, "comparisons") if r["measure"] == "kappa"]
    assert {r["n"] for r in rows if r["unit"] == "seeds"} == {"8"}
    assert any("2 run(s) diverged" in line and "policy=carry: 2" in line for line in lines)


def test_without_a_majority_baseline_it_says_that_diverged_runs_have_no_score(
    write_comparison, tmp_path
):
    write_comparison(tmp_path, seeds=range(6), diverged=[(("carry",), 2)], baselines=False)
    assert any("flatters" in line for line in said_of(tmp_path))


def test_missing_runs_are_said_first_and_only_whole_pairs_compared(write_comparison, tmp_path):
    write_comparison(
        tmp_path, seeds=range(8), missing=[(("reset",), 0), (("reset",), 7)],
        begun=[(("carry",), 3)], failed=[(("oracle",), 4)],
    )  # fmt: skip
    lines = said_of(tmp_path)
    assert lines[0].startswith("4 of 24 runs are missing: 1 unfinished, 1 failed, 2 not started")
    assert "policy=reset seed 0" in lines[0]
    assert any("the disk was full" in line for line in lines)
    row = pick(table(tmp_path, "comparisons"), setting="carry", reference="reset", measure="kappa",
               inference="carry", unit="seeds")  # fmt: skip
    assert row["n"] == "5"


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_few_seeds_decide_nothing_and_it_says_so(write_comparison, tmp_path, seeds):
    write_comparison(tmp_path, {"policy": ["reset", "carry"]}, seeds=range(seeds), noise=0.0001)
    lines = said_of(tmp_path)
    rows = [r for r in table(tmp_path, "comparisons") if r["unit"] == "seeds"]
    assert {r["verdict"] for r in rows} == {"undecided"}
    assert any("too few seeds to decide anything" in line for line in lines)


def test_one_subject_says_nothing_about_others(write_comparison, tmp_path):
    write_comparison(tmp_path, seeds=range(6), subjects=1)
    assert any("one test subject" in line for line in said_of(tmp_path))


def test_settings_are_compared_with_all_else_equal(write_comparison, tmp_path):
    axes = {"policy": ["reset", "carry"], "learning_rate": ["0.001", "0.01", "0.1"]}
    write_comparison(tmp_path, axes, seeds=range(6))
    said_of(tmp_path)
    rows = [r for r in table(tmp_path, "comparisons")
            if r["measure"] == "best_validation_loss" and r["tuned"] == "false"]  # fmt: skip
    found = {(r["axis"], r["setting"], r["reference"], r["within"]) for r in rows}
    rates = {("policy", "carry", "reset", f"learning_rate={x}") for x in axes["learning_rate"]}
    policies = {
        ("learning_rate", x, "0.001", f"policy={p}")
        for x in ("0.01", "0.1")
        for p in axes["policy"]
    }
    assert found == rates | policies


def test_each_policy_is_held_at_the_rate_that_suits_it(write_comparison, tmp_path):
    axes = {"policy": ["reset", "carry"], "learning_rate": ["0.001", "0.01"]}
    write_comparison(tmp_path, axes, seeds=range(6))
    for path in tmp_path.glob("runs/*/record.json"):
        record = RunRecord.read(path)
        # reset learns well at the small rate, carry at the large one
        good = (record.setting["policy"] == "reset") == (record.setting["learning_rate"] == "0.001")
        loss = (0.3 if good else 0.5) + 0.001 * record.seed
        dataclasses.replace(record, validation=((240, loss),)).write(path)
    said_of(tmp_path)
    row = pick(table(tmp_path, "comparisons"), measure="best_validation_loss", tuned="true")
    assert (row["setting"], row["reference"]) == ("carry", "reset")
    assert row["within"] == "each at its best: learning_rate=0.01 and learning_rate=0.001"
    assert float(row["difference"]) == 0.0


def test_what_staleness_cost_is_held_against_what_memory_gave(whole):
    shares = json.loads((whole / "results.json").read_text(encoding="utf-8"))["memory"]
    share = next(s for s in shares if s["measure"] == "kappa" and s["inference"] == "carry")
    assert share["gain"] == pytest.approx(0.06, abs=0.01)
    assert share["cost"] == pytest.approx(0.01, abs=0.01)
    assert share["ratio"] == pytest.approx(share["cost"] / share["gain"])
    assert share["low"] < share["ratio"] < share["high"]


def test_no_share_is_given_of_a_gain_that_is_not_clear(write_comparison, tmp_path):
    write_comparison(tmp_path, seeds=range(4), noise=0.2)
    found = find(tmp_path)
    unclear = [s for s in found.shares if not s.gain_low > 0]
    assert unclear
    assert all(math.isnan(s.ratio) and math.isnan(s.low) for s in unclear)
    assert "so the cost is not expressed as a share" in memory_sentence(unclear[0])


def test_no_share_is_given_of_what_probes_saw_where_the_gain_is_not_clear():
    def seen(gains):
        values = [{"dL_stale": 0.01, "dL_zero": gain} for gain in gains]
        return [
            StalenessMeasurement(setting=("carry",), seed=i, update=1, values=v)
            for i, v in enumerate(values)
        ]

    (unclear,) = staleness_by_setting(seen([0.05, -0.049, 0.002, 0.0]))
    assert unclear.gain > 0
    assert math.isnan(unclear.ratio)
    (clear,) = staleness_by_setting(seen([0.05, 0.05, 0.04, 0.06]))
    assert clear.ratio == pytest.approx(0.2)


def test_a_share_whose_interval_spans_0_is_said_to_be_unclear(whole):
    share = next(s for s in find(whole).shares if s.inference == "carry")
    unclear = dataclasses.replace(share, ratio=-0.1, low=-0.6, high=0.1)
    assert "which includes 0" in memory_sentence(unclear)
    at_times = dataclasses.replace(share, gain_low=0.01, ratio=math.nan, low=math.nan)
    assert "brings no gain, so the cost is not expressed as a share" in memory_sentence(at_times)
    clear = dataclasses.replace(share, ratio=0.2, low=0.1, high=0.3)
    assert "told from nothing" not in memory_sentence(clear)


def test_times_are_counted_up_to_where_every_run_was_followed(write_comparison, tmp_path):
    write_comparison(tmp_path, seeds=range(6))
    for path in tmp_path.glob("runs/policy=reset*/record.json"):
        record = RunRecord.read(path)
        dataclasses.replace(record, updates=60, validation=record.validation[:3]).write(path)
    plan = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    plan["target_loss"] = 0.35
    (tmp_path / "comparison.json").write_text(json.dumps(plan), encoding="utf-8")
    (said,) = [caveat for caveat in find(tmp_path).caveats if caveat.startswith("The target is")]
    assert "up to update 60, until which every run was followed" in said
    rows = table(tmp_path, "runs") if said_of(tmp_path) else []
    late = [r for r in rows if r["updates_to_target"] not in ("never", "20.0", "40.0", "60.0")]
    assert late  # carry and oracle get there, after more than 60 updates
    assert max(float(r["log_updates_to_target"]) for r in rows) == math.log(60)


DECLARED = {
    "primary": {"outcome": "score", "inference": "carry", "population": "trainings"},
    "chance_loss": 0.69,
}


def test_one_outcome_decides_and_its_pairs_are_one_family(write_comparison, tmp_path):
    axes = {"policy": ["reset", "carry"], "learning_rate": ["0.01", "0.1"]}
    write_comparison(tmp_path, axes, seeds=range(12), probes=False, **DECLARED)
    said = said_of(tmp_path)
    rows = table(tmp_path, "comparisons")
    primary = [r for r in rows if r["primary"] == "true"]
    assert {(r["measure"], r["inference"], r["unit"]) for r in primary} == {
        ("kappa", "carry", "seeds")
    }
    # both policies at each rate, both rates under each policy, and the policies at their best
    assert [r["family"] for r in primary] == ["5"] * 5
    expected = multipletests([float(r["p"]) for r in primary], method="holm")[1]
    assert [float(r["p_holm"]) for r in primary] == pytest.approx(expected)
    assert {r["verdict"] for r in primary if r["axis"] == "policy"} == {"better"}
    assert {r["verdict"] for r in rows if r["primary"] == "false"} == {"secondary"}
    assert said[1].startswith(
        "Should you carry state? Yes: in kappa, all inferred with carried memory"
    )
    assert "no other recording" in said[1]
    assert any("reset need not be trained on streams" in line for line in said)
    found = pick(
        table(tmp_path, "summary"), policy="carry", learning_rate="0.01", inference="carry"
    )
    assert found["primary"] == found["kappa"]


@pytest.mark.parametrize("outcome", ["score", "validation_loss"])
def test_people_are_crossed_with_seeds(write_comparison, tmp_path, outcome):
    primary = {**DECLARED["primary"], "outcome": outcome, "population": "people"}
    write_comparison(tmp_path, {"policy": ["carry", "reset"]}, seeds=range(10), subjects=9,
                     **{**DECLARED, "primary": primary})  # fmt: skip
    said = said_of(tmp_path)
    row = pick(table(tmp_path, "comparisons"), primary="true")
    assert (row["unit"], row["n"], row["verdict"]) == ("people and seeds", "9", "worse")
    records = [RunRecord.read(p) for p in tmp_path.glob("runs/*/record.json")]
    each = {
        (r.setting["policy"], r.seed): list(
            r.valid_subjects["carry"].values() if outcome == "validation_loss"
            else (s["kappa"] for s in r.subjects["carry"].values())
        )
        for r in records
    }  # fmt: skip
    d = [np.subtract(each["reset", s], each["carry", s]) for s in range(10)]
    assert float(row["difference"]) == pytest.approx(np.mean(d))
    assert float(row["p"]) == pytest.approx(crossed(d).p)
    assert said[1].startswith("Should you carry state? Yes")  # reset is worse than carry
    assert "other people and other trainings" in said[1]


def test_no_verdict_while_runs_are_missing_and_failed_ones_count(write_comparison, tmp_path):
    axes = {"policy": ["reset", "carry"]}
    write_comparison(tmp_path / "a", axes, seeds=range(8), missing=[(("carry",), 3)], **DECLARED)
    said = said_of(tmp_path / "a")
    assert said[1].startswith("Should you carry state? Not decided while runs are missing")
    assert pick(table(tmp_path / "a", "comparisons"), primary="true")["verdict"] == "undecided"
    failed = [(("carry",), 3)]
    write_comparison(tmp_path / "b", axes, seeds=range(8), failed=failed, **DECLARED)
    said = said_of(tmp_path / "b")
    assert said[0] == "All 16 runs are complete."
    assert any("failed and count as those that diverged" in line for line in said)
    row = pick(table(tmp_path / "b", "comparisons"), primary="true")
    assert row["n"] == "8"
    runs = table(tmp_path / "b", "runs")
    fallen = pick(runs, policy="carry", seed="3", inference="carry")
    assert (float(fallen["kappa"]), fallen["best_validation_loss"]) == (0.0, "0.69")


def test_updates_to_given_targets_decide_with_looks_and_censoring(write_comparison, tmp_path):
    primary = {**DECLARED["primary"], "outcome": "updates"}
    plan = {**DECLARED, "primary": primary, "target_losses": [0.5, 0.1]}
    write_comparison(tmp_path, {"policy": ["reset", "carry"]}, seeds=range(12), **plan)
    for path in tmp_path.glob("runs/policy=carry*/record.json"):
        record = RunRecord.read(path)
        dataclasses.replace(record, looks=((10, 0.49),)).write(path)
    said = said_of(tmp_path)
    rows = table(tmp_path, "comparisons")
    row = pick(rows, primary="true")
    assert (row["measure"], row["verdict"]) == ("log_updates_to_target", "better")
    assert float(row["log_rank"]) < 0.05
    runs = table(tmp_path, "runs")
    assert {r["updates_to_target"] for r in runs if r["policy"] == "carry"} == {"10.0"}
    never = pick(rows, measure="log_updates_to_0.1")
    assert (never["reached"], never["difference"], never["log_rank"]) == ("0.0", "0.0", "n/a")
    assert any("within epochs" in line for line in said)


def test_runs_that_are_the_same_under_two_names_are_said(write_comparison, tmp_path):
    write_comparison(tmp_path, {"policy": ["reset", "stored"]}, seeds=range(6), **DECLARED)
    for path in tmp_path.glob("runs/policy=stored*/record.json"):
        other = tmp_path / "runs" / path.parent.name.replace("stored", "reset") / "record.json"
        training = RunRecord.read(other).training
        dataclasses.replace(RunRecord.read(path), training=training).write(path)
    assert any(
        "reset and stored gave the same losses to the bit in 6 of 6" in x for x in said_of(tmp_path)
    )


def test_added_seeds_and_what_cannot_be_answered_stay_in_the_report(write_comparison, tmp_path):
    limit = (
        "all data are of one subject ('S'): whatever is found is about trainings on that one alone"
    )
    write_comparison(tmp_path, seeds=range(6), declared_seeds=4, limits=[limit], **DECLARED)
    said = []
    build_report(tmp_path, said.append)
    assert any("Seeds were added: it began with 4" in line for line in said)
    assert "All data are of one subject" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_rounding_difference_is_a_tie(write_comparison, tmp_path):
    write_comparison(tmp_path, {"policy": ["reset", "carry"]}, seeds=range(6), subjects=1)
    for path in tmp_path.glob("runs/*/record.json"):
        record = RunRecord.read(path)
        alike = {"kappa": 0.1 + 0.2 if record.setting["policy"] == "carry" else 0.3}
        dataclasses.replace(record, scores={"carry": alike}).write(path)
    row = next(d for d in find(tmp_path).differences if d.measure == "kappa" and d.unit == "seeds")
    assert (row.difference, row.superiority, row.p) == (0.0, 0.5, 1.0)


def test_probes_of_staleness_are_averaged_by_run(whole):
    found = json.loads((whole / "results.json").read_text(encoding="utf-8"))["staleness"]
    assert [s["setting"] for s in found] == [["carry"], ["oracle"]]
    assert found[0]["seeds"] == 20
    assert found[0]["gain"] == pytest.approx(0.04, abs=0.002)
    assert found[0]["ratio"] == pytest.approx(0.006 / 0.04, abs=0.02)


def test_curves_end_where_the_records_do(whole):
    rows = [r for r in table(whole, "curves") if r["policy"] == "oracle"]
    last = [RunRecord.read(p).validation[-1] for p in whole.glob("runs/policy=oracle*/record.json")]
    assert int(rows[-1]["update"]) == last[0][0]
    assert float(rows[-1]["validation_loss"]) == pytest.approx(np.mean([v for _, v in last]))
    assert float(rows[-1]["difference_high"]) < 0


def test_runs_without_an_axis_have_no_comparisons(write_comparison, tmp_path):
    folder = write_comparison(tmp_path, {"policy": ["carry"]}, seeds=range(3))
    plan = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    (folder / "comparison.json").write_text(json.dumps({**plan, "axes": []}), encoding="utf-8")
    lines = []
    build_report(folder, lines.append)
    assert lines[0] == "All 3 runs are complete."
    assert table(folder, "comparisons") == []


def test_an_empty_comparison_has_a_report(write_comparison, tmp_path):
    every = [((p,), s) for p in ("reset", "carry", "oracle") for s in range(3)]
    write_comparison(tmp_path, seeds=range(3), missing=every, baselines=False,
                     main_score="absent", n_classes="absent")  # fmt: skip
    lines = []
    build_report(tmp_path, lines.append)
    assert lines[0].startswith("9 of 9 runs are missing")
    assert (tmp_path / "report.html").is_file()


def test_a_damaged_record_is_named_and_the_others_count(write_comparison, tmp_path):
    write_comparison(tmp_path, seeds=range(6))
    (tmp_path / "runs/policy=carry,seed=2/record.json").write_text("{", encoding="utf-8")
    lines = said_of(tmp_path)
    assert lines[0].startswith("1 of 18 runs are missing")
    assert any("policy=carry,seed=2/record.json" in line for line in lines[1:])


@pytest.mark.parametrize("content", [
    None, "{", "[]", '{"axes": [1], "seeds": [1]}', '{"axes": [], "seeds": ["x"]}',
    '{"axes": [{"name": "p", "values": []}], "seeds": [1]}',
    '{"axes": [{"name": "p", "values": ["a"]}], "seeds": [1], "splits": 5}',
])  # fmt: skip
def test_what_is_no_comparison_is_refused_by_name(tmp_path, content):
    if content is not None:
        (tmp_path / "comparison.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"comparison\.json"):
        build_report(tmp_path, print)


def test_mixed_environments_are_said(write_comparison, tmp_path):
    write_comparison(tmp_path, seeds=range(6))
    path = tmp_path / "runs/policy=carry,seed=2/environment.json"
    path.write_text(json.dumps({"memcell": "0.2.0", "device": "cuda"}), encoding="utf-8")
    assert any("2 different environments" in line for line in said_of(tmp_path))


def test_epochs_that_were_validated_under_both_inferences_show_in_tables_and_figures(
    write_comparison, tmp_path
):
    primary = {"outcome": "validation_loss", "inference": "carry", "population": "trainings"}
    axes = {"policy": ["reset", "carry"]}
    folder = write_comparison(
        tmp_path / "both", axes, range(3), 4, 3, both=True, primary=primary, probes=False
    )
    build_report(folder, lambda line: None)
    rows = table(folder, "summary")
    for setting in axes["policy"]:
        here, there = (
            float(pick(rows, policy=setting, inference=p)["best_validation_loss"])
            for p in ("carry", "reset")
        )
        assert there == pytest.approx(here + 0.05)
    curves = table(folder, "curves")
    last = {(r["policy"], r["inference"]): float(r["validation_loss"]) for r in curves}
    assert len(last) == 4
    assert last["carry", "reset"] == pytest.approx(last["carry", "carry"] + 0.05)
    # what decides is under the declared one, and the other is told beside it
    rows = [r for r in table(folder, "comparisons") if r["measure"] == "best_validation_loss"]
    assert [r["primary"] for r in rows if r["inference"] == "n/a"] == ["true"]
    assert pick(rows, inference="reset")["verdict"] == "secondary"
    assert (folder / "figures" / "learning_curves_reset.svg").is_file()
    assert "Learning curves, memory at inference: reset" in (folder / "report.html").read_text()


def test_a_target_that_no_run_reached_is_said_and_gives_no_ratio(write_comparison, tmp_path):
    primary = {"outcome": "updates", "inference": "carry", "population": "trainings"}
    axes = {"policy": ["reset", "carry"]}
    folder = write_comparison(
        tmp_path / "never", axes, range(6), 4, 3, primary=primary, target_loss=0.001, probes=False
    )
    said = "\n".join(said_of(folder))
    assert "no run of carry or reset reached it" in said
    assert "No run reached the target loss of 0.001" in said
    assert "times as many" not in said
    row = pick(table(folder, "comparisons"), measure="log_updates_to_target", primary="true")
    assert row["verdict"] == "undecided"


def test_what_a_newer_version_made_is_neither_read_nor_made_again(write_comparison, tmp_path):
    folder = write_comparison(tmp_path / "newer", {"policy": ["reset", "carry"]}, range(2), 4, 3)
    record = next(folder.glob("runs/*/record.json"))
    record.write_text(record.read_text().replace('"format": 3', '"format": 9'))
    with pytest.raises(DataError, match="newer than"):
        finished(record.parent)
    plan = folder / "comparison.json"
    plan.write_text(plan.read_text().replace('"format": 1', '"format": 9'))
    with pytest.raises(DataError, match="layout 9"):
        find(folder)
