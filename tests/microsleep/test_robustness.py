"""Runs under other conditions: the table of each kind of run, made at once or later, and what it says."""

from __future__ import annotations

import csv
import filecmp
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from tests.results import result

from memcell.applications.app import Row
from memcell.cli.main import run
from memcell.runs.by_subject import Mean
from memcell.runs.predictions import read_predictions
from memcell.runs.robustness import ConditionScore, in_words, worst
from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.datasets.simulated import Simulated
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_eeg.features.optional import columns_of
from memcell_eeg.preparation import conditions as under
from memcell_eeg.signal.stand_in import standing_in
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

DATA = ["--data.subjects", "4", "--data.minutes", "2", "--channels", "O1,O2"]
SMALL = [
    *("--hidden-size", "4", "--epochs", "1", "--min-updates", "0", "--time-steps", "20"),
    *("--tune", "none", "--control", "none", "--baselines", "few", "--step", "2"),
]
NAMES = [
    *("as recorded", "gain x 0.7", "gain x 1.5", "O1 lost", "O2 lost", "50 Hz hum of 50 uV"),
    "half the sampling rate",
]


def table(folder, name="robustness.tsv"):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def of(rows, condition, score="balanced_accuracy", kind="network"):
    [row] = [r for r in rows if (r["condition"], r["score"], r["kind"]) == (condition, score, kind)]
    return row


def same(a, b):
    names = ["robustness.tsv", "robustness/about.json", "robustness/predictions.npz"]
    return filecmp.cmpfiles(a, b, names, shallow=False)[0] == names


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("plain") / "run"
    assert run(["train", "microsleep", *DATA, *SMALL, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    out = tmp_path_factory.mktemp("without") / "run"
    typed = [*DATA, *SMALL, "--robustness", "none", "--out", str(out)]
    assert run(["train", "microsleep", *typed]) == 0
    return out


@pytest.fixture(scope="module")
def folds(tmp_path_factory):
    out = tmp_path_factory.mktemp("loso") / "run"
    assert run(["train", "microsleep", *DATA, *SMALL, "--split", "loso", "--out", str(out)]) == 0
    return out


def test_a_run_has_a_table_of_its_network_and_a_baseline(whole) -> None:
    rows = table(whole)
    assert list(dict.fromkeys(r["condition"] for r in rows)) == NAMES
    assert {r["kind"] for r in rows} == {"network", "baseline"}
    scores = {r["name"]: r for r in table(whole, "scores.tsv")}
    for kind in ("network", "baseline"):
        row = of(rows, "as recorded", kind=kind)
        assert float(row["value"]) == float(scores[row["name"]]["balanced_accuracy"])
    for gain in ("gain x 0.7", "gain x 1.5"):
        assert float(of(rows, gain)["difference"]) == pytest.approx(0, abs=0.02)


def test_a_rate_that_the_features_cannot_have_is_refused_with_the_reason(whole) -> None:
    row = of(table(whole), "half the sampling rate")  # of 128 Hz
    assert row["value"] == row["difference"] == "n/a"
    assert "has 64 Hz and the run works at 100 Hz; its features need 78 Hz" in row["refused"]


def test_a_run_that_is_done_again_has_the_same_bytes(whole, tmp_path) -> None:
    again = tmp_path / "run"
    shutil.copytree(whole, again)
    shutil.rmtree(again / "robustness")
    (again / "robustness.tsv").unlink()
    (again / "scores.json").unlink()
    assert run(["train", "microsleep", "--resume", str(again)]) == 0
    assert same(whole, again)


def test_what_was_not_done_says_how_and_is_the_same_when_done_later(without, whole, capfd) -> None:
    assert not (without / "robustness.tsv").exists()
    command = f"memcell evaluate microsleep {without} --robustness"
    assert command in (without / "report.html").read_text()
    assert run(["evaluate", "microsleep", str(without), "--robustness"]) == 0
    assert same(whole, without)
    said = capfd.readouterr().out
    assert "O1 lost" in said
    assert max(map(len, said.partition("robustness:")[0].splitlines())) <= 80
    assert command not in (without / "report.html").read_text()


def test_the_model_does_not_depend_on_it(without, whole) -> None:
    assert filecmp.cmp(without / "model.safetensors", whole / "model.safetensors", shallow=False)


def test_the_report_says_the_worst_in_a_sentence(whole) -> None:
    rows = [r for r in table(whole) if r["kind"] == "network" and r["difference"] != "n/a"]
    rows = [r for r in rows if r["score"] == "balanced_accuracy" and r["condition"] != NAMES[0]]
    worst = min(rows, key=lambda r: float(r["difference"]))
    page = (whole / "report.html").read_text()
    if float(worst["difference"]) > -0.0005:
        assert "no worse under any of 5 conditions" in page
    else:
        assert f"Worst of 5 conditions: {worst['condition']}" in page


def test_the_report_says_what_to_do_where_a_gain_costs_much(whole, tmp_path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(whole, copy)
    assert "--features relative" not in (copy / "report.html").read_text()
    heads, *lines = [r.split("\t") for r in (copy / "robustness.tsv").read_text().splitlines()]
    at = heads.index("difference")
    for line in lines:
        line[at] = "-0.03" if line[0] == "gain x 1.5" else line[at]
    made = "\n".join("\t".join(line) for line in [heads, *lines]) + "\n"
    (copy / "robustness.tsv").write_text(made)
    assert run(["report", str(copy)]) == 0
    page = (copy / "report.html").read_text()
    assert "--features relative" in page
    assert "gain x 1.5" in page


def test_folds_are_pooled_each_under_its_own_decision(folds) -> None:
    rows = table(folds)
    assert list(dict.fromkeys(r["condition"] for r in rows)) == NAMES
    y, state = [], []
    for below in sorted((folds / "folds").iterdir()):
        [mine] = [
            r
            for r in read_predictions(below / "robustness")
            if r.kind == "network" and r.note == "O1 lost"
        ]
        for part in mine.predictions:
            for s, p in zip(part.sequences, part.probabilities, strict=True):
                y += s.targets[s.labelled].tolist()
                state += (p[s.labelled, 1] >= part.decision["threshold"]).astype(int).tolist()
    row = of(rows, "O1 lost")
    assert float(row["value"]) == pytest.approx(balanced_accuracy_score(y, state))
    assert row["subjects"] == "4"
    assert float(row["low"]) <= float(row["value"]) <= float(row["high"])


@pytest.mark.slow
def test_folds_are_done_later_too(folds, tmp_path) -> None:
    later = tmp_path / "run"
    shutil.copytree(folds, later)
    for below in (later, *(later / "folds").iterdir()):
        shutil.rmtree(below / "robustness")
        (below / "robustness.tsv").unlink()
    assert run(["evaluate", "microsleep", str(later), "--robustness"]) == 0
    names = ["robustness.tsv", "robustness/about.json"]
    assert filecmp.cmpfiles(folds, later, names, shallow=False)[0] == names
    for below in (folds / "folds").iterdir():
        assert same(below, later / "folds" / below.name)


@pytest.mark.slow
def test_a_network_of_everybody_is_scored_by_the_networks_of_its_folds(tmp_path, capfd) -> None:
    small = [*DATA, *SMALL, "--tune", "quick", "--split", "none"]
    now, later = tmp_path / "now", tmp_path / "later"
    assert run(["train", "microsleep", *small, "--robustness", "all", "--out", str(now)]) == 0
    assert run(["train", "microsleep", *small, "--out", str(later)]) == 0
    assert "would be trained again" in capfd.readouterr().out
    assert not (later / "robustness.tsv").exists()
    assert run(["evaluate", "microsleep", str(later), "--robustness"]) == 0
    assert (now / "robustness.tsv").read_bytes() == (later / "robustness.tsv").read_bytes()
    rows = table(now)
    scores = {r["name"]: r for r in table(now, "scores.tsv")}
    for kind in ("network", "baseline"):
        row = of(rows, "as recorded", kind=kind)
        assert float(row["value"]) == float(scores[row["name"]]["balanced_accuracy"])
        # the networks are those of the choice: a gain changes nearly nothing
        assert float(of(rows, "gain x 0.7", kind=kind)["difference"]) == pytest.approx(0, abs=0.02)
    assert not (now / "tuning" / "robustness").exists()


def test_recordings_of_somebody_else(whole, tmp_path, capfd) -> None:
    typed = ["data", "make", "simulated", "--to", str(tmp_path / "more"), "--subjects", "2"]
    assert run([*typed, "--minutes", "2", "--seed", "5"]) == 0
    typed = ["evaluate", "microsleep", str(whole), "--data", str(tmp_path / "more"), "--robustness"]
    subjects = ["--data.subject-pattern", "(.*)"]
    assert run([*typed, *subjects, "--out", str(tmp_path / "out")]) == 0
    rows = table(tmp_path / "out")
    assert list(dict.fromkeys(r["condition"] for r in rows)) == NAMES
    assert {r["kind"] for r in rows} == {"network"}
    assert "robustness: " in capfd.readouterr().out


def test_a_split_by_time_is_cut_at_the_same_steps(tmp_path) -> None:
    dataset = Simulated(SimulatedConfig(subjects=2, minutes=2))
    config = MicrosleepConfig(split="time", channels=("O1", "O2"), step=2.0, tune="none")
    app = Microsleep(config, dataset)
    task = app.task()
    by_name = {c.name: c for c in app.conditions(task)}
    [*louder] = by_name["gain x 1.5"].make().sequences
    for made, s in zip(louder, task.test, strict=True):
        assert made.name == s.name
        assert np.array_equal(made.times, s.times)
        assert np.array_equal(made.targets, s.targets)
        assert made.breaks == s.breaks
        assert np.allclose(made.features, s.features, atol=0.02)


def test_a_channel_that_a_model_can_do_without_is_left_out() -> None:
    """As a prediction leaves it out; and recordings are called as the run calls them."""
    dataset = Simulated(SimulatedConfig(subjects=2, minutes=2))
    options = {"split": "time", "step": 2.0, "tune": "none", "rename": ("O2=Oz",)}
    config = MicrosleepConfig(channels=("O1", "Oz"), channel_dropout=0.4, **options)
    app = Microsleep(config, dataset)
    task = app.task()
    by_name = {c.name: c for c in app.conditions(task)}
    assert "Oz lost" not in by_name
    changed = by_name["Oz lost, left out"].make()
    assert changed.refused == ()
    lost = columns_of("Oz", task.facts["feature_names"])
    for made, s in zip(changed.sequences, task.test, strict=True):
        assert not made.features[:, lost].any()
        assert np.array_equal(made.features[:, ~lost], s.features[:, ~lost])
        assert s.features[:, lost].any()


def test_reading_very_much_is_left_to_be_asked_for(dataset_of) -> None:
    dataset = Simulated(SimulatedConfig(subjects=4, minutes=2))
    config = MicrosleepConfig(channels=("O1", "O2"), step=2.0, tune="none")
    app = Microsleep(config, dataset)
    task = app.task()
    assert app.why_undisturbed(task) == ""
    long = [{**r, "seconds": 3600 * 24.0} for r in task.facts["recordings"]]
    task = replace(task, facts={**task.facts, "recordings": long})
    assert "of 2 channels would be read" in app.why_undisturbed(task)
    asked = Microsleep(replace(config, robustness="all"), dataset)
    assert asked.why_undisturbed(task) == ""


def test_precomputed_powers_have_gains_alone_and_exactly(nights) -> None:
    for k in range(4):
        nights.write(f"SC40{k}1E0", seed=k)
    from memcell_data.datasets.configs import SleepPowersConfig
    from memcell_data.datasets.sleep_powers import open_night

    night = open_night(nights.folder / "SC4011E0.npz", SleepPowersConfig(powers="absolute"))
    changes = under._precomputed_changes([night])
    assert list(changes) == ["gain x 0.7", "gain x 1.5"]
    before, after = night.features(), changes["gain x 1.5"].recording(night).features()
    change = dict(zip(before.names, (after.values - before.values).T, strict=True))
    for name, column in change.items():
        expected = 0.0 if "mobility" in name else 2 * math.log(1.5)
        assert np.allclose(column, expected), name


def test_a_prediction_without_an_electrode_is_what_the_table_says(whole, tmp_path, capfd) -> None:
    source = Simulated(SimulatedConfig(subjects=1, minutes=2, seed=5)).recordings()[0]
    values = source.read(["O1", "O2"]).values
    (tmp_path / "dead").mkdir()
    dead = [np.zeros_like(values[0]), values[1]]
    for where, rows in (("dead", dead), ("copied", [values[1], values[1]])):
        (tmp_path / where).mkdir(exist_ok=True)
        tracks = [
            Track(name=n, values=v, rate=128) for n, v in zip(("O1", "O2"), rows, strict=True)
        ]
        write_edf(tmp_path / where / "night.edf", tracks)
        typed = ["predict", "microsleep", str(tmp_path / where), "--model", str(whole)]
        assert run([*typed, "--export", "edf", "--out", str(tmp_path / f"{where}-out")]) == 0
    [row] = table(tmp_path / "dead-out", "summary.tsv")
    assert row["status"] == "done"
    assert "O1 is lost, and O2 stands in for it" in row["note"]
    assert row["channels"] == "O2"
    made = [
        result(tmp_path / f"{w}-out", "night", "_probability.tsv").read_text()
        for w in ("dead", "copied")
    ]
    assert made[0] == made[1]
    exported = open_recording(
        result(tmp_path / "dead-out", "night", "_detected.edf"), subject="s", dataset="d"
    )
    assert "O1" not in [c.name for c in exported.channels]
    living = standing_in(source, source.channels[:2], ["O1"])
    assert np.array_equal(living.read(["O1"]).values[0], values[1])


def outcome(condition, value, score):
    row = Row(name="n", scores={})
    change = Mean.of([value - 0.5] * 4)
    return ConditionScore(
        **{"condition": condition, "row": row, "score": score, "value": value, "before": 0.5},
        **{"interval": (0.0, 1.0), "change": change, "refused": ()},
    )


@pytest.mark.parametrize(("score", "hardest"), [("kappa", "b"), ("weighted_error", "a")])
def test_an_error_is_worse_where_it_is_larger(score, hardest) -> None:
    values = (("as recorded", 0.5), ("a", 0.7), ("b", 0.2))
    made = [outcome(name, value, score) for name, value in values]
    assert worst(made).condition == hardest
    same = [outcome(name, 0.5, score) for name, _ in values]
    assert "no worse under any of 2 conditions" in in_words(same)[0]


def test_an_app_without_recordings_says_so(tmp_path, capfd) -> None:
    small = ["--epochs", "1", "--min-updates", "0", "--streams", "4", "--test-streams", "2"]
    small += ["--trials", "6", "--lag", "8", "--control", "none", "--hidden-size", "4"]
    out = tmp_path / "run"
    assert run(["train", "memory", "--task", "recall", *small, "--out", str(out)]) == 0
    assert not (out / "robustness").exists()
    assert run(["evaluate", "memory", str(out), "--robustness"]) == 2
    assert "read in another way" in capfd.readouterr().err
