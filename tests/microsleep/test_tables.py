"""The tables beside the scores: errors around changes, curves, reliability, intervals over subjects."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from memcell.applications.app import ModelPredictions, Row
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.scores.curves import precision_recall, reliability
from memcell_eeg.scores.events import EventRules
from memcell_eeg.scores.resampled import count, from_counts, intervals
from memcell_eeg.scores.scores import DecidedSteps, pooled_scores, scores
from memcell_eeg.scores.tables import ALL, tables
from memcell_eeg.scores.transition_errors import NO_CHANGE, nearest, transition_errors

RULES = EventRules(min_duration=0)


def sequence(targets, name="a", subject="s", breaks=(), step=0.5):
    y = np.asarray(targets, dtype=np.int64)
    times = step * np.arange(len(y)) + 100.0 * np.cumsum(np.isin(np.arange(len(y)), breaks))
    return TimeSeries(
        name=name,
        subject=subject,
        features=np.zeros((len(y), 1), dtype=np.float32),
        targets=y,
        breaks=breaks,
        step_seconds=step,
        step_times=times,
    )


def predictions(pairs, threshold=0.5, odds=1.0):
    """Return a part of (sequence, probability of 1)."""
    p = [np.asarray(q, dtype=np.float32) for _, q in pairs]
    return ModelPredictions(
        sequences=tuple(s for s, _ in pairs),
        probabilities=tuple(np.stack([1 - q, q], axis=1) for q in p),
        decision={"threshold": threshold, "weight_odds": odds},
    )


def made(n_subjects=4, n=300, seed=0):
    """Return one part for each subject, each with its own threshold."""
    random = np.random.default_rng(seed)
    parts = []
    for k in range(n_subjects):
        y = np.repeat(random.integers(0, 2, n // 10), 10)
        p = np.clip(0.6 * y + 0.4 * random.random(n), 0, 1)
        y[random.random(n) < 0.05] = -1
        parts.append(predictions([(sequence(y, f"r{k}", f"s{k}"), p)], 0.3 + 0.1 * k, 2.0))
    return parts


def read(text):
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_distance_to_the_nearest_change_by_hand() -> None:
    distance, leads = nearest(sequence([0, 0, 0, 1, 1, 1, 1, 0, 0]))
    assert distance.tolist() == [-3, -2, -1, 0, 1, -2, -1, 0, 1]
    assert leads.tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0]


def test_a_change_reaches_over_unlabelled_steps_and_not_over_a_gap() -> None:
    distance, leads = nearest(sequence([0, -1, -1, 1, 1, 1], breaks=(5,)))
    assert distance[[0, 3, 4]].tolist() == [-1, 0, 1]
    assert np.isnan(distance[5])
    assert leads[5] == -1


def test_errors_around_changes_by_hand() -> None:
    s = sequence([0] * 10 + [1] * 10)
    late = [0.0] * 12 + [1.0] * 8  # two steps late
    bins = transition_errors([predictions([(s, late)])])
    wrong = {(b.start, b.stop): b.errors for b in bins if b.errors}
    assert wrong == {(0.0, 0.5): 1, (0.5, 1.0): 1}
    assert sum(b.count for b in bins) == 20
    assert {b.change for b in bins} == {"to_positive"}


def test_segments_without_a_change_have_a_line_of_their_own() -> None:
    (only,) = transition_errors([predictions([(sequence([0] * 6), [1.0, 0, 0, 0, 0, 0])])])
    assert (only.change, only.count, only.errors) == (NO_CHANGE, 6, 1)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=60).filter(
        lambda pairs: any(y for y, _ in pairs)
    )
)
def test_the_curve_is_that_of_scikit_learn(pairs) -> None:
    y, p = np.array([int(a) for a, _ in pairs]), np.array([b / 20 for _, b in pairs])
    mine = precision_recall(DecidedSteps.decided(y, p, 0.5))
    precision, recall, threshold = metrics.precision_recall_curve(y, p)
    theirs = [*zip(threshold, recall, precision, strict=False)][::-1]
    assert np.allclose(mine, theirs)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    random = np.random.default_rng(0)
    y, p = random.integers(0, 2, 5000), random.random(5000)
    points = precision_recall(DecidedSteps.decided(y, p, 0.5))
    assert 100 < len(points) <= 200
    assert points[-1][1] == 1
    assert [r for _, r, _ in points] == sorted(r for _, r, _ in points)


def test_reliability_by_hand_with_weights_undone() -> None:
    y = np.array([0, 0, 0, 1, 1])
    bins = reliability(DecidedSteps.decided(y, np.array([0.5, 0.5, 0.5, 0.5, 1.0]), 0.5, 9.0))
    assert (bins[1].count, bins[1].observed) == (4, 0.25)  # .5 under odds of 9 is .1
    assert bins[1].predicted == pytest.approx(0.1)
    assert (bins[9].count, bins[9].predicted, bins[9].observed) == (1, 1, 1)
    assert np.isnan(bins[5].observed)


def test_pooled_is_the_same_as_scores_where_there_is_one_decision() -> None:
    parts = [predictions(list(zip(p.sequences, [q[:, 1] for q in p.probabilities], strict=True)))
             for p in made()]  # fmt: skip
    sequences = [s for p in parts for s in p.sequences]
    found = [q for p in parts for q in p.probabilities]
    assert pooled_scores(parts, RULES) == pytest.approx(
        scores(sequences, found, 0.5, RULES), nan_ok=True
    )


def test_the_sums_behind_the_intervals_give_the_scores_themselves() -> None:
    parts = made()
    subjects = [f"s{k}" for k in range(4)]
    counts = count(parts, subjects, RULES)
    whole = from_counts({name: values.sum(axis=0)[None] for name, values in counts.items()})
    expected = pooled_scores(parts, RULES)
    exact = set(whole) - {"auc_pr", "auc_roc"}
    assert {n: float(whole[n][0]) for n in exact} == pytest.approx({n: expected[n] for n in exact})
    for name in ("auc_pr", "auc_roc"):
        assert float(whole[name][0]) == pytest.approx(expected[name], abs=0.01)


def test_intervals_hold_the_score_and_are_wider_for_fewer_subjects() -> None:
    parts = made(8, seed=3)
    expected = pooled_scores(parts, RULES)
    of_all = intervals(parts, RULES)
    for name in ("kappa", "f1", "event_f1", "brier"):
        low, high = of_all[name]
        assert low <= expected[name] <= high
    alike = [parts[0]] * 3
    assert intervals(alike, RULES) == {}  # one subject only


def test_without_positive_steps_there_is_no_interval_of_kappa() -> None:
    parts = [predictions([(sequence([0] * 20, f"r{k}", f"s{k}"), [0.2] * 20)]) for k in range(4)]
    found = intervals(parts, RULES)
    assert np.isnan(found["kappa"]).all()
    assert found["accuracy"] == (1, 1)


def test_the_tables_agree_with_the_scores() -> None:
    row = Row(name="m", kind="network", scores={}, predictions=tuple(made()))
    files = {name: read(text) for name, text in tables([row], RULES).items()}
    expected = pooled_scores(row.predictions, RULES)
    lines = files["confusion.tsv"]
    assert [line["subject"] for line in lines] == [ALL, "s0", "s1", "s2", "s3"]
    whole = {k: float(v) for k, v in lines[0].items() if k not in ("name", "kind", "subject")}
    tp, fp, fn, tn = (
        whole[k] for k in ("true_positive", "false_positive", "false_negative", "true_negative")
    )
    assert (tp + tn) / (tp + fp + fn + tn) == pytest.approx(expected["accuracy"])
    assert whole["hit_events"] / whole["true_events"] == pytest.approx(
        expected["event_sensitivity"]
    )
    assert sum(float(line["true_positive"]) for line in lines[1:]) == tp
    (point,) = files["operating.tsv"]
    assert point["threshold"] == "n/a"  # each part has its own
    assert float(point["recall"]) == pytest.approx(tp / (tp + fn))
    errors = sum(int(line["errors"]) for line in files["transitions.tsv"])
    assert errors == fp + fn
    delays = [float(line["delay_s"]) for line in files["delays.tsv"]]
    assert np.median(delays) == pytest.approx(expected["onset_delay_s"])
    assert sum(int(line["count"]) for line in files["calibration.tsv"]) == tp + fp + fn + tn
