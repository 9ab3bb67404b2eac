"""A linear path around the recurrent layers: starts at the regression, is saved, resumed and streamed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from memcell.applications.app import InnerFold, Task
from memcell.errors import ConfigError
from memcell.inference.inference import InferenceStream, probabilities
from memcell.inference.onnx.check import TOLERANCE, check
from memcell.inference.onnx.scan import scan_model
from memcell.inference.onnx.step import NetworkStep
from memcell.inference.stepping import NetworkStepper
from memcell.interrupt import Interrupted
from memcell.plugins import default_registry
from memcell.plugins.options import from_mapping, option
from memcell.sequences.time_series import TimeSeries
from memcell.settings.options import NetworkConfig
from memcell.settings.run_config import engine_defaults, resolve
from memcell.training import regression_start
from memcell.training.regression_start import (
    INVERSE_PENALTIES,
    INVERSE_PENALTY,
    choose_inverse_penalty,
    fit_regression,
)
from stopping import StopAfter

LINEAR = {"skip": "linear"}


def random_steps(n=900, n_features=6, n_classes=2, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(2.0, [0.1, 1, 3, 10, 1, 1], size=(n, n_features))
    centres = random.normal(size=(n_classes, n_features))
    y = (((x - 2) / x.std(0)) @ centres.T + random.gumbel(size=(n, n_classes))).argmax(1)
    return x, y


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_regression_is_that_of_scikit_learn(n_classes, weights):
    x, y = random_steps(n_classes=n_classes)
    counts = np.bincount(y)
    of_class = np.ones(n_classes) if weights == "none" else len(y) / n_classes / counts
    found = fit_regression(x, y, of_class[y], n_classes)
    theirs = LogisticRegression(
        C=INVERSE_PENALTY,
        class_weight=None if weights == "none" else weights,
        tol=1e-10,
        max_iter=5000,
    )
    scaler = StandardScaler().fit(x)
    expected = theirs.fit(scaler.transform(x), y).predict_proba(scaler.transform(x))
    logits = torch.from_numpy(x) @ found.weight.T + found.bias
    np.testing.assert_allclose(torch.softmax(logits, 1).numpy(), expected, atol=1e-5)


def test_one_class_alone_and_a_constant_feature_are_no_numbers_to_fear():
    x, _ = random_steps(n=50)
    x[:, 0] = 7.0
    found = fit_regression(x, np.ones(50, dtype=np.int64), np.ones(50), 2)
    assert not found.weight.any()
    assert not found.bias.any()
    found = fit_regression(x, np.arange(50) % 2, np.ones(50), 2)
    assert bool(torch.isfinite(found.weight).all())


def test_evenly_spaced_steps_stand_for_all(monkeypatch, toy_task):
    x, y = random_steps()
    whole = fit_regression(np.repeat(x, 3, 0), np.repeat(y, 3), np.ones(3 * len(y)), 2)
    some = fit_regression(x, y, np.ones(len(y)), 2, n_steps=3 * len(y))
    torch.testing.assert_close(some.weight, whole.weight, rtol=1e-5, atol=1e-8)
    monkeypatch.setattr(regression_start, "MOST_STEPS", 200)
    features, _, weights, n_steps = regression_start._steps(toy_task)
    assert (len(features), len(weights), n_steps) == (200, 200, 408)
    assert (features[0] == toy_task.train[0].features[0]).all()
    assert (features[-1] == toy_task.train[-1].features[-1]).all()


def test_a_class_without_a_step_is_never_likely():
    x, y = random_steps(n_classes=2)
    found = fit_regression(x, 2 * y, np.ones(len(y)), 3)
    logits = torch.from_numpy(x) @ found.weight.T + found.bias
    p = torch.softmax(logits, 1).numpy()
    assert p[:, 1].max() < 1e-4
    two = fit_regression(x, y, np.ones(len(y)), 2)
    expected = torch.softmax(torch.from_numpy(x) @ two.weight.T + two.bias, 1).numpy()
    np.testing.assert_allclose(p[:, [0, 2]], expected, atol=1e-4)


def people(n_people, informative, n_features=12, seed=0):
    """Return a task of people, left out one by one; each has features that say nothing of others."""
    random = np.random.default_rng(seed)
    made = []
    for k in range(n_people):
        y = random.integers(0, 2, 80)
        x = random.normal(size=(80, n_features))
        x[:, 0] += informative * (2 * y - 1)
        x[:, 1:] += random.normal(size=n_features - 1) * (2 * y - 1)[:, None]  # each their own way
        made.append(TimeSeries(name=f"r{k}", subject=f"s{k}", features=x, targets=y))
    folds = tuple(
        InnerFold(name=out.name, train=tuple(s for s in made if s is not out), valid=(out,))
        for out in made
    )
    return Task(train=tuple(made), valid=(), test=(), n_classes=2, main_score="kappa", inner=folds)


@pytest.mark.parametrize("informative", [0.3, 3.0])
def test_chosen_penalty_predicts_the_people_left_out_best(informative):
    task = people(4, informative)
    found = choose_inverse_penalty(task)
    losses = []
    for c in INVERSE_PENALTIES:
        y, log_p = [], []
        for fold in task.inner:
            x = np.concatenate([s.features for s in fold.train]).astype(float)
            scaler = StandardScaler().fit(x)
            theirs = LogisticRegression(C=c, tol=1e-10, max_iter=5000).fit(
                scaler.transform(x), np.concatenate([s.targets for s in fold.train])
            )
            (out,) = fold.valid
            p = theirs.predict_proba(scaler.transform(out.features))
            y.append(out.targets)
            log_p.append(np.log(p[np.arange(len(p)), out.targets]))
        y, log_p = np.concatenate(y), np.concatenate(log_p)
        losses.append(-np.mean([log_p[y == k].mean() for k in (0, 1)]))
    assert list(found.losses.values()) == pytest.approx(losses, abs=1e-4)
    assert found.inverse_penalty == INVERSE_PENALTIES[int(np.argmin(losses))]


def test_what_differs_between_people_asks_for_a_stronger_penalty():
    assert choose_inverse_penalty(people(4, 0.0)).inverse_penalty == min(INVERSE_PENALTIES)
    assert choose_inverse_penalty(people(6, 6.0)).inverse_penalty > min(INVERSE_PENALTIES)


def test_typed_penalty_is_the_one_that_a_network_starts_with(make_trainer, weighted):
    weak = make_trainer("weak", task=weighted, network={**LINEAR, "inverse_penalty": 100.0})
    strong = make_trainer("strong", task=weighted, network={**LINEAR, "inverse_penalty": 1e-6})
    sizes = [t.network.skip.weight.abs().max().item() for t in (weak, strong)]
    assert sizes[1] < 0.01 * sizes[0]


def expected_of(task):
    """scikit-learn's regression on the training steps of a task, with its class weights."""
    x = np.concatenate([s.features[s.labelled] for s in task.train]).astype(np.float64)
    y = np.concatenate([s.targets[s.labelled] for s in task.train])
    scaler = StandardScaler().fit(x)
    fitted = LogisticRegression(
        C=INVERSE_PENALTY,
        class_weight=dict(enumerate(task.class_weights)),
        tol=1e-10,
        max_iter=5000,
    ).fit(scaler.transform(x), y)
    return [fitted.predict_proba(scaler.transform(s.features)) for s in task.test]


@pytest.fixture
def weighted(toy_task):
    y = np.concatenate([s.targets for s in toy_task.train])
    return replace(toy_task, class_weights=tuple(len(y) / 2 / np.bincount(y)))


@pytest.mark.parametrize("how", ["linear", "fixed"])
@pytest.mark.parametrize("policy", ["carry", "reset"])
def test_before_the_first_update_the_network_is_the_regression(make_trainer, weighted, how, policy):
    trainer = make_trainer(task=weighted, network={"skip": how, "layers": 2}, cell="gru")
    found = probabilities(trainer.network, weighted.test, policy, 10)
    for ours, theirs in zip(found, expected_of(weighted), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_random_start_leaves_the_other_weights_as_without_a_path(make_trainer):
    plain = make_trainer("plain").network.state_dict()
    other = make_trainer("other", network={**LINEAR, "start": "random"}).network.state_dict()
    assert other.pop("skip.weight").any()
    assert plain.keys() == other.keys()
    assert all(torch.equal(plain[name], other[name]) for name in plain)


@pytest.mark.parametrize(("how", "moves"), [("linear", True), ("fixed", False)])
def test_fixed_path_stays_while_the_recurrent_layers_train(make_trainer, how, moves):
    trainer = make_trainer(network={"skip": how}, training={"patience": 0}, optimizer="adamw")
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    while not trainer.at.finished:
        trainer._epoch(None)
        trainer._end_of_epoch()
    after = trainer.network.state_dict()
    assert torch.equal(before["skip.weight"], after["skip.weight"]) != moves
    assert not torch.equal(before["readout.weight"], after["readout.weight"])


def test_training_that_makes_it_worse_leaves_the_regression(make_trainer):
    trainer = make_trainer(network=LINEAR, training={"learning_rate": 50.0, "clip": 0.0})
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    trainer.train()
    after = trainer.network.state_dict()
    assert trainer.at.best_epoch == -1
    assert all(torch.equal(before[name], after[name]) for name in before)
    first = json.loads(trainer.folder.metrics.read_text().splitlines()[0])
    assert first == {"update": 0, "epoch": -1, "valid_loss": trainer.at.best_loss}


@pytest.mark.parametrize("how", ["linear", "fixed"])
def test_resumed_run_is_the_run_that_never_stopped(make_trainer, how):
    options = {"network": {"skip": how, "input_noise": 0.3}, "policy": "carry"}
    whole = make_trainer("whole", **options)
    whole.train()
    for stop in (1, whole.at.update // 2, whole.at.update - 1):
        first = make_trainer(f"stopped-{stop}", **options)
        with pytest.raises(Interrupted):
            first.train(StopAfter(stop))
        again = make_trainer(f"stopped-{stop}", **options)
        again.restore()
        again.train()
        assert again.folder.metrics.read_bytes() == whole.folder.metrics.read_bytes()
        for name, value in whole.network.state_dict().items():
            assert torch.equal(again.network.state_dict()[name], value), name


def random_network(make_trainer, how):
    network = make_trainer(network={"skip": how, "layers": 2}).network.eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in (*network.parameters(), *network.buffers()):
            weight.normal_(std=0.4)
    return network


@pytest.mark.parametrize("how", ["linear", "fixed"])
def test_stream_has_the_bits_of_the_whole(make_trainer, toy_task, how):
    network = random_network(make_trainer, how)
    sequence = toy_task.train[1]
    [whole] = probabilities(network, [sequence], "carry", 10)
    stream = InferenceStream(network, "carry", 10)
    pieces = np.split(np.arange(sequence.n_steps), [1, 4, 30])
    parts = [stream.push(sequence.features[p], sequence.starts[p]) for p in pieces]
    assert np.array_equal(np.concatenate([*parts, stream.end()]), whole)
    stepper = NetworkStepper(network, 3)
    assert stepper.reason == ""
    for k, row in enumerate(sequence.features):
        if sequence.starts[k]:
            stepper.restart()
        np.testing.assert_array_equal(stepper.step(row), whole[k])


@pytest.mark.parametrize("how", ["linear", "fixed"])
def test_exported_network_is_the_network(make_trainer, how):
    step = NetworkStep(random_network(make_trainer, how), 3)
    found = check(scan_model(step).SerializeToString(), step)
    assert max(found.probability_error, found.state_error) <= TOLERANCE


@dataclass(frozen=True, kw_only=True)
class OwnConfig:
    encoder: str = option("none", help="An encoder.")

    def engine_defaults(self):
        skip = "linear" if self.encoder == "none" else "none"
        return {
            "network": {"skip": skip},
            "training": {"control": "none"},
            "optimizer": {"name": "adamw", "weight_decay": 0.5},
        }


class Registry:
    """The installed plugins, the app 'own' among them."""

    def __init__(self):
        self._all = default_registry()

    def get(self, kind, name):
        return self if (kind, name) == ("app", "own") else self._all.get(kind, name)

    def config(self, values):
        return OwnConfig(**values)

    def config_type(self):
        return OwnConfig


@pytest.mark.parametrize(
    ("typed", "skip", "optimizer", "decay", "control"),
    [
        ({}, "linear", "adamw", 0.5, "none"),
        ({"own": {"encoder": "cnn"}}, "none", "adamw", 0.5, "none"),
        (
            {"network": {"skip": "fixed"}, "optimizer": {"weight_decay": 0.1}},
            "fixed",
            "adamw",
            0.1,
            "none",
        ),
        ({"optimizer": {"name": "adam"}}, "linear", "adam", None, "none"),
        ({"training": {"against": "burn_in"}}, "linear", "adamw", 0.5, "burn_in"),
        ({"memcell": "0.1.0"}, "none", "adam", None, "reset"),  # what an earlier version wrote
    ],
)
def test_app_changes_defaults_of_engine_options(typed, skip, optimizer, decay, control):
    config = resolve("own", typed, Registry())
    assert config.network.skip == skip
    assert config.choices["optimizer"].name == optimizer
    if decay is not None:
        assert config.choices["optimizer"].config.weight_decay == decay
    assert config.training.control == control
    assert resolve("own", config.sections(), Registry()).sections() == config.sections()


def test_path_that_stays_random_is_refused():
    with pytest.raises(ConfigError, match="type --skip linear"):
        from_mapping(NetworkConfig, {"skip": "fixed", "start": "random"})


def test_app_with_defaults_of_no_such_section_is_refused():
    class Wrong:
        def engine_defaults(self):
            return {"netwrok": {"skip": "linear"}}

    with pytest.raises(ConfigError, match="Did you mean 'network'"):
        engine_defaults(Wrong())
