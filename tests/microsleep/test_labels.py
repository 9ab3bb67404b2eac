"""Intervals to targets: the rules by hand, and against a plain count of fine samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memcell_data.recording import Interval, Labels
from memcell_eeg.targets.intervals import coverage, union
from memcell_eeg.targets.labels import LabelRules, targets
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

STEP = 0.2
PLAIN = LabelRules(blink=0, min_duration=0)


def starts(seconds: float) -> np.ndarray:
    return STEP * np.arange(round(seconds / STEP))


def positives(labels: Labels, rules: LabelRules, seconds: float = 10) -> list[int]:
    return np.flatnonzero(targets(labels, starts(seconds), STEP, rules) == 1).tolist()


def test_majority_and_any(labels_of) -> None:
    labels = labels_of([(1.15, 1.0)])  # covers .05 s of step 5 and .15 s of step 10
    assert positives(labels, PLAIN) == [6, 7, 8, 9, 10]
    assert positives(labels, LabelRules(any_part=True)) == [5, 6, 7, 8, 9, 10]


def test_half_a_step_is_a_majority(labels_of) -> None:
    assert positives(labels_of([(1.1, 1.0)]), PLAIN) == [5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("duration", "expected"), [(0.4, 0), (0.44, 0), (0.46, -1), (0.99, -1), (1.0, 1), (60.0, 1)]
)
def test_blinks_are_negative_and_short_events_have_no_label(labels_of, duration, expected) -> None:
    y = targets(labels_of([(2.0, duration)]), starts(100), STEP, LabelRules())
    assert y[10] == expected
    assert y[5] == 0


def test_a_label_that_is_neither_is_unlabelled(labels_of) -> None:
    y = targets(labels_of([(2.0, 2.0)], label="candidate"), starts(10), STEP, LabelRules())
    assert (y[10:20] == -1).all()
    assert (np.delete(y, range(10, 20)) == 0).all()


def test_without_background_nothing_is_assumed(labels_of) -> None:
    y = targets(labels_of([(2.0, 2.0)], background=None), starts(10), STEP, LabelRules())
    assert set(y[:10]) == {-1}
    assert (y[10:20] == 1).all()


def test_close_intervals_are_merged_before_their_length_is_judged(labels_of) -> None:
    labels = labels_of([(2.0, 0.6), (2.8, 0.6)])
    assert positives(labels, LabelRules()) == []
    assert positives(labels, LabelRules(merge=0.2)) == list(range(10, 17))


def test_touching_intervals_are_one(labels_of) -> None:
    assert positives(labels_of([(2.0, 0.6), (2.6, 0.6)]), LabelRules()) == list(range(10, 16))


def test_positive_wins_over_what_lies_over_it() -> None:
    labels = Labels(
        intervals=(
            Interval(onset=0, duration=10, label="artefact"),
            Interval(onset=2, duration=2, label="microsleep"),
        ),
        background="wake",
        positive=frozenset({"microsleep"}),
        negative=frozenset({"wake"}),
    )
    y = targets(labels, starts(12), STEP, LabelRules())
    assert (y[10:20] == 1).all()
    assert (y[20:50] == -1).all()
    assert (y[50:] == 0).all()


spans = st.lists(
    st.tuples(st.integers(0, 900), st.integers(1, 300)).map(lambda p: (p[0] / 100, p[1] / 100)),
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(spans, spans, st.booleans())
def test_targets_are_those_of_a_count_of_fine_samples(positive, other, any_part) -> None:
    labels = Labels(
        intervals=tuple(
            Interval(onset=a, duration=d, label=word)
            for word, found in (("microsleep", positive), ("artefact", other))
            for a, d in found
        ),
        background="wake",
        positive=frozenset({"microsleep"}),
        negative=frozenset({"wake"}),
    )
    y = targets(labels, starts(12), STEP, LabelRules(any_part=any_part, blink=0, min_duration=0))
    fine = np.zeros(1200, dtype=int)  # hundredths of a second: every edge lies on one
    for a, d in other:
        fine[round(100 * a) : round(100 * (a + d))] = -1
    for a, d in positive:
        fine[round(100 * a) : round(100 * (a + d))] = 1
    for k, block in enumerate(fine.reshape(-1, 20)):
        ones, nones, zeros = (int(np.sum(block == c)) for c in (1, -1, 0))
        expected = 1 if ones >= (1 if any_part else 10) else 0 if zeros > nones else -1
        assert y[k] == expected, (k, ones, nones, zeros)


@given(spans)
def test_coverage_adds_up_to_the_union(found) -> None:
    joined = union((a, a + d) for a, d in found)
    assert (joined[1:, 0] > joined[:-1, 1]).all()
    total = coverage(joined, starts(20), STEP).sum()
    assert total == pytest.approx(np.sum(joined[:, 1] - joined[:, 0]), abs=1e-6)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("blink", 0.3, "0.3 s"),
        ("min_duration", 2.5, "2.5 s"),
        ("max_duration", 12.0, "12 s"),
        ("merge", 0.7, "0.7 s"),
        ("step_rule", "any", "any part"),
        ("tolerance", 0.9, "0.9 s"),
        ("cost_ratio", 3.5, "3.5"),
        ("decision", "intercept", "intercept"),
    ],
)
def test_every_rule_that_shapes_a_score_is_printed(theta_dataset, option, value, said) -> None:
    plain = Microsleep(MicrosleepConfig(), theta_dataset).task().notes
    notes = Microsleep(MicrosleepConfig(**{option: value}), theta_dataset).task().notes
    new = [note for note in notes if note not in plain]
    assert any(said in note for note in new), new


def test_a_scale_made_of_the_test_part_is_said(theta_dataset) -> None:
    config = MicrosleepConfig(split="time", normalization="recording")
    notes = Microsleep(config, theta_dataset).task().notes
    assert "each recording is scaled by values that include its test part" in notes
