"""Cross-validation inside the training people: nested honesty, resuming, and small or odd data."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.conftest import Nights

from memcell.applications.app import Task
from memcell.cli.main import run
from memcell.errors import ConfigError, DataError
from memcell.runs.predictions import read_predictions
from memcell.sequences.time_series import TimeSeries
from memcell.training.checkpoint import read_head
from memcell.training.trainer import Trainer
from memcell_eeg.splits.inner import inner_splits
from memcell_eeg.splits.split import classes_of, split
from memcell_eeg.tuning import candidates, feature_sets
from memcell_microsleep.config import MicrosleepConfig

SMALL = ("--hidden-size", "4", "--min-updates", "40", "--epochs", "1", "--time-steps", "20")
TRAIN = ("train", "microsleep")
LOSO = ("--split", "loso", "--held-out", "SC402")


def write_nights(nights, n=4, **changed):
    for k in range(n):
        nights.write(f"SC40{k}1E0", **{"seed": k, **(changed if k == 2 else {})})
    return ("--data", "sleep-edf-powers", "--data.path", str(nights.folder))


def decisions(path):
    judged = json.loads((path / "scores.json").read_text())["rows"]
    return [row["note"] for row in judged if row["kind"] == "network"]


CHOICE = ("tuning.tsv", "tuning/choice.json", "tuning/out-of-fold.npz")


def same(one, other, names):
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize(("rarer", "tried"), [(1999, False), (2000, True)])
def test_a_network_without_the_regression_is_tried_with_steps_enough(rarer, tried) -> None:
    targets = np.repeat([0, 1, -1], [5000, rarer, 3000])
    s = TimeSeries(name="r", subject="s", features=np.zeros((len(targets), 1)), targets=targets)
    task = Task(train=(s,), valid=(), test=(), n_classes=2, main_score="kappa")
    for tune in ("quick", "full"):
        made = candidates(MicrosleepConfig(tune=tune), task)
        assert any(each.options["network"]["skip"] == "none" for each in made) == tried


def test_full_compares_kinds_of_features_that_differ(sequence_of) -> None:
    [s] = people(sequence_of, [[0, 1]])
    of_signal = {"pipeline": {"eeg": ["C3", "C4"]}}
    task = Task(train=(s,), valid=(), test=(), n_classes=2, main_score="kappa", facts=of_signal)
    full = MicrosleepConfig(tune="full")
    assert feature_sets(MicrosleepConfig(), task, "microsleep") == ()
    assert feature_sets(replace(full, encoder="raw_cnn"), task, "microsleep") == ()
    made = feature_sets(full, task, "microsleep")
    options = [each.options["microsleep"] for each in made]
    assert (made[0].name, options[0]["context"]) == ("usual", ["20", "90"])
    assert all(options.count(each) == 1 for each in options)
    words = {name: {word for o in options for word in o[name]} for name in ("features", "context")}
    assert words["features"] == {"relative", "bandpower", "correlation"}
    assert words["context"] == {"none", "20", "90", "300"}
    assert {o["normalization"] for o in options} == {"training", "causal"}
    powers = {"pipeline": {"precomputed": True, "step": 30.0}}
    made = feature_sets(full, replace(task, facts=powers), "microsleep")
    found = [each.options["microsleep"]["context"] for each in made]
    assert found == [["150", "600"], ["none"], ["150", "600", "1800"], ["150", "600"]]


@pytest.mark.slow
def test_features_are_chosen_by_people_left_out_and_nobody_else(
    nights, tmp_path, monkeypatch, capsys
) -> None:
    def write(of_held_out):
        for k, seed in enumerate((0, 1, of_held_out, 3)):
            levels = nights.arrays(seed=seed)
            # another electrode each: the level says who it is, and only its changes who sleeps
            levels["power"][:, :, 0] *= np.float32(np.exp(5.0 * k))
            nights.write(f"SC40{k}1E0", **levels)

    def never(*given):
        raise AssertionError("the penalty was chosen for the network's start")

    monkeypatch.setattr("memcell_eeg.baselines.past.choose_inverse_penalty", never)
    data = ("--data", "sleep-edf-powers", "--data.path", str(nights.folder))
    typed = (*TRAIN, *data, "--data.powers", "absolute", *LOSO, *SMALL, "--tune", "full")
    few = ("--control", "none", "--robustness", "none")
    settings = ("--learning-rate", "0.01", "--input-noise", "0")
    one, other = tmp_path / "one", tmp_path / "other"
    for out, seed, baselines in ((one, 2, "strong"), (other, 77, "few")):
        write(seed)
        assert run([*typed, *few, *settings, "--baselines", baselines, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "4 kinds of features by a regression" in said
    assert " updates each; about " in said
    features = {row["features"]: row for row in rows_of(one / "tuning_features.tsv")}
    losses = {name: float(row["loss"]) for name, row in features.items()}
    assert min(losses, key=losses.__getitem__) == "running-scale"
    assert features["running-scale"]["networks"] == "tried"
    kept = tomllib.loads((one / "config.toml").read_text())["microsleep"]
    assert kept["normalization"] == "causal"
    facts = read_head(one / "model.safetensors").meta["facts"]
    assert facts["task"]["pipeline"]["normalization"] == "causal"
    assert run(["evaluate", "microsleep", str(one)]) == 0
    chosen = json.loads((one / "tuning" / "choice.json").read_text())["candidate"]
    c = json.loads((one / "tuning" / "plan.json").read_text())["regressions"][chosen]
    [row] = [
        row
        for row in json.loads((one / "scores.json").read_text())["rows"]
        if row["name"] == "regression on past means, penalty chosen"
    ]
    assert f"C = {c:g}, " in row["note"]
    same(one, other, ("tuning_features.tsv", *CHOICE[:2], "model.safetensors"))
    scores = [(path / "scores.tsv").read_bytes() for path in (one, other)]
    assert scores[0] != scores[1]


def rows_of(path):
    head, *lines = path.read_text().splitlines()
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


@pytest.mark.slow
def test_held_out_subject_changes_no_model(nights, tmp_path) -> None:
    data = write_nights(nights)
    typed = (*TRAIN, *data, *LOSO, *SMALL)
    assert run([*typed, "--out", str(tmp_path / "one")]) == 0
    # other values, and wakefulness elsewhere: as long and as many steps of each class, for that is told
    first, *rest = nights.NIGHT
    write_nights(nights, seed=77, night=(*rest[:5], first, *rest[5:]))
    assert run([*typed, "--out", str(tmp_path / "other")]) == 0
    same(
        tmp_path / "one",
        tmp_path / "other",
        ("tuning.tsv", "tuning/choice.json", "model.safetensors"),
    )
    for below in ("", "control-reset"):
        same(tmp_path / "one" / below, tmp_path / "other" / below, ("model.safetensors",))
    assert decisions(tmp_path / "one") == decisions(tmp_path / "other")
    scores = [(tmp_path / name / "scores.tsv").read_bytes() for name in ("one", "other")]
    assert scores[0] != scores[1]  # while the test is another one


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return what was typed for a run, and where it is, done without a break."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "nights").mkdir()
    typed = (*TRAIN, *write_nights(Nights(folder / "nights")), *LOSO, *SMALL)
    assert run([*typed, "--out", str(folder / "run")]) == 0
    return typed, folder / "run"


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        (1, "1000"),
        (30, "0"),
        pytest.param(90, "0", marks=pytest.mark.slow),
        pytest.param(90, "1000", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on_to_the_same_bytes(
    whole, tmp_path, monkeypatch, after, seconds
) -> None:
    typed, done = whole
    cut = tmp_path / "cut"
    updates, real = [0], Trainer._update

    def dying(self, batch):
        updates[0] += 1
        if updates[0] == after:
            raise RuntimeError("the process is gone")
        return real(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_update", dying)
        assert run([*typed, "--checkpoint-seconds", seconds, "--out", str(cut)]) != 0
    assert not (cut / "model.safetensors").exists()
    assert run([*TRAIN, "--resume", str(cut)]) == 0
    same(done, cut, (*CHOICE, "model.safetensors", "scores.tsv"))
    same(done / "control-reset", cut / "control-reset", ("model.safetensors",))


def test_a_run_killed_after_its_choice_does_not_choose_again(whole, tmp_path, monkeypatch) -> None:
    typed, done = whole
    cut = tmp_path / "cut"

    def dying(*given):
        raise RuntimeError("the process is gone")

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "train", dying)
        assert run([*typed, "--out", str(cut)]) != 0
    assert (cut / "tuning" / "choice.json").is_file()
    with monkeypatch.context() as patched:
        patched.setattr("memcell.runs.tuning.tune._choose", dying)
        assert run([*TRAIN, "--resume", str(cut)]) == 0
    same(done, cut, ("model.safetensors", "config.toml", "scores.tsv", "metrics.jsonl"))


def test_the_choice_is_the_length_of_training_and_stands_in_the_folder(whole) -> None:
    _, folder = whole
    chosen = json.loads((folder / "tuning" / "choice.json").read_text())
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    updates = [r["update"] for r in map(json.loads, lines) if "loss" in r]
    assert updates == list(range(1, chosen["updates"] + 1))
    [row] = [row for row in rows_of(folder / "tuning.tsv") if "chosen" in row["chosen"]]
    assert int(row["updates"]) == chosen["updates"]
    assert row["setting"] == chosen["candidate"]
    assert not [p for p in (folder / "tuning").iterdir() if p.is_dir()]


def test_the_penalty_to_begin_with_is_chosen_before_and_said(whole) -> None:
    _, done = whole
    plan = json.loads((done / "tuning" / "plan.json").read_text())
    losses = {float(c): loss for c, loss in plan["penalties"].items()}
    best = min(losses, key=lambda c: (losses[c], c))
    begins = [c["options"]["network"] for c in plan["candidates"]]
    assert {n["inverse_penalty"] for n in begins if n["skip"] != "none"} == {best}
    kept = tomllib.loads((done / "config.toml").read_text())["network"]
    assert kept["inverse_penalty"] == best or kept["skip"] == "none"


def test_typed_options_are_not_tuned(nights, tmp_path) -> None:
    typed = (*TRAIN, *write_nights(nights), *LOSO, *SMALL, "--learning-rate", "0.02")
    assert run([*typed, "--out", str(tmp_path / "run")]) == 0
    plan = json.loads((tmp_path / "run" / "tuning" / "plan.json").read_text())
    assert all(
        "learning_rate" not in each["options"].get("training", {}) for each in plan["candidates"]
    )
    assert "learning_rate = 0.02" in (tmp_path / "run" / "config.toml").read_text()
    assert "training.learning_rate" in (tmp_path / "run" / "config.toml").read_text()


@pytest.mark.slow
def test_all_folds_tune_for_themselves_and_predict_afterwards(nights, tmp_path) -> None:
    typed = (*TRAIN, *write_nights(nights), "--split", "loso", *SMALL)
    out = tmp_path / "run"
    assert run([*typed, "--out", str(out)]) == 0
    for k in range(4):
        fold = out / "folds" / f"SC40{k}"
        assert (fold / "tuning" / "choice.json").is_file()
        assert load_file(fold / "model.safetensors")
    assert run(["evaluate", "microsleep", str(out / "folds" / "SC402")]) == 0
    assert run([*TRAIN, "--resume", str(out)]) == 0


def people(sequence_of, targets):
    return [sequence_of(f"r{k}", f"s{k}", y) for k, y in enumerate(targets)]


@pytest.fixture
def sequence_of():
    from memcell.sequences.time_series import TimeSeries

    def make(name, subject, y, step=5.0):
        y = np.asarray(y)
        return TimeSeries(
            name=name,
            subject=subject,
            features=np.ones((len(y), 2), np.float32),
            targets=y,
            step_seconds=step,
        )

    return make


def covered(made, train):
    """Every labelled step of the training sequences is left out in one fold."""
    return sum(int(s.labelled.sum()) for f in made for s in f.valid) == sum(
        int(s.labelled.sum()) for s in train
    )


def test_two_hundred_people_make_five_folds(sequence_of) -> None:
    train = people(sequence_of, [[0, 1] * 4] * 200)
    made, said = inner_splits(train, MicrosleepConfig())
    assert [len({s.subject for s in f.valid}) for f in made] == [40] * 5
    assert all(not {s.subject for s in f.train} & {s.subject for s in f.valid} for f in made)
    assert covered(made, train)
    assert "200 training people" in said[0]


def test_people_of_twenty_seconds_are_divided(sequence_of) -> None:
    made, _ = inner_splits(people(sequence_of, [[0, 0, 1, 0]] * 4), MicrosleepConfig())
    assert len(made) == 4


def test_one_person_is_divided_by_time_which_is_said(sequence_of) -> None:
    train = people(sequence_of, [[0] * 20 + [1] * 20 + [0] * 20 + [1] * 40])
    made, said = inner_splits(train, MicrosleepConfig(split_gap=10.0))
    assert len(made) == 5
    assert all(classes_of(f.train) == {0, 1} for f in made)
    assert covered(made, train)
    assert "one training person" in said[0]
    for f in made:  # nothing within 10 s of what is left out is trained on
        left_out = [t for s in f.valid for t in s.times]
        fitted = [t for s in f.train for t in s.times]
        assert min(abs(a - b) for a in left_out for b in fitted) > 10


def test_a_class_of_one_person_is_divided_by_time(sequence_of) -> None:
    made, said = inner_splits(people(sequence_of, [[0] * 50, [0, 1] * 25]), MicrosleepConfig())
    assert all(classes_of(f.train) == {0, 1} for f in made)
    assert "too few training people" in said[0]


def test_people_of_one_class_are_said(sequence_of) -> None:
    y = [[0] * 50, [0, 1] * 25, [0, 1] * 25, [0, 1] * 25]
    made, said = inner_splits(people(sequence_of, y), MicrosleepConfig())
    assert len(made) == 4
    assert "one class only" in said[0]


def test_a_class_at_one_place_alone_leaves_nothing_to_divide(sequence_of) -> None:
    made, said = inner_splits(people(sequence_of, [[0] * 300 + [1]]), MicrosleepConfig())
    assert made == []
    assert "no cross-validation" in said[0]


def test_a_rare_class_is_spread(sequence_of) -> None:
    y = [[0] * 99 + [1] if k % 4 == 0 else [0] * 100 for k in range(20)]
    made, _ = inner_splits(people(sequence_of, y), MicrosleepConfig())
    assert len(made) == 5
    assert all(classes_of(f.valid) == {0, 1} for f in made)


@pytest.mark.slow
def test_everybody_is_trained_on_and_scored_by_networks_that_did_not_see_them(
    nights, tmp_path, capsys
) -> None:
    typed = (*TRAIN, *write_nights(nights), "--split", "none", "--control", "none", *SMALL)
    out = tmp_path / "run"
    assert run([*typed, "--out", str(out)]) == 0
    rows = json.loads((out / "scores.json").read_text())["rows"]
    assert {"network", "baseline"} == {row["kind"] for row in rows}
    people = [f"SC40{k}" for k in range(4)]
    for row in read_predictions(out):
        assert sorted(s.subject for part in row.predictions for s in part.sequences) == people
        assert len(row.predictions) == 4
    assert "somewhat too good" in (out / "scores.json").read_text()
    model = read_head(out / "model.safetensors").meta["facts"]["task"]
    assert model["subjects"] == {"train": people, "valid": [], "test": []}
    assert run(["evaluate", "microsleep", str(out)]) == 2
    assert "trained on everybody" in capsys.readouterr().err
    assert (out / "report.html").is_file()


def test_people_to_test_on_are_named(sequence_of) -> None:
    train = people(sequence_of, [[0, 1] * 20] * 6)
    for tune, valid in (("quick", 0), ("none", 1)):
        made = split(train, MicrosleepConfig(test_subjects=("s4", "s1"), tune=tune))
        assert {s.subject for s in made.test} == {"s1", "s4"}
        assert len(made.valid) == valid
        assert len(made.train) == 4 - valid
    with pytest.raises(DataError, match="'s9'"):
        split(train, MicrosleepConfig(test_subjects=("s9",)))
    with pytest.raises(DataError, match="names everybody"):
        split(train, MicrosleepConfig(test_subjects=tuple(f"s{k}" for k in range(6))))
    with pytest.raises(ConfigError, match="--split subject"):
        MicrosleepConfig(test_subjects=("s1",), split="loso").validate()


def test_nothing_that_is_never_scored_is_trained() -> None:
    with pytest.raises(ConfigError, match="--tune quick"):
        MicrosleepConfig(split="none", tune="none").validate()
