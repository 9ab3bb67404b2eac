"""Training on a folder of one's own from the command line, and what a run is used for."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

import memcell
from memcell.cli.main import run
from memcell.files.reading import read_toml
from sequence_files import TINY, sequence, write_csv, write_npz


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def rows_of(out):
    return {r["name"]: r for r in json.loads((out / "scores.json").read_text())["rows"]}


def test_a_run_has_scores_baselines_and_a_report(trained):
    rows = rows_of(trained.run)
    own = rows["gru, trained with carry, inferred with carry"]
    assert {"balanced_accuracy", "kappa", "auc", "log_loss"} <= own["scores"].keys()
    assert rows["training shares"]["scores"]["balanced_accuracy"] == 0.5
    # what is told two steps before is found by a regression on past steps, not on this one
    past = rows["regression on 10 past steps"]["scores"]["auc"]
    assert past > 0.9 > rows["regression on this step"]["scores"]["auc"]
    assert not rows["previous target"]["deployable"]
    page = (trained.run / "report.html").read_text()
    assert "regression on 10 past steps" in page
    assert "s3" in page


def test_the_split_is_kept(trained):
    rows = table(trained.run / "splits.tsv")
    assert {r["split"] for r in rows} == {"train", "valid", "test"}
    assert sorted(r["sequence"] for r in rows) == [f"s{k}" for k in range(6)]


def test_predictions_are_those_of_the_network_in_python(trained, tmp_path):
    out = tmp_path / "out"
    given = trained.data / "s0.npz"
    command = ["predict", "sequences", str(given), "--model", str(trained.run), "--out", str(out)]
    assert run(command) == 0
    rows = table(out / "s0.tsv")
    model = memcell.load(trained.run)
    p = model.predict(sequence(0)[0])
    assert p.shape == (50, 2)
    assert [float(r["p_1"]) for r in rows] == pytest.approx(p[:, 1].tolist(), rel=1e-5)
    assert [int(r["y"]) for r in rows] == model.decide(sequence(0)[0]).tolist()
    assert (model.predict(given)["s0"] == p).all()
    assert (out / "report.html").is_file()
    assert run(command) == 0
    assert table(out / "summary.tsv")[0]["status"] == "done before"


def test_scale_is_that_of_the_training_sequences(trained, tmp_path):
    """Features in another unit give the same predictions after training on them."""
    scaled = tmp_path / "data"
    scaled.mkdir()
    for k in range(6):
        x, y = sequence(k)
        np.savez(scaled / f"s{k}.npz", x=x * 64 + 1024, y=y)
    out = tmp_path / "run"
    command = ["train", "sequences", "--data", str(scaled), *TINY, "--control", "none"]
    assert run([*command, "--out", str(out)]) == 0
    x = sequence(0)[0]
    before, after = memcell.load(trained.run).predict(x), memcell.load(out).predict(x * 64 + 1024)
    np.testing.assert_allclose(after, before, atol=1e-3)


def test_a_trained_run_without_scores_is_scored_again(trained, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(trained.run, copy)
    (copy / "scores.json").unlink()
    assert run(["train", "sequences", "--resume", str(copy)]) == 0
    assert rows_of(copy)["gru, trained with carry, inferred with carry"]["scores"] == pytest.approx(
        rows_of(trained.run)["gru, trained with carry, inferred with carry"]["scores"]
    )


def test_tables_with_words_times_and_subjects(tmp_path, capsys):
    data = write_csv(tmp_path / "data")
    out = tmp_path / "run"
    columns = ["--subject", "who", "--target", "stage", "--test-subjects", "p1"]
    command = ["train", "sequences", "--data", str(data), *columns, *TINY, "--control", "none"]
    assert run([*command, "--class-weights", "balanced", "--out", str(out)]) == 0, (
        capsys.readouterr().err
    )
    sides = {r["sequence"]: r["split"] for r in table(out / "splits.tsv")}
    assert {name for name, side in sides.items() if side == "test"} == {"r2", "r3"}
    model = memcell.load(out)
    assert model.outputs == ("down", "up")
    assert model.features == ("a", "b")
    predicted = tmp_path / "predicted"
    alone = tmp_path / "new.csv"
    # another order of columns, one more, and labels that nobody needs
    alone.write_text("time,b,a,c,stage\n0,1,1,x,\n0.5,0,1,x,up\n20,1,0,x,\n20.5,1,0,x,\n")
    command = ["predict", "sequences", str(alone), "--model", str(out), "--out", str(predicted)]
    assert run(command) == 0
    rows = table(predicted / "new.tsv")
    assert [r["time"] for r in rows] == ["0", "0.5", "20", "20.5"]
    assert {r["stage"] for r in rows} <= {"up", "down"}
    assert table(predicted / "summary.tsv")[0]["segments"] == "2"


def test_each_subject_left_out_once(tmp_path, capsys):
    data = write_csv(tmp_path / "data", words=False)
    out = tmp_path / "run"
    command = ["train", "sequences", "--data", str(data), "--subject", "who", "--target", "stage"]
    command += ["--split", "loso", *TINY, "--control", "none", "--out", str(out)]
    assert run(command) == 0, capsys.readouterr().err
    own = rows_of(out)["gru, trained with carry, inferred with carry"]
    assert set(own["subjects"]) == {"p0", "p1", "p2"}
    assert "each subject left out in turn" in (out / "report.html").read_text()


def test_compare_probes_and_export(tmp_path, capsys):
    data = write_npz(tmp_path / "data", kind="values")
    out = tmp_path / "compared"
    command = ["compare", "sequences", "--data", str(data), *TINY, "--policy", "carry,reset"]
    assert run([*command, "--seeds", "2", "--out", str(out)]) == 0, capsys.readouterr().err
    # carry, reset and what people choose between, two seeds, two inference policies
    assert len(table(out / "runs.tsv")) == 12
    assert "mean_absolute_error" in table(out / "summary.tsv")[0]
    one = tmp_path / "run"
    command = ["train", "sequences", "--data", str(data), *TINY, "--control", "none"]
    assert (
        run([*command, "--probe", "cell_state", "--probe-budget", "9", "--out", str(one)]) == 0
    ), capsys.readouterr().err
    assert (one / "probes.jsonl").stat().st_size
    pytest.importorskip("onnxscript")
    assert run(["export", str(one), "--to", "onnx"]) == 0, capsys.readouterr().err
    assert (one / "model.onnx").is_file()


def test_the_folder_is_kept_by_its_whole_path(trained):
    assert read_toml(trained.run / "config.toml")["sequences"]["data"] == str(trained.data)


def test_training_goes_on_from_a_model_with_its_scale_and_classes(trained, tmp_path, capsys):
    """Without a step of training it is the model; whoever it was trained on has another name here."""
    data = write_npz(tmp_path / "data", subject="new")
    out = tmp_path / "on"
    command = ["train", "sequences", "--data", str(data), "--init", str(trained.run)]
    command += ["--split", "sequence", "--epochs", "1", "--control", "none", "--out", str(out)]
    assert run([*command, "--learning-rate", "0"]) == 0, capsys.readouterr().err
    x = sequence(0)[0]
    np.testing.assert_array_equal(
        memcell.load(out).predict(x), memcell.load(trained.run).predict(x)
    )
    assert run([*command, "--scale", "none"]) == 2
    assert "--scale none does not fit model" in capsys.readouterr().err


def test_one_network_of_everybody_after_the_folds(tmp_path, capsys):
    data = write_npz(tmp_path / "data", 3)
    out = tmp_path / "run"
    command = ["train", "sequences", "--data", str(data), "--split", "loso", "--final", *TINY]
    assert run([*command, "--control", "none", "--out", str(out)]) == 0, capsys.readouterr().err
    assert memcell.load(out).predict(sequence(0)[0]).shape == (50, 2)
    assert (out / "final/card.toml").is_file()


def test_folders_of_splits(tmp_path, capsys):
    for part, n in (("train", 3), ("valid", 1), ("test", 2)):
        write_npz(tmp_path / "data" / part, n)
    out = tmp_path / "run"
    command = ["train", "sequences", "--data", str(tmp_path / "data"), *TINY, "--control", "none"]
    assert run([*command, "--split", "sequence", "--out", str(out)]) == 0, capsys.readouterr().err
    sides = [(r["sequence"], r["split"]) for r in table(out / "splits.tsv")]
    assert ("test-s1", "test") in sides
    assert [side for _, side in sides].count("train") == 3


def test_one_sequence_is_cut_in_time(tmp_path, capsys):
    out = tmp_path / "run"
    data = write_npz(tmp_path / "data", 1)
    command = ["train", "sequences", "--data", str(data), "--split", "time", *TINY]
    assert run([*command, "--control", "none", "--out", str(out)]) == 0, capsys.readouterr().err
    rows = table(out / "splits.tsv")
    assert [(r["split"], r["steps"]) for r in rows] == [
        ("train", "32"), ("valid", "8"), ("test", "10"),
    ]  # fmt: skip
