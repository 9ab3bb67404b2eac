"""Splits: nobody and nothing on two sides."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from memcell.errors import DataError, UsageError
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.splits.inner import inner_splits
from memcell_eeg.splits.split import cut, split
from memcell_eeg.targets.transitions import transition_weights
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


def sequence(name, subject, targets, breaks=()):
    n = len(targets)
    times = 0.2 * np.arange(n) + np.cumsum(np.isin(np.arange(n), breaks)) * 10.0
    return TimeSeries(
        name=name,
        subject=subject,
        features=np.arange(n, dtype=np.float32)[:, None],
        targets=np.asarray(targets, dtype=np.int64),
        breaks=breaks,
        step_seconds=0.2,
        step_times=times,
    )


def people(n, recordings=2, both=None):
    both = n if both is None else both
    return [
        sequence(f"p{i}r{j}", f"p{i}", [0] * 50 + [int(i < both)] * 10)
        for i in range(n)
        for j in range(recordings)
    ]


@settings(max_examples=80, deadline=None)
@given(st.integers(3, 15), st.integers(0, 999), st.floats(0.01, 0.8), st.floats(0.01, 0.8))
def test_no_subject_on_two_sides_and_none_lost(n, seed, valid, test) -> None:
    assume(valid + test <= 0.9)
    config = MicrosleepConfig(
        tune="none", split_seed=seed, valid_fraction=valid, test_fraction=test
    )
    made = split(people(n), config)
    parts = [{s.subject for s in made.part(p)} for p in ("train", "valid", "test")]
    assert all(parts)
    assert sum(map(len, parts)) == n == len(set.union(*parts))
    assert len(made.train) + len(made.valid) + len(made.test) == 2 * n
    again = split(people(n), config)
    assert [s.name for s in again.test] == [s.name for s in made.test]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(3, 9),
    seen=st.integers(1, 8),
    kind=st.sampled_from(["auto", "subject", "time", "held out"]),
    tune=st.sampled_from(["none", "quick"]),
    seed=st.integers(0, 99),
)
def test_people_of_the_model_before_are_trained_on_and_never_tested(
    n, seen, kind, tune, seed
) -> None:
    assume(seen < n)
    known = frozenset(f"p{i}" for i in range(seen))
    asked = {"split": "loso", "held_out": f"p{n - 1}"} if kind == "held out" else {"split": kind}
    made = split(people(n), MicrosleepConfig(tune=tune, split_seed=seed, **asked), known=known)
    trained, valid, tested = ({s.subject for s in made.part(p)} for p in ("train", "valid", "test"))
    assert tested
    assert not tested & known
    assert trained | valid | tested == {s.subject for s in people(n)}
    assert trained & known
    if kind != "time":
        assert len(trained) + len(valid) + len(tested) == n
        assert bool(valid) == (tune == "none")
    if n - seen >= 2:
        assert not valid & known
    assert any("never tested on" in note for note in made.notes)


def test_where_the_model_before_knows_everybody_only_a_run_without_a_test_is_made() -> None:
    everybody = frozenset(f"p{i}" for i in range(4))
    for asked in ({"split": "subject"}, {"split": "time"}, {"split": "loso", "held_out": "p1"}):
        with pytest.raises(UsageError, match=r"trained with p0, p1, p2.*type --split none"):
            split(people(3), MicrosleepConfig(**asked), known=everybody)
    with pytest.raises(UsageError, match="trained with p1, who would be tested on"):
        split(people(6), MicrosleepConfig(test_subjects=("p1",)), known=everybody)
    made = split(people(3), MicrosleepConfig(split="none"), known=everybody)
    assert len(made.train) == 6
    assert not made.test


def test_inside_training_others_than_those_of_the_model_before_are_left_out() -> None:
    known, config = frozenset({"p0", "p1"}), MicrosleepConfig(split="none")
    made, notes = inner_splits(people(4), config, known)
    left_out = [{s.subject for s in fold.valid} for fold in made]
    assert sorted(map(sorted, left_out)) == [["p2"], ["p3"]]
    assert all(known <= {s.subject for s in fold.train} for fold in made)
    assert "p0, p1, whom the model before has seen" in notes[0]
    alone, _ = inner_splits(people(3), config, known)  # one new person decides nothing
    assert set().union(*({s.subject for s in f.valid} for f in alone)) == {"p0", "p1", "p2"}


def test_another_seed_is_another_split() -> None:
    tests = {
        tuple(s.name for s in split(people(8), MicrosleepConfig(tune="none", split_seed=k)).test)
        for k in range(10)
    }
    assert len(tests) > 3


@pytest.mark.parametrize("seed", range(20))
def test_every_part_gets_both_classes_where_three_subjects_have_them(seed) -> None:
    made = split(people(8, both=3), MicrosleepConfig(tune="none", split_seed=seed))
    for part in ("train", "valid", "test"):
        assert {int(c) for s in made.part(part) for c in s.targets} == {0, 1}
    assert not any("undefined" in note for note in made.notes)


def test_a_part_without_a_class_is_said() -> None:
    made = split(people(8, both=1), MicrosleepConfig(tune="none"))
    assert any("the test split has no positive step" in note for note in made.notes)
    assert any("the validation split has no positive step" in note for note in made.notes)


def test_one_class_in_training_is_refused() -> None:
    with pytest.raises(DataError, match=r"10 recordings are negative, none is positive.*labels"):
        split(people(5, both=0), MicrosleepConfig(tune="none"))
    with pytest.raises(DataError, match=r"no labelled step"):
        split(
            [sequence(f"a{k}", f"a{k}", [-1] * 100) for k in range(4)],
            MicrosleepConfig(tune="none"),
        )


def test_two_subjects_are_split_by_time_and_that_is_said() -> None:
    made = split(
        [sequence(f"a{k}", f"a{k}", [0, 1] * 300) for k in range(2)], MicrosleepConfig(tune="none")
    )
    assert made.kind == "time"
    assert "same people" in made.notes[0]
    with pytest.raises(DataError, match=r"3 subjects.*--split time"):
        split(people(2), MicrosleepConfig(tune="none", split="subject"))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(200, 900),
    st.floats(2.0, 10.0),
    st.one_of(st.just(0.0), st.floats(0.05, 0.4)),
    st.floats(0.05, 0.4),
    st.integers(1, 199),
)
def test_by_time_the_parts_follow_each_other_with_the_gap(n, gap, valid, test, brk) -> None:
    config = MicrosleepConfig(
        tune="none", split="time", split_gap=gap, valid_fraction=valid, test_fraction=test
    )
    whole = sequence("a", "a", [0, 1] * n, breaks=(brk,))
    made = split([whole], config)
    last = -np.inf
    for part in ("train", "valid", "test"):
        for s in made.part(part):
            assert s.name == f"a@{part}"
            rows = s.features[:, 0].astype(int)
            assert np.array_equal(rows, np.arange(rows[0], rows[-1] + 1))
            assert np.array_equal(s.times, whole.times[rows])
            assert np.array_equal(s.targets, whole.targets[rows])
            assert [rows[b] for b in s.breaks] == [b for b in (brk,) if rows[0] < b <= rows[-1]]
            assert (rows[0] - last - 1) * 0.2 >= gap - 1e-9
            last = rows[-1]
    assert len(made.test) == 1


def test_a_recording_too_short_for_the_gaps_is_named() -> None:
    with pytest.raises(DataError, match=r"'a' has 40 steps.*--split-gap"):
        split([sequence("a", "a", [0, 1] * 20)], MicrosleepConfig(tune="none"))


def test_a_cut_keeps_its_start_time() -> None:
    s = cut(sequence("a", "a", [0] * 100), 30, 60, "@x")
    assert s.start_time == pytest.approx(6.0)
    assert s.n_steps == 30


def test_weights_around_a_transition() -> None:
    s = sequence("a", "a", [0] * 50 + [1] * 50)
    w = transition_weights(s, margin=1.0)
    assert np.flatnonzero(w).tolist() == list(range(45, 55))


def test_unlabelled_steps_between_do_not_hide_a_transition_and_weigh_nothing() -> None:
    s = sequence("a", "a", [0] * 50 + [-1] * 10 + [1] * 40)
    w = transition_weights(s, margin=1.0)
    assert np.flatnonzero(w).tolist() == [*range(45, 50), *range(60, 65)]


def test_a_gap_is_no_transition_and_stops_the_margin() -> None:
    assert not transition_weights(sequence("a", "a", [0] * 50 + [1] * 50, breaks=(50,)), 1.0).any()
    s = sequence("a", "a", [0] * 50 + [1] * 50, breaks=(52,))
    assert np.flatnonzero(transition_weights(s, 1.0)).tolist() == list(range(45, 52))


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 12), st.integers(0, 99), st.floats(0.01, 0.6))
def test_leaving_one_out_tests_everybody_once_and_lets_all_validate_equally_often(
    n, seed, valid
) -> None:
    validated = Counter()
    for k in range(n):
        config = MicrosleepConfig(
            tune="none",
            split="loso",
            held_out=f"p{k}",
            split_seed=seed,
            valid_fraction=valid,
            test_fraction=0.01,
        )
        made = split(people(n), config)
        parts = [{s.subject for s in made.part(p)} for p in ("train", "valid", "test")]
        assert all(parts)
        assert parts[2] == {f"p{k}"}
        assert sum(map(len, parts)) == n == len(set.union(*parts))
        validated.update(parts[1])
        assert made.kind == "loso"
    assert len(set(validated.values())) == 1
    assert len(validated) == n


def test_leaving_one_out_without_validation() -> None:
    config = MicrosleepConfig(tune="none", split="loso", held_out="p0", valid_fraction=0)
    made = split(people(2), config)
    assert {s.subject for s in made.train} == {"p1"}
    assert made.valid == ()


def test_leaving_one_out_is_no_single_split() -> None:
    with pytest.raises(DataError, match="--held-out SUBJECT: p0, p1, p2"):
        split(people(3), MicrosleepConfig(tune="none", split="loso"))


def test_a_published_split_that_parts_one_person_is_refused(recording_of, dataset_of, labels_of):
    from dataclasses import replace

    labels = labels_of([(10.0, 5.0), (30.0, 5.0)])
    rng = np.random.default_rng(0)
    recordings = [
        replace(
            recording_of(
                rng.normal(size=(2, 6000)) * 20, name=f"r{k}", subject="ann", labels=labels
            ),
            part=part,
        )
        for k, part in enumerate(("train", "test"))
    ]
    with pytest.raises(DataError, match="puts recordings of 'ann' into train and test"):
        Microsleep(MicrosleepConfig(tune="none", split="published"), dataset_of(recordings)).task()
