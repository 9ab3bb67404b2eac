"""Updates without autograd: the same weights to the bit as with it, and autograd where it is needed."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from tests.core.conftest import ToyApp

from memcell.training import passes, stepping


def trained(make_trainer, monkeypatch, directly, updates=12, **settings):
    """Return a trainer after some updates, and how many of them went without autograd."""
    count = [0]
    real = passes.run_directly

    def counted(*args):
        found = real(*args)
        count[0] += found is not None
        return found

    with monkeypatch.context() as patched:
        patched.setattr(passes, "run_directly", counted)
        if not directly:
            patched.setattr(passes, "direct", lambda network: False)
            patched.setattr(stepping, "_plain", lambda optimizer: False)
        trainer = make_trainer(**settings)
        trainer.train_to(updates)
    return trainer, count[0]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"policy": "reset"},
        {"cell": "gru", "network": {"layers": 2}},
        {"network": {"skip": "linear", "start": "random", "input_noise": 0.1, "input_shift": 0.2}},
        {"normalizer": ("batch", {"min_lanes": 2})},
        {"normalizer": "layer"},
        {"optimizer": ("adamw", {"weight_decay": 0.1})},
        {"optimizer": ("adam", {"weight_decay": 0.1}), "training": {"clip": 0.01}},
        {"optimizer": "sgd", "training": {"clip": 0}},
        {"training": {"mixed_precision": True}},
    ],
    ids=lambda s: str(s),
)
def test_the_weights_are_the_same_to_the_bit(make_trainer, monkeypatch, settings):
    found, count = trained(make_trainer, monkeypatch, True, **settings)
    expected, none = trained(make_trainer, monkeypatch, False, **settings)
    assert count == 12
    assert none == 0
    before = expected.network.state_dict()
    for name, tensor in found.network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    moments = expected.parts.optimizer.state_dict()["state"]
    for number, state in found.parts.optimizer.state_dict()["state"].items():
        for name, value in state.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(moments[number][name]))
    assert torch.equal(found.memory.generator.get_state(), expected.memory.generator.get_state())


def test_a_trained_encoder_keeps_its_graph(make_trainer, monkeypatch):
    def encoder(self, n_features):
        made = torch.nn.Sequential(torch.nn.Linear(n_features, 4), torch.nn.Tanh())
        made.output_size = 4
        return made

    monkeypatch.setattr(ToyApp, "encoder", encoder)
    settings = {"network": {"skip": "fixed", "input_noise": 0.1}}
    found, count = trained(make_trainer, monkeypatch, True, **settings)
    expected, _ = trained(make_trainer, monkeypatch, False, **settings)
    assert count == 12
    before = expected.network.state_dict()
    assert any(name.startswith("encoder.") for name in before)
    assert all(torch.equal(t, before[name]) for name, t in found.network.state_dict().items())


@pytest.mark.parametrize(
    "settings",
    [
        {"training": {"backend": "eager"}},
        {"network": {"layers": 2, "dropout": 0.2}},
        {"policy": "learned"},
        {"head": "bidirectional"},
        {"network": {"zoneout": (0.1,)}},
    ],
    ids=lambda s: str(s),
)
def test_autograd_is_used_where_it_is_needed(make_trainer, monkeypatch, settings):
    found, count = trained(make_trainer, monkeypatch, True, updates=2, **settings)
    assert count == 0
    assert found.at.update == 2


def test_a_hook_on_a_module_is_called(make_trainer):
    trainer, heard = make_trainer(), []
    trainer.train_to(1)
    trainer.network.readout.register_forward_hook(lambda *_: heard.append(1))
    trainer.train_to(3)
    assert len(heard) == 2


def test_a_hook_on_a_parameter_is_called(make_trainer):
    trainer, heard = make_trainer(), []
    trainer.network.readout.weight.register_hook(lambda gradient: heard.append(gradient.shape))
    trainer.train_to(2)
    assert len(heard) == 2


@pytest.mark.parametrize("limit", [0.5, 1e9, float("inf")])
def test_the_norm_is_that_of_torch(limit):
    tensors = [torch.randn(7, 3), torch.randn(11), torch.randn(())]
    mine, other = ([t.clone().requires_grad_() for t in tensors] for _ in range(2))
    for a, b in zip(mine, other, strict=True):
        a.grad = torch.randn_like(a)
        b.grad = a.grad.clone()
    found = stepping.clip_gradients(mine, limit)
    assert found == float(torch.nn.utils.clip_grad_norm_(other, limit))
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(mine, other, strict=True))


def test_a_gradient_that_is_no_number_shows_in_the_norm():
    tensor = torch.ones(3, requires_grad=True)
    tensor.grad = torch.tensor([1.0, float("nan"), 1.0])
    assert math.isnan(stepping.clip_gradients([tensor], 1.0))


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_steps_are_those_of_torch_where_parameters_come_and_go(kind):
    shapes = [(4,), (7, 5)]
    mine, other = ([torch.ones(s, requires_grad=True) for s in shapes] for _ in range(2))
    a, b = kind(mine, lr=0.1, weight_decay=0.1), kind(other, lr=0.1, weight_decay=0.1)
    for i in range(8):
        if i == 6:
            a.load_state_dict(copy.deepcopy(b.state_dict()))
        for x, y in zip(mine, other, strict=True):
            x.grad = torch.randn(x.shape)
            y.grad = x.grad.clone()
        if i == 3:
            mine[1].grad = other[1].grad = None
        stepping.step(a)
        b.step()
    assert all(torch.equal(x, y) for x, y in zip(mine, other, strict=True))


def test_hooks_of_an_optimizer_are_called():
    tensor = torch.ones(2, requires_grad=True)
    optimizer, heard = torch.optim.Adam([tensor]), []
    optimizer.register_step_post_hook(lambda *_: heard.append(1))
    for _ in range(3):
        tensor.grad = torch.ones(2)
        stepping.step(optimizer)
    assert len(heard) == 3
