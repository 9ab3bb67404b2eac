"""The application behind the engine's contract."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from memcell.errors import ConfigError, DataError
from memcell.plugins.options import fields_of, from_mapping
from memcell_eeg.scores.scores import MAIN, MEANING
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig


def app(dataset, **options) -> Microsleep:
    return Microsleep(MicrosleepConfig(**options), dataset)


def test_registering_and_the_options_import_nothing_heavy() -> None:
    heavy = ("torch", "mne", "scipy", "sklearn", "numpy", "matplotlib")
    code = (
        "import sys, memcell_microsleep, memcell_microsleep.config\n"
        "spec, = memcell_microsleep.memcell_apps()\n"
        f"print(spec.name, [m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1) == ["microsleep", "[]\n"]


def test_the_spec_points_at_what_is_there() -> None:
    import importlib

    import memcell_microsleep

    (spec,) = memcell_microsleep.memcell_apps()
    for reference in (spec.factory, spec.config):
        module, _, attribute = reference.partition(":")
        assert hasattr(importlib.import_module(module), attribute)


def test_every_option_is_declared_in_bounds() -> None:
    defaults = {f.name: f.default for f in fields_of(MicrosleepConfig)}
    assert from_mapping(MicrosleepConfig, defaults) == MicrosleepConfig()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0.5, "step": 1.0}, "'window'.*'step'"),
        ({"valid_fraction": 0.6, "test_fraction": 0.6}, "'valid-fraction'"),
        ({"split_gap": 1.0, "window": 2.0}, "'split-gap'.*'window'"),
        ({"blink": 2.0}, "'blink'.*'min-duration'"),
        ({"max_duration": 0.5}, "'max-duration'.*'min-duration'"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(MicrosleepConfig, options)


def test_the_task(theta_dataset) -> None:
    task = app(theta_dataset).task()
    assert task.main_score == MAIN
    assert task.n_classes == 2
    assert task.train_weights is None
    assert "simulated" in task.notes[0]
    assert any(note.startswith("channels O1, O2") for note in task.notes)
    facts = json.loads(json.dumps(task.facts))
    assert facts["channels"] == ["O1", "O2"]
    assert len(facts["feature_names"]) == task.train[0].n_features
    assert sorted(s for part in facts["subjects"].values() for s in part) == [
        "s0",
        "s1",
        "s2",
        "s3",
    ]


def test_balanced_class_weights_balance(theta_dataset) -> None:
    for options in ({}, {"around_transitions": True, "margin": 2.0}):
        task = app(theta_dataset, **options).task()
        weights = task.train_weights or [s.labelled for s in task.train]
        mass = [
            task.class_weights[c]
            * sum(w[s.targets == c].sum() for s, w in zip(task.train, weights, strict=True))
            for c in (0, 1)
        ]
        assert mass[0] == pytest.approx(mass[1])
        assert task.drop_unweighted == bool(options)
    assert app(theta_dataset, class_weights="none").task().class_weights is None


def test_the_decision_and_the_scores_of_a_perfect_network(theta_dataset) -> None:
    it = app(theta_dataset, tune="none")
    task = it.task()

    def knows(sequence):
        p = np.where(sequence.targets == 1, 0.7, 0.6).astype(np.float32)
        return np.stack([1 - p, p], axis=1)

    decision = it.fit_decision(task, [knows(s) for s in task.valid])
    assert 0.6 < decision["threshold"] < 0.7
    assert decision["threshold_chosen"] == 1
    scores = it.scores(task.test, [knows(s) for s in task.test], decision)
    assert list(scores) == list(MEANING)
    perfect = ("balanced_accuracy", "kappa", "f1", "mcc", "event_sensitivity", "event_f1", "auc_pr")
    assert [scores[k] for k in perfect] == [1.0] * len(perfect)
    assert scores["onset_delay_p90_s"] == 0
    assert scores["false_alarms_per_hour"] == 0


def test_without_validation_the_decision_says_so(theta_dataset) -> None:
    it = app(theta_dataset, tune="none", valid_fraction=0.0)
    task = it.task()
    assert task.valid == ()
    assert it.fit_decision(task, [])["threshold_chosen"] == 0
    assert all(np.isfinite(r.scores[MAIN]) for r in it.baselines(task))


def test_encoders_treat_each_step_by_itself(theta_dataset) -> None:
    x = torch.randn(7, 3, 14)
    for name, size in (("none", 14), ("linear", 9)):
        encoder = app(theta_dataset, encoder=name, encoder_size=9).encoder(14)
        assert encoder.output_size == size
        assert encoder(x).shape == (7, 3, size)
        assert torch.allclose(encoder(x)[2:3], encoder(x[2:3]), atol=1e-6)


def test_no_data_set_and_no_recordings(dataset_of) -> None:
    with pytest.raises(DataError, match=r"--data"):
        app(None).task()
    with pytest.raises(DataError, match=r"'made up' has no recording"):
        app(dataset_of([])).task()


def test_recordings_without_labels(dataset_of, recording_of, theta_dataset) -> None:
    x = np.random.default_rng(0).normal(size=(2, 4000)) * 10
    bare = [recording_of(x, name=f"bare{k}", subject=f"b{k}") for k in range(2)]
    with pytest.raises(DataError, match=r"none of the 2 recordings.*labels"):
        app(dataset_of(bare)).task()
    task = app(dataset_of([*theta_dataset.recordings(), *bare])).task()
    assert any("2 recordings without a labelled step" in note for note in task.notes)


def test_warnings_of_reading_are_said(dataset_of, theta_dataset) -> None:
    def odd(recording):
        def read(names):
            return replace(recording.read(names), warnings=(f"{recording.name}: cut short",))

        return replace(recording, read=read)

    recordings = [odd(r) for r in theta_dataset.recordings()]
    notes = app(dataset_of(recordings)).task().notes
    [said] = [note for note in notes if "cut short" in note]  # once, with how many say the same
    assert said.endswith("(and likewise for 3 more)")


def test_what_looks_into_the_future_is_said(theta_dataset) -> None:
    task = app(theta_dataset, phase="zero", normalization="recording").task()
    assert sum("looks into the future" in note for note in task.notes) == 2
    assert not any("future" in note for note in app(theta_dataset).task().notes)


@pytest.mark.parametrize("named", [1, 2, 5])
def test_the_picture(theta_dataset, tmp_path, named) -> None:
    import matplotlib.image

    it = app(theta_dataset)
    task = it.task()
    p = [np.full((s.n_steps, 2), 0.5, dtype=np.float32) for s in task.test]
    it.picture(task, {f"net {k}": p for k in range(named)}, {"threshold": 0.4}, tmp_path / "t.png")
    assert matplotlib.image.imread(tmp_path / "t.png").shape[:2] == (900, 1600)


def test_the_picture_without_the_recording_and_of_a_short_cut(theta_dataset, tmp_path) -> None:
    task = app(theta_dataset, split="time").task()
    p = [np.full((s.n_steps, 2), 0.5, dtype=np.float32) for s in task.test]
    app(None).picture(task, {"net": p}, {"threshold": 0.4}, tmp_path / "t.png")
    app(theta_dataset).picture(task, {"net": p}, {"threshold": 0.4}, tmp_path / "u.png")
    assert (tmp_path / "t.png").read_bytes() != (tmp_path / "u.png").read_bytes()


def test_the_drawn_eeg_stands_where_it_happened(recording_of) -> None:
    """A burst at 20 s is drawn at 20 s, though the network's filters hold it back."""
    from memcell_eeg.features.pipeline import Pipeline
    from memcell_eeg.reports.trace import envelope, read_trace
    from memcell_eeg.signal.channels import choose

    x = np.random.default_rng(0).normal(size=(2, 40 * 200))
    x[:, 20 * 200] = 400
    recording = recording_of(x, rate=200)
    pipeline = Pipeline.of(MicrosleepConfig(outlier=0.0), choose(["auto"], [recording]), 200)
    trace = read_trace(recording, pipeline, ("O2",))
    for span, points in (((0.0, 40.0), 400), ((15.0, 25.0), 6000)):
        ((times, _, high),) = envelope(trace, "O2", span, points)
        assert times[np.argmax(high)] == pytest.approx(20.0, abs=0.11)
        assert span[0] <= times[0]
        assert times[-1] <= span[1]
    peak = trace.segments[0][1][0].argmax() / 100
    assert peak == pytest.approx(20.0, abs=0.011)
