"""Tables of scores on a screen: within 80 columns, whatever the names are; and rows of older folders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memcell.applications.app import Row
from memcell.runs.answer import answer
from memcell.runs.tables import WIDTH, as_text, laid_out, with_fields

SCORES = (
    "balanced_accuracy",
    "kappa",
    "auc_pr",
    "event_f1",
    "false_alarms_per_hour",
    "onset_delay_s",
)


def network(trained: str, inferred: str, **scores: float) -> Row:
    return Row.of_network("lstm", trained, inferred, scores=scores or dict.fromkeys(SCORES, 0.5))


def baseline(name: str, score: float, **values: bool) -> Row:
    return Row(name=name, kind="baseline", scores=dict.fromkeys(SCORES, score), **values)


def test_a_table_is_as_wide_as_a_terminal() -> None:
    rows = [
        network("stored_burn_in", "carry"),
        baseline("previous true label (not deployable)", 142.1),
    ]
    lines = as_text(rows, SCORES[0]).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert any(line.split()[:3] == ["lstm", "stored_burn_in", "carry"] for line in lines)
    text = " ".join(" ".join(lines).split())
    for word in ("previous true label", "deployable)", "balanced", "alarms"):
        assert word in text


def test_columns_that_do_not_fit_stand_below() -> None:
    columns = [(f"subject{i:02d}", [f"0.{i:03d}"]) for i in range(20)]
    text = laid_out([("a name",)], columns)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert all(head in text and cell in text for head, (cell,) in columns)
    assert text.count("a name") > 1


@pytest.mark.parametrize("name", ["x" * 200, "", "two\nlines"])
def test_any_name_has_a_line(name) -> None:
    lines = laid_out([(name,)], [("score", ["0.5"])]).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert sum("0.5" in line for line in lines) == 1


def test_the_result_names_control_run_and_highest_deployable_baseline() -> None:
    rows = [
        network("carry", "carry", kappa=0.6),
        network("carry", "reset", kappa=0.9),
        network("reset", "reset", kappa=0.4),
        baseline("clock only", 0.3),
        baseline("an oracle", 0.99, deployable=False),
    ]
    said = answer(rows, "kappa")
    assert said == (
        "Kappa 0.600 (lstm, trained with carry, inferred with carry); trained with reset instead, 0.400; "
        "highest of 1 baseline, clock only, 0.300."
    )


def test_score_that_is_not_defined_is_no_dash() -> None:
    rows = [network("carry", "carry", kappa=float("nan")), baseline("clock only", float("nan"))]
    assert answer(rows, "kappa").startswith("Kappa is not defined on what was tested (lstm, ")


def of_people(row: Row, values: list[float]) -> Row:
    return replace(row, subjects={f"s{k}": {"kappa": v} for k, v in enumerate(values)})


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        ([0.9] * 6, [0.5] * 6, "It is above that baseline (6 people, p 0.031)."),
        ([0.5] * 6, [0.9] * 6, "It is below that baseline (6 people, p 0.031)."),
        ([0.9, 0.5] * 3, [0.5, 0.6] * 3, "The two are not told apart (6 people, p 0.25)."),
        (
            [0.9] * 5,
            [0.5] * 5,
            "The two are not told apart (5 people, p 0.062; so few cannot reach .05).",
        ),
        ([0.9], [0.5], "One person tells nothing of other people."),
    ],
)
def test_above_a_baseline_only_where_people_tell_them_apart(own, other, said) -> None:
    rows = [network("carry", "carry", kappa=0.9), baseline("clock only", 0.5)]
    rows = [of_people(row, values) for row, values in zip(rows, (own, other), strict=True)]
    assert answer(rows, "kappa").endswith(said)


def test_rows_of_version_0_1_have_their_parts_in_the_name() -> None:
    row = with_fields({"name": "lstm, trained with carry, inferred with reset", "kind": "network"})
    assert (row["cell"], row["trained_with"], row["inferred_with"]) == ("lstm", "carry", "reset")
    assert row["deployable"]
    assert not with_fields({"name": "previous true label (not deployable)"})["deployable"]
    assert with_fields({"name": "majority class"})["inferred_with"] == ""
    own = {"name": "a, inferred with b", "cell": "c", "trained_with": "d", "inferred_with": "e"}
    assert with_fields(own) == {**own, "deployable": True}
