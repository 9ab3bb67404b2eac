"""Losses, weights and refusals of each kind of target."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch.nn import functional as F

from memcell.applications.app import Task
from memcell.errors import ConfigError, DataError
from memcell.sequences import TimeSeries, window_table
from memcell.sequences.targets import Classes, MultiLabel, Values, target_from_facts
from memcell.training.regression_start import INVERSE_PENALTY, _fitted

RNG = np.random.default_rng(0)


def series(targets, name="a"):
    targets = np.asarray(targets)
    x = RNG.standard_normal((len(targets), 2)).astype(np.float32)
    return TimeSeries(name=name, subject=name, features=x, targets=targets)


def test_classes_are_torchs_cross_entropy():
    logits, y = torch.randn(5, 4, 3), torch.randint(-1, 3, (5, 4))
    weights = torch.tensor([1.0, 2.0, 0.5])
    found = Classes(3).losses(logits, y, weights)
    each = F.cross_entropy(
        logits.flatten(0, 1), y.clamp_min(0).flatten(), weight=weights, reduction="none"
    )
    assert torch.equal(found, each.view(5, 4))
    assert torch.equal(Classes(3).predictions(logits), torch.softmax(logits, -1))


@pytest.mark.parametrize("loss", ["absolute", "squared", "huber"])
def test_error_of_values_is_a_mean_over_those_that_are_known(loss):
    target = Values(("a", "b"), loss=loss, centre=(10.0, -1.0), spread=(5.0, 2.0), delta=0.7)
    y = torch.tensor([[[20.0, 1.0]], [[float("nan"), 1.0]], [[float("nan")] * 2]])
    outputs = torch.tensor([[[1.0, 0.25]], [[9.0, 0.25]], [[9.0, 9.0]]], requires_grad=True)

    def one(error):
        if loss == "absolute":
            return abs(error)
        if loss == "squared":
            return error**2
        return error**2 / 2 if abs(error) < 0.7 else 0.7 * (abs(error) - 0.35)

    found = target.losses(outputs, y)
    expected = [(one(1.0 - 2.0) + one(0.25 - 1.0)) / 2, one(0.25 - 1.0), 0.0]
    np.testing.assert_allclose(found[:, 0].detach().numpy(), expected, rtol=1e-6)
    found.sum().backward()
    assert not outputs.grad[1:, 0, 0].any()  # where a value is missing nothing is learned of it
    assert torch.isfinite(outputs.grad).all()
    said = target.predictions(outputs).detach()
    assert said[0, 0].tolist() == [15.0, -0.5]
    np.testing.assert_allclose(
        target.errors(said[:2, 0].numpy(), y[:2, 0].numpy()), expected[:2], rtol=1e-6
    )


def test_predictions_stay_within_limits():
    target = Values(centre=(100.0,), spread=(10.0,), limits=(0.0, 120.0))
    said = target.predictions(torch.tensor([[-20.0], [1.0], [5.0]]))
    assert said[:, 0].tolist() == [0.0, 110.0, 120.0]


def test_labels_are_torchs_binary_cross_entropy():
    target = MultiLabel(("a", "b"))
    outputs, y = (
        torch.randn(6, 1, 2),
        torch.tensor([[1, 0], [0, 1], [1, -1], [-1, 0], [-1, -1], [1, 1]]),
    )
    found = target.losses(outputs, y[:, None])
    both = F.binary_cross_entropy_with_logits(
        outputs[:, 0], y.clamp_min(0).float(), reduction="none"
    )
    expected = [both[0].mean(), both[1].mean(), both[2, 0], both[3, 1], 0, both[5].mean()]
    np.testing.assert_allclose(found[:, 0].numpy(), [float(e) for e in expected], rtol=1e-6)
    known = [0, 1, 2, 3, 5]
    said = target.predictions(outputs[known, 0]).numpy()
    np.testing.assert_allclose(
        target.errors(said, y[known].numpy()), found[known, 0].numpy(), rtol=1e-5
    )


def test_bins_weigh_what_they_are_worth():
    target = Values(bins=(0, 40, 90, 300, 600), bin_importance=(10, 5, 3, 1), spread=(100.0,))
    y = np.float32([0, 39.9, 40, 89, 90, 299, 300, 600, 100, 120, np.nan])
    s = series(y)
    known = y[~np.isnan(y)]
    assert target.groups(known).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 2, 2]
    weights = np.array(target.balanced([s]))
    counts = np.array([2, 2, 4, 2])
    np.testing.assert_allclose(
        weights * counts / (weights * counts).sum(), np.array([10, 5, 3, 1]) / 19
    )
    assert (weights * counts).sum() == pytest.approx(counts.sum())
    outputs = torch.zeros(len(y), 1)
    found = target.losses(outputs, torch.from_numpy(y), torch.tensor(weights)).numpy()
    np.testing.assert_allclose(found[:-1], known / 100 * weights[target.groups(known)], rtol=1e-6)
    assert target.balanced([series(np.float32([10, 20]))]) == pytest.approx((1.0, 0, 0, 0))


def test_fitted_scale_is_of_training_steps():
    s = series(np.float32([1, 2, 9, np.nan]))
    assert Values().fitted([s]).centre == (2.0,)
    assert Values().fitted([s]).spread == pytest.approx((8 / 3,))
    squared = Values(loss="squared").fitted([s])
    assert squared.centre == (4.0,)
    assert squared.spread == pytest.approx((np.std([1, 2, 9]),))
    assert Values().fitted([series(np.float32([3, 3]))]).spread == (1.0,)
    with pytest.raises(DataError, match="nothing to learn from"):
        Values().fitted([series(np.float32([np.nan]))])


def test_start_is_ridge_regression_and_logistic_regression_of_each_label():
    x = RNG.standard_normal((300, 4)) * [1, 5, 0.1, 1] + 3
    y = np.stack([x @ [1, 2, 3, 4] + RNG.standard_normal(300), x[:, 1]], axis=1)
    y[::5, 0] = np.nan
    weights = RNG.random(300) + 0.5
    target = Values(("a", "b"), loss="squared", centre=(3.0, 1.0), spread=(7.0, 2.0))
    found = _fitted(target, x, y, weights, 0)
    z = (x - x.mean(0)) / x.std(0)
    for k in range(2):
        known = ~np.isnan(y[:, k])
        w = weights[known] * len(x) / weights[known].sum()
        ridge = Ridge(alpha=1 / INVERSE_PENALTY).fit(
            z[known], (y[known, k] - target.centre[k]) / target.spread[k], sample_weight=w
        )
        np.testing.assert_allclose(
            x @ found.weight[k].numpy() + float(found.bias[k]), ridge.predict(z), atol=1e-9
        )
    labels = (y > np.nanmedian(y, axis=0)).astype(np.int64)
    labels[np.isnan(y)] = -1
    found = _fitted(MultiLabel(("a", "b")), x, labels, np.ones(300), 0)
    known = labels[:, 0] >= 0
    theirs = LogisticRegression(C=INVERSE_PENALTY, tol=1e-10, max_iter=5000).fit(
        z[known], labels[known, 0], sample_weight=np.full(known.sum(), 300 / known.sum())
    )
    logits = x @ found.weight[0].numpy() + float(found.bias[0])
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), theirs.predict_proba(z)[:, 1], atol=1e-5)


@pytest.mark.parametrize("loss", ["absolute", "huber"])
def test_start_minimizes_the_error_of_training(loss):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 3)) * [1, 10, 1] + 5
    y = x @ [0.4, -0.02, 0.0] + rng.standard_t(2, 4000) / 5
    y[:800] += 9  # outliers that least squares would follow
    target = Values(loss=loss, delta=1.0)
    found = _fitted(target, x, y, np.ones(4000), 0)
    assert found.weight[0].numpy() == pytest.approx([0.4, -0.02, 0.0], abs=0.12)

    def loss_of(weight, bias):
        outputs = torch.from_numpy(x @ weight + bias)[:, None]
        errors = target.losses(outputs, torch.from_numpy(y)).sum()
        scaled = weight * x.std(0)
        return float(INVERSE_PENALTY * errors + (scaled**2).sum() / 2)

    weight, bias = found.weight[0].numpy(), float(found.bias)
    best = loss_of(weight, bias)
    for k in range(3):
        for move in (-0.003, 0.003):
            assert loss_of(weight + move * np.eye(3)[k] / x.std(0)[k], bias) > best - 1e-4
    assert loss_of(weight, bias + 0.003) > best - 1e-4
    assert loss_of(weight, bias - 0.003) > best - 1e-4


@pytest.mark.parametrize(
    "target",
    [
        Classes(3),
        MultiLabel(("a", "b")),
        Values(("a",), loss="huber", bins=(0, 1), bin_importance=(2,), limits=(0, 1)),
    ],
)
def test_a_kind_is_stored_and_read(target):
    assert target_from_facts(json.loads(json.dumps(target.facts()))) == target


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"kind": "else"},
        {"kind": "classes", "n": 0},
        {"kind": "classes", "n": True},
        {"kind": "multi_label", "names": [3]},
        {**Values().facts(), "spread": [0]},
        {**Values().facts(), "loss": ["absolute"]},
        {**Values().facts(), "delta": "1"},
        {**Values().facts(), "delta": float("nan")},
        {**Values().facts(), "more": 1},
    ],
)
def test_facts_that_nothing_wrote_are_refused(facts):
    with pytest.raises(ValueError, match=r"its|has|holds|got"):
        target_from_facts(facts)


@pytest.mark.parametrize(
    ("target", "targets", "words"),
    [
        (Values(), [0, 1, 2], "float32"),
        (Values(), np.float32([[1, 2]]), "float32"),
        (Values(("a", "b")), np.float32([1, 2]), r"\[n_steps, 2\]"),
        (Values(bins=(0, 600)), np.float32([np.nan, 601]), "0 to 600"),
        (MultiLabel(("a", "b")), [0, 1], r"\[n_steps, 2\]"),
        (MultiLabel(("a",)), [[2]], "0 and 1"),
        (Classes(2), np.float32([0, 1]), "integer class"),
        (Classes(2), [0, 2], "0 to 1"),
    ],
)
def test_targets_of_another_kind_are_refused(target, targets, words):
    with pytest.raises(DataError, match=words):
        target.check(series(targets))


def test_options_that_contradict_are_refused():
    for wrong in (
        {"names": ()},
        {"loss": "cubic"},
        {"spread": (0.0,)},
        {"spread": (1.0, 2.0)},
        {"bins": (1, 1)},
        {"limits": (1, 0)},
        {"limits": (1,)},
        {"bins": (0, 1), "bin_importance": (1, 2)},
        {"names": ("a", "b"), "bins": (0, 1)},
    ):
        with pytest.raises(ConfigError):
            Values(**wrong)


def test_infinite_targets_are_no_targets():
    with pytest.raises(DataError, match="finite or NaN"):
        series(np.float32([np.inf]))


def test_a_task_says_its_target_once():
    s = series(np.float32([1, 2]))
    parts = {"train": (s,), "valid": (), "test": (), "main_score": "x"}
    task = Task(**parts, target=Values())
    assert replace(task, valid=(s,)).target == Values()
    assert Task(**{**parts, "train": ()}, n_classes=3).target == Classes(3)
    for wrong in (
        {},
        {"target": Classes(2), "n_classes": 3},
        {"target": Values(), "class_weights": (1, 2)},
    ):
        with pytest.raises(DataError):
            Task(**parts, **wrong)
    with pytest.raises(DataError, match="float32"):
        Task(**parts, target=Values(("a", "b")))


def test_windows_of_values_have_no_classes_to_go_by():
    table = window_table([series(np.float32([1, np.nan, 3, 4]))], 2, 1)
    assert table.label_counts.tolist() == [[1], [2]]
    assert table.weight.tolist() == [1, 2]
    with pytest.raises(ConfigError, match="values or several labels"):
        _ = table.label


def test_a_step_is_labelled_where_it_has_any_target():
    assert series(np.float32([[1, np.nan], [np.nan, np.nan]])).labelled.tolist() == [True, False]
    assert series([[-1, 0], [-1, -1]]).labelled.tolist() == [True, False]
    assert series(np.float32([-1, np.nan])).labelled.tolist() == [True, False]


def test_the_example_of_the_plugins_page():
    page = (Path(__file__).parents[3] / "docs" / "plugins.md").read_text(encoding="utf-8")
    code = page.partition("# memcell_ours/seconds.py\n")[2].partition("```")[0]
    names = {}
    exec(compile(code, "seconds.py", "exec", dont_inherit=True), names)
    s = series(np.float32([10, 20, 100, 500, 300, np.nan]))
    task = names["seconds_task"]([s], [], [s])
    weights = np.array(task.class_weights) * [2, 3]
    assert weights[0] == pytest.approx(3 * weights[1])
    assert task.target.centre == (100.0,)
