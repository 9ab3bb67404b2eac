"""Each recording by itself: chances against the class prior, and means beside pooled scores."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, cohen_kappa_score

from memcell.applications.app import ModelPredictions, Row
from memcell.runs.by_subject import mean_of_recordings
from memcell.runs.intervals_text import beside_recordings
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.scores.by_recording import by_recording
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


def sequence(name, y, subject=None):
    y = np.array(y)
    return TimeSeries(
        name=name,
        subject=subject or name,
        features=np.zeros((len(y), 1), dtype=np.float32),
        targets=y,
    )


def part(sequences, p, threshold=0.5, odds=1.0):
    two = tuple(np.stack([1 - np.array(q), q], axis=1).astype(np.float32) for q in p)
    decision = {"threshold": threshold, "weight_odds": odds}
    return ModelPredictions(sequences=tuple(sequences), probabilities=two, decision=decision)


Y = ([0, 0, 0, 1], [1, 1, 0, 1, -1])
P = ([0.1, 0.2, 0.6, 0.9], [0.7, 0.4, 0.3, 0.8, 0.5])


@pytest.fixture
def predictions():
    return [part([sequence("a", Y[0]), sequence("b", Y[1])], P)]


def test_scores_of_each_recording_are_those_of_independent_arithmetic(predictions) -> None:
    together, a, b = by_recording(predictions)
    assert [together.recording, a.recording, b.recording] == ["all", "a", "b"]
    assert (together.steps, a.steps, b.steps) == (8, 4, 4)  # an unlabelled step is none
    for row, y, p in ((a, Y[0], P[0]), (b, Y[1][:4], P[1][:4])):
        y, p = np.array(y), np.array(p)
        assert row.observed == pytest.approx(y.mean())
        assert row.mean_probability == pytest.approx(p.mean())
        assert row.brier == pytest.approx(brier_score_loss(y, p))
        assert row.prior_brier == pytest.approx(brier_score_loss(y, np.full(4, 0.5)))
        assert row.skill == pytest.approx(1 - row.brier / row.prior_brier)
        assert row.kappa == pytest.approx(cohen_kappa_score(y, p >= 0.5))
    assert together.prior_brier == pytest.approx(0.25)


def test_saying_the_prior_has_no_skill() -> None:
    said = [part([sequence("a", [0, 0, 0, 1])], [[0.25] * 4])]
    together, _ = by_recording(said)
    assert together.skill == pytest.approx(0, abs=1e-6)
    assert together.ece == pytest.approx(0, abs=1e-6)


def test_weights_of_the_loss_are_undone(predictions) -> None:
    odds = 3.0
    shifted = [[odds * q / (1 - q + odds * q) for q in p] for p in P]
    weighted = [part([sequence("a", Y[0]), sequence("b", Y[1])], shifted, odds=odds)]
    for one, other in zip(by_recording(weighted), by_recording(predictions), strict=True):
        assert one.mean_probability == pytest.approx(other.mean_probability, abs=1e-6)


def test_seeds_of_a_recording_count_as_one_recording(predictions) -> None:
    assert len(by_recording(predictions * 2)) == 3


def test_a_recording_without_a_class_has_no_kappa_and_the_mean_says_of_how_many() -> None:
    said = (part([sequence("a", Y[0]), sequence("c", [0, 0, 0, 0])], [P[0], [0.1] * 4]),)
    app = Microsleep(MicrosleepConfig())
    row = Row(name="n", scores=app.pooled(said), predictions=said)
    mean = mean_of_recordings(app, row, "kappa")
    assert mean.n == 1
    assert mean.value == pytest.approx(by_recording(said)[1].kappa)
    together, each = beside_recordings(row, ("balanced_accuracy", "kappa"), app)
    assert each.startswith("mean of 2 recordings: balanced accuracy")
    assert "kappa 0.500 (of 1)" in each
    assert max(len(together), len(each)) <= 80
    assert beside_recordings(row, ("kappa",), object()) == []
