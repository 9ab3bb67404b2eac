"""The EEG applications' network: the recurrent layers see the step, the linear path its past as well."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from memcell.inference.inference import probabilities
from memcell.inference.onnx.check import TOLERANCE, check
from memcell.inference.onnx.scan import scan_model
from memcell.inference.onnx.step import NetworkStep
from memcell.inference.stepping import NetworkStepper
from memcell.plugins import default_registry
from memcell.settings.run_config import resolve
from memcell.training.parts import build_parts
from memcell_eeg.features.encoder import NoEncoder, StepEncoder, build
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

NAMES = ["Fz alpha", "Fz beta", "Fz alpha, mean of 20 s", "Fz beta, mean of 20 s"]


@pytest.mark.parametrize(
    ("typed", "skip"),
    [
        ({}, "fixed"),
        ({"microsleep": {"encoder": "raw_cnn"}}, "none"),
        ({"microsleep": {"features": ["bandpower", "raw"]}}, "none"),
        ({"network": {"skip": "linear"}}, "linear"),
        ({"memcell": "0.1.0", "app": "microsleep"}, "none"),
    ],
)
def test_path_is_the_default_where_a_regression_can_read_the_features(typed, skip):
    assert resolve("microsleep", typed, default_registry()).network.skip == skip


def test_recurrent_layers_get_the_step_without_means_of_its_past():
    x = torch.arange(8.0).reshape(2, 1, 4)
    encoder = build(MicrosleepConfig(), 4, {"feature_names": NAMES})
    assert isinstance(encoder, StepEncoder)
    assert encoder.output_size == 2
    assert encoder(x).tolist() == x[..., :2].tolist()
    assert not encoder.state_dict()
    assert isinstance(build(MicrosleepConfig(), 2, {"feature_names": NAMES[:2]}), NoEncoder)
    assert isinstance(
        build(MicrosleepConfig(encoder="none"), 4, {"feature_names": NAMES}), NoEncoder
    )


@pytest.fixture
def started(theta_dataset):
    """A task with means of the past, and the network of the defaults before its first update."""
    sections = {
        "microsleep": {"context": ["20"], "step": 1.0, "window": 1.0, "cache": "off"},
        "network": {"hidden_size": 6},
    }
    config = resolve("microsleep", sections, default_registry())
    app = Microsleep(config.app_config, theta_dataset)
    task = app.task()
    parts = build_parts(config, default_registry(), app, task, torch.device("cpu"))
    return task, parts.network


def test_network_starts_as_scikit_learns_regression(started):
    task, network = started
    x = np.concatenate([s.features[s.labelled] for s in task.train]).astype(np.float64)
    y = np.concatenate([s.targets[s.labelled] for s in task.train])
    scaler = StandardScaler().fit(x)
    theirs = LogisticRegression(
        C=0.001, class_weight=dict(enumerate(task.class_weights)), tol=1e-10, max_iter=5000
    ).fit(scaler.transform(x), y)
    for sequence, found in zip(
        task.test, probabilities(network, task.test, "carry", 50), strict=True
    ):
        expected = theirs.predict_proba(scaler.transform(sequence.features))
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert network.encoder.output_size == task.train[0].n_features // 2


def test_steps_and_exported_file_are_the_network(started):
    task, network = started
    torch.manual_seed(0)
    with torch.no_grad():
        network.readout.weight.normal_(std=0.5)
    [whole, *_] = probabilities(network, task.test, "carry", 50)
    stepper = NetworkStepper(network, task.train[0].n_features)
    for row, expected in zip(task.test[0].features, whole, strict=True):
        np.testing.assert_array_equal(stepper.step(np.array(row)), expected)
    step = NetworkStep(network.eval(), task.train[0].n_features)
    found = check(scan_model(step).SerializeToString(), step)
    assert max(found.probability_error, found.state_error) <= TOLERANCE
