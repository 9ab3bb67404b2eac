"""The history of speed: what is added, what is compared, what is refused, and the picture."""

from __future__ import annotations

import dataclasses
import math
import shutil
import subprocess

import pytest

import memcell
from memcell.cli.main import run
from memcell.errors import MemcellError
from memcell_benchmarks.history import HistoryEntry, append, commit, means, read, runs
from memcell_benchmarks.history_command import as_text, grouped, plotted

ONE = HistoryEntry(
    version="0.1.0",
    commit="abc",
    date="2026-01-01T00:00:00Z",
    cpu="AMD EPYC",
    isa="AVX512",
    torch="2.13.0",
    threads="1",
    dtype="float32",
    device="cpu",
    cell="lstm",
    normalizer="none",
    backend="native",
    size="B32 H64 T128 I16",
    kind="train",
    ratio=0.5,
    median=0.6,
)
BENCH = [
    *["bench", "cells", "--hidden-size", "4", "--batch-size", "3", "--time-steps", "5"],
    *[
        "--input-size",
        "2",
        "--rounds",
        "1",
        "--sample",
        "0.001",
        "--no-check",
        "--backends",
        "eager",
    ],
]


def made(**changed):
    return dataclasses.replace(ONE, **changed)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cells.tsv"


def test_a_run_is_appended_with_version_and_machine(file, capfd):
    cells = ["--cell", "rnn", "--cell", "lstm97:block_size=2", "--what", "train,infer"]
    assert run([*BENCH, *cells, "--append", str(file)]) == 0
    assert run([*BENCH, *cells, "--append", str(file)]) == 0
    assert "4 ratios added" in capfd.readouterr().out
    found = read(file)
    assert len(found) == 8
    assert {m.version for m in found} == {memcell.__version__}
    assert {m.cell for m in found} == {"rnn", "lstm97:block_size=2"}
    assert {m.kind for m in found} == {"train", "infer"}
    assert {m.size for m in found} == {"B3 H4 T5 I2"}
    assert all(m.cpu and m.isa and m.torch and m.threads == "1" for m in found)


def test_append_keeps_existing_bytes(file):
    append(file, [ONE])
    before = file.read_bytes()
    append(file, [made(commit="def")])
    assert file.read_bytes().startswith(before)


def test_a_table_has_a_column_for_each_run(file, capfd):
    append(file, [ONE, made(version="0.2.0", commit="def", ratio=0.25)])
    assert run(["bench", "history", str(file)]) == 0
    shown = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert ["train:", "AMD", "EPYC,", "AVX512,", "1", "thread,", "float32"] in shown
    assert ["0.1.0", "0.2.0"] in shown
    assert ["lstm", "native", "0.50", "0.25"] in shown


def test_only_sizes_that_every_run_has_are_compared():
    small = made(size="B32 H64 T128 I16", ratio=0.5)
    large = made(size="B128 H64 T128 I16", ratio=2.0)
    later = [made(commit="def", size=m.size, ratio=m.ratio) for m in (small, large)]
    assert means([small, large, *later])["lstm native"] == pytest.approx([1, 1])
    assert means([small, large, later[0]])["lstm native"] == pytest.approx([0.5, 0.5])


def test_a_run_without_a_cell_has_no_number():
    other = made(cell="gru", commit="def")
    assert runs([ONE, other]) == [ONE.run, other.run]
    found = means([ONE, other])
    assert found["lstm native"][0] == 0.5
    assert math.isnan(found["lstm native"][1])
    assert math.isnan(found["gru native"][0])
    assert "-" in as_text([ONE, other])


@pytest.mark.parametrize(
    "changed", [{"cpu": "another"}, {"threads": "2"}, {"dtype": "float64"}, {"kind": "infer"}]
)
def test_runs_group_only_if_they_differ_in_version(changed):
    assert len(list(grouped([ONE, made(commit="def")]))) == 1
    assert len(list(grouped([ONE, made(**changed)]))) == 2


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_the_same_history_gives_the_same_picture(form):
    groups = list(grouped([ONE, made(commit="def", ratio=0.7), made(cell="gru")]))
    picture = plotted(groups, form)
    assert picture == plotted(groups, form)
    assert picture.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[form])


def test_picture_is_written(file, capfd):
    append(file, [ONE])
    picture = file.with_suffix(".svg")
    assert run(["bench", "history", str(file), "--out", str(picture)]) == 0
    assert b"AMD EPYC" in picture.read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no history of speed"),
        ("a\tb\n", "is no history of speed"),
        ("short\n", "line 3: 16 columns expected"),
        ("\t".join([*"abcdefghijklmn", "fast", "1"]) + "\n", "line 3: 16 columns expected"),
        ("\t".join([*"abcdefghijklmn", "-1", "1"]) + "\n", "a ratio is a number above 0"),
    ],
)
def test_file_that_is_no_history_is_refused(file, content, said):
    if "line" in said or "ratio" in said:
        append(file, [ONE])
        content = file.read_text() + content
    file.write_text(content)
    with pytest.raises(MemcellError, match=said):
        read(file)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["bench", "history", "nowhere.tsv"], 1, "memcell bench cells --append"),
        (["bench", "history", "nowhere.tsv", "--out", "picture.bmp"], 2, ".svg"),
        ([*BENCH, "--append", "x.tsv", "--what", "memory"], 2, "--append keeps train, infer, step"),
    ],
)
def test_a_wrong_call_says_what_to_type(args, code, said, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(args) == code
    assert said in capfd.readouterr().err


def test_nothing_is_measured_where_the_file_is_no_history(file, capfd):
    file.write_text("something else\n")
    assert run([*BENCH, "--append", str(file)]) == 1
    assert "xLSTM" not in capfd.readouterr().out
    assert file.read_text() == "something else\n"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_commit_is_that_of_the_package_and_not_of_a_repository_around_it(tmp_path):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert commit(package) == ""
    git("init", "-q")
    assert commit(package) == ""
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    clean = commit(package)
    assert len(clean) >= 7
    (package / "__init__.py").write_text("changed = True\n")
    assert commit(package) == f"{clean}-dirty"
