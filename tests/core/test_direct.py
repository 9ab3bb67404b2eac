"""Updates without autograd: the weights are those of autograd, which is used where it is needed."""

from __future__ import annotations

import copy

import pytest
import torch
from tests.core.conftest import ToyApp

from memcell.training import direct, passes
from memcell.training.stepping import Stepping, clip_gradients


def trained(make_trainer, monkeypatch, directly, updates=12, c=False, **settings):
    """Return a trainer after some updates, and how many of them went without autograd.

    Readout, bound and optimizer are those of torch, unless they are to be those in C.
    """
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
        if not c:
            patched.setattr(direct, "_native_readout", lambda dtype: None)
        trainer = make_trainer(**settings)
        trainer._step.native &= c
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


@pytest.mark.parametrize(
    "settings",
    [
        {"network": {"skip": "linear", "start": "random"}},
        {"optimizer": ("adamw", {"weight_decay": 0.1}), "training": {"clip": 0.01}},
    ],
    ids=lambda s: str(s),
)
def test_with_readout_and_optimizer_in_c_the_weights_are_the_same_to_rounding(
    make_trainer, monkeypatch, settings
):
    found, count = trained(make_trainer, monkeypatch, True, c=True, **settings)
    expected, _ = trained(make_trainer, monkeypatch, False, **settings)
    assert count == 12
    assert found._step.known is not None
    before = expected.network.state_dict()
    for name, tensor in found.network.state_dict().items():
        assert torch.allclose(tensor, before[name], rtol=1e-3, atol=1e-4), name
    assert found.at.loss == pytest.approx(expected.at.loss, rel=1e-5)


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


def pairs(*shapes, dtype=torch.float32):
    """Return parameters twice, with gradients."""
    mine = [torch.randn(shape, dtype=dtype).requires_grad_() for shape in shapes]
    other = [p.detach().clone().requires_grad_() for p in mine]
    give_gradients(mine, other)
    return mine, other


def give_gradients(mine, other):
    for x, y in zip(mine, other, strict=True):
        x.grad = torch.randn_like(x.detach())
        y.grad = x.grad.clone()


@pytest.mark.parametrize("limit", [0.5, 1e9, float("inf")])
def test_the_norm_is_that_of_torch(limit):
    mine, other = pairs((7, 3), (11,), ())
    found = clip_gradients(mine, limit)
    assert found == float(torch.nn.utils.clip_grad_norm_(other, limit))
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(mine, other, strict=True))


@pytest.mark.parametrize("native", [True, False])
def test_a_gradient_that_is_no_number_shows_in_the_norm_and_ends_the_update(native):
    mine, other = pairs((40,), (3,))
    optimizer = torch.optim.Adam(mine)
    optimizer.step()
    step, before = Stepping(optimizer, native), [p.detach().clone() for p in mine]
    for value, expected in ((float("nan"), "nan"), (1e30, "inf")):
        give_gradients(mine, other)
        mine[1].grad[1] = value
        assert str(step(mine, 1.0)) == expected
    assert all(torch.equal(p, b) for p, b in zip(mine, before, strict=True))


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("limit", [0.5, float("inf")])
def test_steps_are_those_of_torch_where_parameters_come_and_go(kind, limit):
    mine, other = pairs((4,), (7, 5), (129,), dtype=torch.float64)
    a, b = kind(mine, lr=0.1, weight_decay=0.1), kind(other, lr=0.1, weight_decay=0.1)
    step, natively = Stepping(a, True), []
    for i in range(8):
        if i == 6:
            a.load_state_dict(copy.deepcopy(b.state_dict()))
        give_gradients(mine, other)
        if i == 3:
            mine[1].grad = other[1].grad = None
        version = mine[0]._version
        norm = step(mine, limit)
        assert mine[0]._version > version
        natively.append(step.known is not None and step.known.moments[0].steps.item() == i + 1)
        assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(other, limit)), rel=1e-12)
        b.step()
        for x, y in zip(mine, other, strict=True):
            assert torch.allclose(x, y, rtol=1e-12, atol=1e-14)
            if x.grad is not None:
                assert torch.allclose(x.grad, y.grad, rtol=1e-12)
    assert natively[1:3] == [True, True]
    # from then on one of them has had fewer steps than the others, which is torch's own way
    expected = [b.state[y]["step"].item() for y in other]
    assert [a.state[x]["step"].item() for x in mine] == expected == [8, 7, 8]


def test_hooks_of_an_optimizer_are_called():
    tensor = torch.ones(2, requires_grad=True)
    optimizer, heard = torch.optim.Adam([tensor]), []
    optimizer.register_step_post_hook(lambda *_: heard.append(1))
    step = Stepping(optimizer, True)
    for _ in range(3):
        tensor.grad = torch.ones(2)
        step([tensor], 1.0)
    assert len(heard) == 3
