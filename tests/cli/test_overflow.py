"""A cell whose memory grows without bound: trained in windows, and overflowing when it is carried."""

from __future__ import annotations

import csv

import pytest

from memcell.cli.main import run

TRAIN = """
train microsleep --baselines few --tune none --data.subjects 3 --data.minutes 5 --channels O1,O2
--hidden-size 4 --batch-size 1 --epochs 1 --min-updates 0 --cell indrnn --cell.bound 1.3 --cell.start-low 1.2
--skip none --policy reset --control carry --eval-policy reset
"""


@pytest.mark.slow
def test_a_run_keeps_its_scores_and_a_recording_is_refused(tmp_path, capsys):
    out = tmp_path / "run"
    assert run([*TRAIN.split(), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "note: trained with carry instead it has no scores: the loss is nan " in said.out
    with (out / "scores.tsv").open(encoding="utf-8") as file:
        rows = {
            r["inferred_with"]: r
            for r in csv.DictReader(file, delimiter="\t")
            if r["kind"] == "network"
        }
    assert set(rows) == {"carry", "reset"}
    assert "not finite with memory: carry" in said.out
    assert "not finite with memory: reset" not in said.out

    data = tmp_path / "data"
    assert run(f"data make simulated --to {data} --subjects 1 --minutes 5".split()) == 0
    (file,) = data.rglob("*.edf")
    predict = f"predict microsleep --model {out} {file}"
    assert run([*predict.split(), "--out", str(tmp_path / "reset")]) == 0
    capsys.readouterr()
    carried = [*predict.split(), "--eval-policy", "carry", "--out", str(tmp_path / "carry")]
    assert run(carried) == 1
    said = capsys.readouterr()
    assert "its memory overflowed (memory: carry)" in said.out + said.err
    assert "--eval-policy reset" in said.out + said.err

    assert (
        run(f"stream microsleep --model {out} --file {file} --speed max --lines none".split()) == 0
    )
    said = capsys.readouterr()
    assert (said.out + said.err).count("memory overflowed at step ") == 1


@pytest.mark.slow
def test_folds_say_what_overflowed_and_that_no_control_run_has_scores(tmp_path, capsys):
    out = tmp_path / "folds"
    more = ["--split", "loso", "--robustness", "none", "--repeats", "2", "--out", str(out)]
    assert run([*TRAIN.split(), *more]) == 0
    said = capsys.readouterr().out
    assert "note: indrnn, trained with reset, inferred with carry: fitted anew in each fold" in said
    assert "memory overflowed in 6 of 6 runs" in said
    assert "note: trained with carry instead: no run of any fold has scores" in said
    with (out / "seeds.tsv").open(encoding="utf-8") as file:
        seeds = list(csv.DictReader(file, delimiter="\t"))
    assert {row["name"].split(", ")[1] for row in seeds} == {"trained with reset"}
