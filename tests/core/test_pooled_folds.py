"""Folds and repeats pooled: only what every run has, and what was noted of some runs."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.applications.app import ModelPredictions, Row
from memcell.inference.overflow import probabilities_without_overflow
from memcell.runs.folds.pool import pooled_rows, seeds_tsv
from memcell.runs.predictions import write_predictions
from memcell.sequences import TimeSeries


class Scoring:
    """An app that knows one score: the share of all steps that are decided right."""

    def pooled(self, predictions):
        right = [
            (p[:, 1] >= part.decision["threshold"]) == (s.targets == 1)
            for part in predictions
            for s, p in zip(part.sequences, part.probabilities, strict=True)
        ]
        return {"accuracy": float(np.concatenate(right).mean())}


def network(policy, subject, chance, note="decided at .5"):
    n = 4
    sequence = TimeSeries(
        name=subject, subject=subject, features=np.zeros((n, 0), dtype=np.float32),
        targets=np.array([0, 1, 1, 1]),
    )  # fmt: skip
    positive = np.full(n, chance, dtype=np.float32)
    part = ModelPredictions(
        sequences=(sequence,),
        probabilities=(np.stack([1 - positive, positive], axis=1),),
        decision={"threshold": 0.5},
    )
    return Row.of_network("lstm", policy, "carry", scores={}, note=note, predictions=(part,))


@pytest.fixture
def folds(tmp_path):
    """Two held-out subjects with two seeds each; return what writes them."""
    paths = [[tmp_path / subject / f"seed-{k}" for k in (0, 1)] for subject in ("a", "b")]
    for runs in paths:
        for path in runs:
            path.mkdir(parents=True)

    def write(lacking=None, **notes):
        for runs in paths:
            for k, path in enumerate(runs):
                subject = path.parent.name
                place = f"{subject}{k}"
                made = [network("carry", subject, 0.9, notes.get(place, "decided at .5"))]
                if place != lacking:
                    made.append(network("reset", subject, 0.1))
                if k == 0:
                    made.append(Row(name="majority class", scores={}, kind="baseline",
                                    predictions=made[0].predictions))  # fmt: skip
                write_predictions(path, made)
        return paths

    return write


def names(rows):
    return [row.trained_with or row.name for row in rows]


def test_what_every_run_has_is_pooled_over_all_of_them(folds):
    rows, lacking = pooled_rows(Scoring(), folds())
    assert names(rows) == ["carry", "reset", "majority class"]
    assert lacking == []
    assert [len(row.predictions) for row in rows] == [4, 4, 2]
    assert [row.scores["accuracy"] for row in rows] == [0.75, 0.25, 0.75]
    assert rows[0].note == "decided at .5"


@pytest.mark.parametrize("place", ["a0", "b1"])
def test_a_network_that_one_repeat_lacks_is_pooled_nowhere(folds, place):
    paths = folds(lacking=place)
    rows, lacking = pooled_rows(Scoring(), paths)
    assert names(rows) == ["carry", "majority class"]
    assert lacking == ["lstm, trained with reset, inferred with carry"]
    networks = [row.name for row in rows if row.kind == "network"]
    lines = seeds_tsv(Scoring(), paths, [7, 8], "accuracy", networks).splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        ["seed", "name"],
        ["7", "lstm, trained with carry, inferred with carry"],
        ["8", "lstm, trained with carry, inferred with carry"],
    ]


def test_a_memory_that_overflowed_in_some_runs_stands_in_the_pooled_row(folds, small_network):
    growing = small_network("indrnn", {"bound": 2.0, "start_low": 2.0})
    sequence = TimeSeries(
        name="s", subject="s", features=np.ones((900, 3), dtype=np.float32),
        targets=np.zeros(900, dtype=np.int64),
    )  # fmt: skip
    for weight in growing.recurrent.parameters():
        weight.data.abs_()
    growing.recurrent.layers[0].cell.weight_recurrent.data.fill_(2.0)
    _, overflow = probabilities_without_overflow(growing, [sequence], "carry", 50)
    assert "of 900 steps are not finite" in overflow
    rows, _ = pooled_rows(Scoring(), folds(a1=f"decided at .5; {overflow}", b0=overflow))
    assert rows[0].note.startswith("fitted anew in each fold; memory overflowed in 2 of 4 runs: ")
    assert "--eval-policy reset" in rows[0].note
    assert "900 steps" not in rows[0].note
    rows, _ = pooled_rows(Scoring(), folds(a1=f"decided at .5; {overflow}"))
    assert rows[0].note.startswith("decided at .5; memory overflowed in 1 of 4 runs: ")
    assert [row.note for row in rows[1:]] == ["decided at .5", ""]
