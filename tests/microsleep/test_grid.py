"""The step that labels ask for, and what wins over it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from memcell.errors import ConfigError
from memcell_data.recording import Interval, Labels
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.targets.grid import timing
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


def stages(edges, words=("wake", "microsleep")):
    """Return labels that change at the edges."""
    intervals = [
        Interval(onset=a, duration=b - a, label=words[k % len(words)])
        for k, (a, b) in enumerate(pairwise(edges))
    ]
    return Labels(
        intervals=tuple(intervals),
        background=None,
        positive=frozenset({"microsleep"}),
        negative=frozenset({"wake"}),
    )


@pytest.fixture
def labelled(recording_of):
    """Return a recording of 60 s with labels that change at the edges."""

    def make(*edges, **options):
        return recording_of(np.zeros((1, 6000)), labels=stages([0.0, *edges, 60.0]), **options)

    return make


@pytest.mark.parametrize(
    ("edges", "step"),
    [
        ((30.0,), 5.0),  # a hypnogram
        ((20.0, 40.0), 5.0),
        ((8.0, 12.0), 4.0),
        ((6.0, 9.0), 3.0),
        ((7.0, 9.0, 13.0), 1.0),  # by the second
        ((7.5, 9.0), 1.5),
        ((7.5, 9.0, 10.0), 0.5),
        ((7.2, 9.4), 0.2),
        ((7.004, 9.995), 1.0),  # written with two digits
        ((7.137, 9.551, 20.913), 0.2),  # marked by hand
    ],
)
def test_the_step_is_the_labels_grid(labelled, edges, step) -> None:
    found = timing(MicrosleepConfig(), [labelled(*edges)])
    assert (found.step, found.window) == (step, max(1.0, step))
    assert found.reason


def test_one_recording_off_the_grid_counts(labelled) -> None:
    assert timing(MicrosleepConfig(), [labelled(30.0), labelled(25.0)]).step == 5
    assert timing(MicrosleepConfig(), [labelled(30.0), labelled(7.0, 25.0)]).step == 1


def test_labels_that_do_not_change_say_nothing(labelled, recording_of, labels_of) -> None:
    one = recording_of(np.zeros((1, 6100)), labels=stages([0.0, 60.0], ("wake",)))
    other = recording_of(np.zeros((1, 6100)), labels=stages([0.0, 59.3], ("microsleep",)))
    found = timing(MicrosleepConfig(), [one, other])
    assert (found.step, found.window) == (2.0, 4.0)
    assert "do not change" in found.reason
    assert timing(MicrosleepConfig(), [one, other, labelled(30.0)]).step == 5
    # With a background an interval is a change.
    assert (
        timing(
            MicrosleepConfig(), [recording_of(np.zeros((1, 6000)), labels=labels_of([(7.0, 4.0)]))]
        ).step
        == 1
    )


def test_without_labels_steps_are_short(recording_of) -> None:
    found = timing(MicrosleepConfig(), [recording_of(np.zeros((1, 6000)))])
    assert (found.step, found.window) == (0.2, 1.0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"step": 0.2, "window": 1.0}, (0.2, 1.0)),
        ({"step": 2.0}, (2.0, 2.0)),
        ({"step": 0.5}, (0.5, 1.0)),
        ({"window": 3.0}, (3.0, 3.0)),  # the longest step within it
        ({"window": 12.0}, (5.0, 12.0)),
    ],
)
def test_typed_step_overrides_label_grid(labelled, options, expected) -> None:
    config = MicrosleepConfig(split_gap=12.0, **options)
    found = timing(config, [labelled(30.0)])
    assert (found.step, found.window) == expected
    timed = found.applied(config)
    assert (timed.step, timed.window) == expected


@pytest.mark.parametrize("option", ["step", "window"])
def test_too_short_is_refused(option) -> None:
    with pytest.raises(ConfigError, match=f"'{option}' got 0.01 s.*0 to follow the labels"):
        MicrosleepConfig(**{option: 0.01}).validate()


def test_another_option_that_does_not_fit_is_named(labelled) -> None:
    config = MicrosleepConfig(split_gap=2.0)
    config.validate()
    with pytest.raises(ConfigError, match=r"'split-gap' got 2 s, shorter than 'window' \(5 s\)"):
        timing(config, [labelled(30.0)]).applied(config)


def test_the_run_says_and_stores_its_step(recording_of, dataset_of) -> None:
    recordings = []
    for k in range(4):
        x = np.random.default_rng(k).normal(size=(2, 12_000)) * 20
        labels = stages([0.0, 20.0, 50.0, 80.0, 120.0])
        recordings.append(recording_of(x, name=f"r{k}", subject=f"s{k}", labels=labels))
    task = Microsleep(MicrosleepConfig(), dataset_of(recordings)).task()
    assert {s.step_seconds for s in (*task.train, *task.test)} == {5.0}
    (note,) = [n for n in task.notes if n.startswith("steps of")]
    assert "steps of 5 s (labels change on a grid of 5 s or a multiple)" in note
    assert "relative over the past 5 s and means of 20 and 90 s, normalization: training" in note
    stored = Pipeline.from_facts(task.facts["pipeline"])
    assert (stored.step, stored.window) == (5.0, 5.0)
    assert (
        stored.sequence(recordings[0]).step_seconds == 5.0
    )  # whatever the labels of who is predicted
