"""Leave one subject out: a run for each, pooled scores over all, resumed where it stopped."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from memcell.cli.main import run
from memcell.runs.predictions import read_predictions

SUBJECTS = ("SC400", "SC401", "SC402", "SC403")
SMALL = ["--hidden-size", "4", "--epochs", "1", "--min-updates", "0", "--time-steps", "20"]


def write_nights(nights, n=4):
    for k in range(n):
        nights.write(f"SC40{k}1E0", seed=k)
    return [
        "--data",
        "sleep-edf-powers",
        "--data.path",
        str(nights.folder),
        "--split",
        "loso",
        "--tune",
        "none",
    ]


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("loso")


@pytest.fixture(scope="module")
def whole(folder):
    """Train all folds once: four people, a night each; return what was typed and where it went."""
    from tests.conftest import Nights

    (folder / "nights").mkdir()
    typed = [*write_nights(Nights(folder / "nights")), *SMALL]
    out = folder / "run"
    assert run(["train", "microsleep", *typed, "--out", str(out)]) == 0
    return typed, out


def test_everybody_is_tested_once_and_never_trained_on_there(whole) -> None:
    _, out = whole
    for subject in SUBJECTS:
        facts = json.loads((out / "folds" / subject / "scores.json").read_text())
        about = next(n for n in facts["notes"] if n.startswith("one subject left out"))
        assert f"{subject} tested on" in about
        tested = read_predictions(out / "folds" / subject)[0].predictions[0].sequences
        assert {s.subject for s in tested} == {subject}
        assert (out / "folds" / subject / "control-reset" / "model.safetensors").is_file()
    pooled = read_predictions(out)
    for row in pooled:
        assert [s.subject for part in row.predictions for s in part.sequences] == list(SUBJECTS)


def test_pooled_decisions_are_those_of_each_ones_own_fold(whole) -> None:
    _, out = whole
    row = read_predictions(out)[0]
    y, state = [], []
    for part in row.predictions:
        own = read_predictions(out / "folds" / part.sequences[0].subject)[0].predictions[0]
        assert part.decision == own.decision
        s, p = part.sequences[0], part.probabilities[0]
        y.append(s.targets[s.labelled])
        state.append(p[s.labelled, 1] >= own.decision["threshold"])
    expected = cohen_kappa_score(np.concatenate(y), np.concatenate(state))
    found = table(out / "scores.tsv")[0]
    assert found["name"] == row.name
    assert float(found["kappa"]) == pytest.approx(expected)


def test_there_is_a_row_for_each_subject_and_model(whole) -> None:
    _, out = whole
    rows = table(out / "subjects.tsv")
    models = {r["name"] for r in table(out / "scores.tsv")}
    assert {(r["subject"], r["name"]) for r in rows} == {(u, m) for u in SUBJECTS for m in models}
    for r in rows:
        own = table(out / "folds" / r["subject"] / "scores.tsv")
        theirs = next(o for o in own if o["name"] == r["name"])
        assert r["kappa"] == theirs["kappa"]


def test_differences_are_paired_by_subject(whole) -> None:
    _, out = whole
    subjects = table(out / "subjects.tsv")
    made = table(out / "differences.tsv")
    mine = made[0]["name"]
    of = {(r["subject"], r["name"]): r["kappa"] for r in subjects}
    line = next(d for d in made if d["score"] == "kappa" and d["minus"] == "this step alone")
    pairs = [float(of[u, mine]) - float(of[u, "this step alone"]) for u in SUBJECTS]
    assert float(line["mean"]) == pytest.approx(np.mean(pairs))
    assert float(line["low"]) <= np.mean(pairs) <= float(line["high"])
    differ = sum(d != 0 for d in pairs)
    assert float(line["smallest_p"]) == min(1.0, 2 / 2**differ)


def test_a_fold_is_a_run_like_any(whole, capsys) -> None:
    typed, out = whole
    fold = out / "folds" / "SC402"
    assert run(["evaluate", "microsleep", str(fold), "--eval-policy", "carry"]) == 0
    again = table(fold / "evaluation.tsv")[0]
    assert again["kappa"] == table(fold / "scores.tsv")[0]["kappa"]
    alone = out.parent / "alone"
    alone_typed = [*typed, "--held-out", "SC402", "--out", str(alone)]
    assert run(["train", "microsleep", *alone_typed]) == 0
    assert (alone / "model.safetensors").read_bytes() == (fold / "model.safetensors").read_bytes()
    assert (alone / "scores.tsv").read_bytes() == (fold / "scores.tsv").read_bytes()


@pytest.mark.slow
def test_resume_repeats_only_missing_folds(whole, tmp_path, capsys) -> None:
    _, done = whole
    out = tmp_path / "run"
    shutil.copytree(done, out)
    shutil.rmtree(out / "folds" / "SC401")
    (out / "scores.tsv").unlink()
    (out / "folds" / "SC403" / "checkpoint.safetensors").unlink()  # would be needed to train
    assert run(["train", "microsleep", "--resume", str(out)]) == 0
    said = capsys.readouterr().out
    assert "3 are done" in said
    assert "fold SC401: done" in said
    assert "fold SC403" not in said.replace("SC403 ", "")
    for name in ("scores.tsv", "subjects.tsv", "differences.tsv", "folds/SC401/model.safetensors"):
        assert (out / name).read_bytes() == (done / name).read_bytes()


@pytest.mark.slow
def test_processes_give_the_same(whole, tmp_path) -> None:
    typed, done = whole
    out = tmp_path / "run"
    assert run(["train", "microsleep", *typed, "--jobs", "2", "--out", str(out)]) == 0
    for name in ("scores.tsv", "intervals.tsv", "folds/SC400/model.safetensors"):
        assert (out / name).read_bytes() == (done / name).read_bytes()


@pytest.mark.slow
def test_ctrl_c_saves_and_resume_goes_on(whole, tmp_path) -> None:
    typed, done = whole
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "memcell", "train", "microsleep", *typed, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    metrics = out / "folds" / "SC401" / "metrics.jsonl"
    for _ in range(6000):
        if metrics.exists() and metrics.read_bytes():
            break
        if process.poll() is not None:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert f"memcell train microsleep --resume {out}" in said
    assert "Traceback" not in said
    assert not (out / "scores.json").exists()
    assert run(["train", "microsleep", "--resume", str(out)]) == 0
    for name in ("scores.tsv", "intervals.tsv"):
        assert (out / name).read_bytes() == (done / name).read_bytes()


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_folder_of_folds_has_no_single_model(whole, command, tmp_path, capsys) -> None:
    _, out = whole
    args = {
        "predict": ["x.edf", "--model", str(out), "--out", str(tmp_path / "p")],
        "evaluate": [str(out)],
    }[command]
    assert run([command, "microsleep", *args]) > 0
    said = capsys.readouterr().err
    assert "leaves one subject out" in said
    assert str(out / "folds" / "SC400") in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--valid-fraction", "0.2"], 1, ["3 subjects", "got 2", "SC400, SC401"]),
        (["--held-out", "SC499"], 1, ["3 subjects"]),
        (["--jobs", "2", "--split", "time"], 2, ["--jobs", "--split loso"]),
        (["--split", "time", "--held-out", "SC400"], 2, ["--split loso"]),
    ],
)
def test_too_few_and_wrongly_typed(nights, more, code, words, tmp_path, capsys) -> None:
    typed = write_nights(nights, 2)
    assert run(["train", "microsleep", *typed, *more, "--out", str(tmp_path / "o")]) == code
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert "Traceback" not in said


def test_nobody_of_that_name(whole, tmp_path, capsys) -> None:
    typed, _ = whole
    more = ["--held-out", "SC04", "--out", str(tmp_path / "o")]
    assert run(["train", "microsleep", *typed, *more]) == 1
    assert "'SC404'" not in capsys.readouterr().err


@pytest.mark.slow
def test_more_seeds_are_added_and_pooled_with_the_first(whole, tmp_path) -> None:
    _, done = whole
    out = tmp_path / "run"
    shutil.copytree(done, out)
    assert run(["train", "microsleep", "--resume", str(out), "--repeats", "2"]) == 0
    before, after = read_predictions(done), {r.name: r for r in read_predictions(out)}
    for row in before:
        assert len(after[row.name].predictions) == (2 if row.kind == "network" else 1) * len(
            SUBJECTS
        )
    networks = [r.name for r in before if r.kind == "network"]
    seeds = table(out / "seeds.tsv")
    assert [(s["seed"], s["name"]) for s in seeds] == [(k, n) for k in "01" for n in networks]
    alone = {r["name"]: r["kappa"] for r in table(done / "scores.tsv")}
    assert all(s["kappa"] == alone[s["name"]] for s in seeds[: len(networks)])
    models = [out / "folds" / "SC402" / x / "model.safetensors" for x in ("", "repeat-1")]
    assert models[0].read_bytes() != models[1].read_bytes()
    assert (out / "folds.json").read_text() != (done / "folds.json").read_text()
