"""Real recordings, where they are at hand; skipped loudly where not."""

from __future__ import annotations

import numpy as np
import pytest

from memcell_data.datasets.configs import EyesConfig, EyeStateConfig
from memcell_eeg.signal.outliers import OutlierFilter
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


def test_eye_state_by_time(shared_data) -> None:
    from memcell_data.datasets.eye_state import EyeState

    folder = shared_data("eeg-eye-state")
    dataset = EyeState(EyeStateConfig(path=str(folder)))
    config = MicrosleepConfig(features=("bandpower", "correlation"), channels=("eeg",))
    app = Microsleep(config, dataset)
    task = app.task()
    assert "simulated" not in task.notes[0]
    assert "the same people" in task.notes[0]
    assert len(task.facts["channels"]) == 14
    assert task.train[0].n_features == 14 * 7 + 91
    (train,), (valid,), (test,) = task.train, task.valid, task.test
    assert train.times[-1] + 5 <= valid.times[0] + 1e-6
    assert valid.times[-1] + 5 <= test.times[0] + 1e-6
    # The trap of this recording: by time, one step alone tells next to nothing.
    rows = {r.name: r.scores["balanced_accuracy"] for r in app.baselines(task)}
    assert rows["this step alone"] < 0.85


def test_the_gross_outliers_of_eye_state_are_replaced_and_nothing_else(shared_data) -> None:
    path = shared_data("eeg-eye-state") / "eeg-eye-state.csv"
    raw = np.genfromtxt(path, delimiter=",", skip_header=1)[:, :14].T
    cleaned = OutlierFilter(500).push(raw)
    changed = np.flatnonzero((cleaned != raw).any(axis=0))
    assert changed.tolist() == [898, 10386, 11509, 13179]
    assert np.abs(cleaned - np.median(raw, axis=1, keepdims=True)).max() < 500


@pytest.mark.parametrize("channels", [("auto",), ("O1", "O2", "T9", "t3")])
def test_eyes_open_and_closed_by_subject(shared_data, channels) -> None:
    from memcell_data.datasets.eyes import Eyes

    folder = shared_data("eegmmidb-eyes")
    dataset = Eyes(EyesConfig(path=str(folder), subjects=4))
    # Each recording is one class: its own mean must not be taken away, and the task says so.
    causal = MicrosleepConfig(channels=channels, normalization="causal")
    notes = Microsleep(causal, dataset).task().notes
    assert any("--normalization none" in note for note in notes)
    app = Microsleep(MicrosleepConfig(channels=channels, normalization="none"), dataset)
    task = app.task()
    assert not any("--normalization none" in note for note in task.notes)
    assert task.facts["split"] == "subject"
    assert len(task.train) + len(task.valid) + len(task.test) == 8
    assert not any(name.endswith(".") for name in task.facts["channels"])
    assert task.facts["channels"][:2] == ["O1", "O2"]
    # Closed eyes are seen in the alpha over the back of the head.
    rows = {r.name: r.scores["balanced_accuracy"] for r in app.baselines(task)}
    assert rows["this step alone"] > 0.6
