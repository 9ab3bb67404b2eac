"""Scores by subject: means, intervals, differences, and how they are written."""

from __future__ import annotations

import csv
import io
import math

import pytest

from memcell.applications.app import Row
from memcell.runs.by_subject import (
    Mean,
    differences,
    differences_tsv,
    intervals_tsv,
    mean_of,
    stored_rows,
    subjects_tsv,
)
from memcell.runs.intervals_text import by_subject, of_differences
from memcell.runs.scoring import write_scores

NAN = math.nan


def row(name, values, kind="network"):
    subjects = {f"s{k}": {"kappa": v, "f1": v / 2} for k, v in enumerate(values)}
    return Row(name=name, kind=kind, scores={"kappa": 0.5, "f1": 0.4}, subjects=subjects)


def read(text):
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_a_mean_leaves_out_who_has_no_score() -> None:
    mean = mean_of(row("a", [0.2, NAN, 0.4, 0.6]), "kappa")
    assert (mean.value, mean.n) == (pytest.approx(0.4), 3)
    low, high = mean.interval
    assert 0.2 <= low < 0.4 < high <= 0.6


@pytest.mark.parametrize("values", [[], [NAN], [0.5], [0.4, 0.6]])
def test_few_subjects_have_no_interval(values) -> None:
    assert all(math.isnan(end) for end in Mean.of(values).interval)


def test_a_difference_is_of_the_subjects_that_both_have() -> None:
    rows = [row("a", [0.5, 0.6, NAN, 0.9]), row("b", [0.4, 0.6, 0.1, 0.5], "baseline")]
    made = {d.score: d for d in differences(rows, "kappa")}
    assert made["kappa"].mean.value == pytest.approx((0.1 + 0 + 0.4) / 3)
    assert made["kappa"].mean.n == made["kappa"].test.n == 3
    assert made["f1"].mean.value == pytest.approx((0.1 + 0 + 0.4) / 6)
    assert made["kappa"].minus == "b"


def test_the_sign_of_every_subject_is_the_smallest_p() -> None:
    rows = [row("a", [0.9] * 8), row("b", [0.8, 0.7, 0.6, 0.85, 0.5, 0.4, 0.3, 0.2])]
    (kappa,) = [d for d in differences(rows, "kappa") if d.score == "kappa"]
    assert kappa.test.p == kappa.test.smallest_p == 2 / 2**8
    assert kappa.mean.interval[0] > 0


def test_without_subjects_there_is_no_difference() -> None:
    assert differences([Row(name="a", scores={"kappa": 1.0})], "kappa") == []
    assert differences([], "kappa") == []


def test_files_have_what_was_computed_and_say_what_was_not() -> None:
    rows = [row("a", [0.5, NAN, 0.9]), row("b", [0.4, 0.6, 0.5], "baseline")]
    subjects = read(subjects_tsv(rows, "kappa"))
    assert [(s["subject"], s["name"], s["kappa"]) for s in subjects][:3] == [
        ("s0", "a", "0.5"),
        ("s1", "a", "n/a"),
        ("s2", "a", "0.9"),
    ]
    assert subjects[0]["steps"] == "n/a"
    between = read(intervals_tsv(rows, "kappa", {"a": {"kappa": (0.1, 0.2)}}))
    first = next(b for b in between if b["name"] == "a" and b["score"] == "kappa")
    assert (first["value"], first["low"], first["high"]) == ("0.5", "0.1", "0.2")
    assert (first["mean"], first["mean_low"], first["subjects"]) == ("0.7", "n/a", "2")
    lines = read(differences_tsv(differences(rows, "kappa")))
    assert {(d["score"], d["minus"], d["subjects"]) for d in lines} == {
        ("kappa", "b", "2"),
        ("f1", "b", "2"),
    }


def test_rows_are_read_back_from_a_run_folder(tmp_path) -> None:
    rows = [row("a", [0.2, 0.4]), row("b", [0.3, NAN], kind="baseline")]
    write_scores(tmp_path, rows, "kappa", ["odd"], object())
    own, baseline = stored_rows(tmp_path)
    assert (own.name, own.kind, own.scores) == ("a", "network", rows[0].scores)
    assert own.subjects["s1"]["kappa"] == 0.4
    assert baseline.kind == "baseline"
    assert math.isnan(baseline.subjects["s1"]["kappa"])


@pytest.mark.parametrize("content", [None, "{", '{"rows": 3}', '{"rows": [{}]}'])
def test_damaged_scores_have_no_rows(tmp_path, content) -> None:
    if content is not None:
        (tmp_path / "scores.json").write_text(content)
    assert stored_rows(tmp_path) == []


def test_of_many_subjects_the_spread_is_shown_and_not_each() -> None:
    few = by_subject([row("a", [0.25] * 24)], "kappa").splitlines()
    assert few[0] == "kappa, by subject"
    assert any("s23" in each for each in few)
    many = by_subject([row("a", [*(k / 100 for k in range(200)), NAN])], "kappa").splitlines()
    assert many[0] == "kappa, over 201 subjects (subjects.tsv has each)"
    assert len(many) < 6
    heads, values = many[-2].split(), many[-1].split()
    assert heads == ["lowest", "Q1", "median", "Q3", "highest", "mean"]
    assert values[1:6] == ["0.000", "0.497", "0.995", "1.492", "1.990"]


def test_rows_that_are_alike_do_not_make_people_too_few() -> None:
    own, same = row("a", [0.1 * k for k in range(20)]), row("b", [0.1 * k for k in range(20)])
    other = row("c", [0.0] * 20, "baseline")
    said = of_differences(differences([own, same, other], "kappa"), "kappa")
    assert "minus b" in said
    assert "cannot give a p" not in said
    assert "cannot give a p" in of_differences(differences([own, same], "kappa"), "kappa")
