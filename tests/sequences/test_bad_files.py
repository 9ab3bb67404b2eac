"""Folders that cannot be used: one sentence that says what came, what was expected, what to type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from memcell.cli.main import run
from memcell_sequences.reading import read_table
from sequence_files import TINY, sequence, write_csv, write_npz

X, Y = sequence(0, steps=12)
GOOD = "a,b,y\n" + "".join(f"{a},{b},{y}\n" for (a, b), y in zip(X, Y, strict=True))


def refused(capsys, folder, *options):
    command = ["train", "sequences", "--data", str(folder), *TINY, *options]
    assert run([*command, "--out", str(folder.parent / "run")]) in (1, 2)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert not (folder.parent / "run").exists()
    return " ".join(said.split())


def texts(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def test_no_folder_is_named(capsys):
    assert run(["train", "sequences"]) == 2
    assert "Type --data FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: f.mkdir(), "has no sequences (it is empty); expected files that end in .npz"),
        (lambda f: f.write_text("a"), "is a file; expected a folder"),
        (lambda f: None, "does not exist: type --data FOLDER"),
        (lambda f: (f.mkdir(), (f / "a.txt").write_text("")), "(it has a.txt)"),
    ],
)
def test_a_folder_without_sequences(tmp_path, capsys, make, message):
    make(tmp_path / "data")
    assert message in refused(capsys, tmp_path / "data")


def test_files_of_several_kinds(tmp_path, capsys):
    data = write_npz(tmp_path / "data", 2)
    write_csv(data, 1)
    assert "files of several kinds (1 .csv and 2 .npz)" in refused(capsys, data)


def test_one_sequence(tmp_path, capsys):
    assert "there is 1 sequence" in refused(capsys, write_npz(tmp_path / "data", 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,4\n", "has no target: none of its columns (a, b) is called y, target, label"),
        ("a,note,y\n1,calm,0\n2,calm,1\n", "column 'note' holds words ('calm')"),
        ("a;b;y\n1,5;2;0\n", "seem to be separated by ';'"),
        (",a,y\n0,1,0\n", "a column without a name (pandas writes none with index=False)"),
        ("a,a,y\n0,1,0\n", "the column 'a' twice"),
        ("1,2,0\n3,4,1\n", "begins with numbers (1, 2, 0)"),
        ("a,b,y\n1,2\n", "line 2, has 2 cells; expected 3"),
        ("a,y\n", "has 1 lines; expected a line of column names, and one a step"),
        ("a,y\n1,0\n,1\n", "feature 'a' is missing at step 1 (1 of 2 are)"),
        ("time,a,y\n0,1,0\n0,1,1\n", "time goes back or stands still at step 1"),
        ("time,a,y\nnow,1,0\nthen,1,1\n", "holds 'now'; expected seconds, or dates"),
        ("subject,a,y\np,1,0\nq,1,1\n", "is of 2 subjects (p, q)"),
        ("y\n0\n1\n", "has no features"),
        ("a,y\n1,0\n1,-3\n", "has the target -3; expected a class"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, capsys, text, message):
    data = texts(tmp_path / "data", a=text, b=text, c=text)
    assert message in refused(capsys, data)


def test_sequences_of_other_columns(tmp_path, capsys):
    data = texts(tmp_path / "data", a=GOOD, b=GOOD.replace("b,y", "c,y"), c=GOOD)
    assert "has the feature 'c', which 'a' has not" in refused(capsys, data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "z"], "has no column 'z' for --target; it has a, b, y"),
        (["--features", "a,q"], "has no column 'q' for --features"),
        (["--subject", "who"], "has no column 'who' for --subject"),
        (["--test-subjects", "anna"], "--test-subjects got 'anna', and there is no such subject"),
        (["--test-subjects", "a,b,c"], "nobody is left to train on"),
        (["--kind", "values", "--loss", "log"], "type absolute, squared or huber"),
        (["--loss", "huber"], "the targets are classes, whose loss is the log loss"),
        (["--kind", "values", "--class-weights", "balanced"], "the targets are values: leave it out"),
        (["--kind", "next"], "has no target"),
        (["--split", "time", "--test-subjects", "a"], "'split' got 'time'"),
        (["--metrics", "r2"], "unknown score 'r2'"),
    ],
)  # fmt: skip
def test_an_option_that_does_not_fit(tmp_path, capsys, options, message):
    data = texts(tmp_path / "data", a=GOOD, b=GOOD, c=GOOD)
    if options == ["--kind", "next"]:
        data = texts(tmp_path / "other", a=GOOD.replace("y", "z"), b=GOOD, c=GOOD)
    assert message in refused(capsys, data, *options)


def test_an_npz_of_objects_and_one_that_is_none(tmp_path, capsys):
    data = tmp_path / "data"
    data.mkdir()
    np.savez(data / "a.npz", x=np.array([None, 1], dtype=object), y=[0, 1])
    assert "array x holds Python objects" in refused(capsys, data)
    (data / "a.npz").write_text("no")
    assert "is no .npz of arrays; expected one that np.savez" in refused(capsys, data)
    np.savez(data / "a.npz", x=X, y=Y[:-1])
    assert "arrays of different lengths (x 12, y 11)" in refused(capsys, data)


def test_a_folder_with_splits_and_loose_files(tmp_path, capsys):
    data = write_npz(tmp_path / "data/train", 3).parent
    write_npz(data, 1)
    assert "lies in none of them: put it into train, valid or test" in refused(capsys, data)


def test_a_subject_on_two_sides(tmp_path, capsys):
    data = tmp_path / "data"
    for part in ("train", "valid", "test"):
        write_npz(data / part, 2, subject="anna")
    assert "subject 'anna' is in train and in valid" in refused(capsys, data)


def test_missing_features_can_be_filled(tmp_path, capsys):
    text = GOOD.replace(f"{X[3, 0]},", ",", 1)
    data = texts(tmp_path / "data", a=text, b=GOOD, c=GOOD)
    assert "--missing previous" in refused(capsys, data)
    for k, missing in enumerate(("previous", "mean")):
        out = str(tmp_path / f"run{k}")
        command = ["train", "sequences", "--data", str(data), *TINY, "--control", "none"]
        assert run([*command, "--missing", missing, "--out", out]) == 0, capsys.readouterr().err


def test_a_file_that_is_broken_does_not_stop_the_others(trained, tmp_path, capsys):
    data = write_npz(tmp_path / "data", 2)
    np.savez(data / "wide.npz", x=np.zeros((5, 3)))
    out = tmp_path / "out"
    command = ["predict", "sequences", str(data), "--model", str(trained.run), "--out", str(out)]
    assert run(command) == 1
    assert "wide has 3 features (x0, x1, x2); the model takes 2" in capsys.readouterr().out.replace(
        "sequence 'wide'", "wide"
    )
    assert len(list(out.glob("s[01].tsv"))) == 2


@pytest.fixture
def parquet():
    """pyarrow, which is an extra."""
    return pytest.importorskip("pyarrow.parquet")


def test_a_parquet_file_keeps_its_types(tmp_path, parquet):
    import pyarrow

    dates = np.datetime64("2026-01-31T12:00:00") + np.arange(4) * np.timedelta64(30, "s")
    table = {
        "time": dates,
        "a": pyarrow.array([1.5, None, 2.0, float("nan")], pyarrow.float32()),
        "n": pyarrow.array([1, None, 3, 4], pyarrow.int8()),
        "awake": [True, False, None, True],
        "stage": pyarrow.array(["N1", None, "N2", "N1"]).dictionary_encode(),
    }
    parquet.write_table(pyarrow.table(table), tmp_path / "a.parquet")
    found = read_table(tmp_path / "a.parquet").columns
    assert np.diff(found["time"].values).tolist() == [30, 30, 30]
    np.testing.assert_array_equal(found["a"].values, [1.5, np.nan, 2, np.nan])
    np.testing.assert_array_equal(found["n"].values, [1, np.nan, 3, 4])
    np.testing.assert_array_equal(found["awake"].values, [1, 0, np.nan, 1])
    assert found["stage"].values.tolist() == ["N1", "", "N2", "N1"]
    assert [found[k].whole for k in ("a", "n", "awake")] == [False, True, True]


def test_what_parquet_can_hold_and_a_sequence_cannot(tmp_path, capsys, parquet):
    import pyarrow

    data = tmp_path / "data"
    data.mkdir()
    rows = {"a": [[1.0, 2.0]] * 3, "y": [0, 1, 0]}
    parquet.write_table(pyarrow.table(rows), data / "a.parquet")
    assert "column a is of type list" in refused(capsys, data)
    (data / "a.parquet").write_bytes(b"PAR1 and nothing else")
    assert "'a.parquet' is no parquet file" in refused(capsys, data)
