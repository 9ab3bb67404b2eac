"""Encoders and heads by name: their contract, and that training, inference and export carry their state."""

from __future__ import annotations

import dataclasses
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

import memcell_plugins
from memcell import HeadPlace, WindowHead
from memcell.errors import PluginError, UsageError
from memcell.inference.inference import InferenceStream, probabilities
from memcell.inference.onnx.step import NetworkStep
from memcell.inference.stepping import NetworkStepper
from memcell.network.around import Unchanged
from memcell.plugins import Registry, default_registry
from memcell.plugins.loader import Loaded
from memcell.plugins.registry import NoOptions
from memcell.plugins.specs import EncoderSpec, HeadSpec
from memcell.recurrent.cell import Cell
from memcell.recurrent.state import leaves
from memcell.settings.run_config import Choice
from memcell.testing import (
    ENCODER_CHECKS,
    HEAD_CHECKS,
    CheckFailed,
    builder,
    concerns,
    declared,
)
from memcell.testing.network_parts import chosen_backend_gives_the_same
from memcell_plugins.heads.attention import Attention, AttentionState

ENCODERS = {spec.name: spec for spec in memcell_plugins.memcell_encoders()}
HEADS = {spec.name: spec for spec in memcell_plugins.memcell_heads()}
#: Shorter pasts than a window of the checks, which has 12 steps, beside the default.
OPTIONS = {
    "attention": [{"past": 4}, {"past": 4, "heads": 4}],
    "conv": [{"kernel": 2, "channels": 3}],
    "mlp": [{"layers": 2}],
}
EAGER = {"backend": "eager"}


def cases():
    for spec in (*ENCODERS.values(), *HEADS.values()):
        for options in ({}, *OPTIONS.get(spec.name, [])):
            checks = ENCODER_CHECKS if isinstance(spec, EncoderSpec) else HEAD_CHECKS
            for check in checks:
                marks = [pytest.mark.slow] if check is chosen_backend_gives_the_same else []
                words = "".join(f"-{k}{v}" for k, v in options.items())
                name = f"{spec.name}{words}-{check.__name__}"
                yield pytest.param(spec, options, check, id=name, marks=marks)


@pytest.mark.parametrize(("spec", "options", "check"), list(cases()))
def test_built_in_part_keeps_the_contract(spec, options, check):
    check(builder(spec, **options), declared(spec, **options))


class _Peeks(nn.Linear):
    """Mixes each step with the next one, and says nothing of it."""

    def __init__(self, place):
        super().__init__(place.width, 4)
        self.output_size = 4

    def forward(self, x):
        return super().forward(x + x.roll(-1, 0))


class _Remembers(nn.Linear):
    """Keeps its last step on itself, where no policy finds it."""

    def __init__(self, place):
        super().__init__(place.width, 4)
        self.output_size, self.last = 4, None

    def forward(self, x):
        before = x[:1].detach() * 0 if self.last is None else self.last
        self.last = x[-1:].detach()
        return super().forward(x + torch.cat((before, x[:-1])))


class _Mixes(nn.Linear):
    """Takes a mean over the lanes."""

    def __init__(self, place):
        super().__init__(place.width, 4)
        self.output_size = 4

    def forward(self, x):
        return super().forward(x - x.mean(1, keepdim=True))


class _Heedless(WindowHead):
    """Sums up the steps to come, over resets and padding."""

    def __init__(self, place):
        super().__init__()
        self.linear, self.output_size = nn.Linear(place.width, 4), 4

    def forward(self, hidden, inputs, masks, generator=None):
        return self.linear(hidden.flip(0).cumsum(0).flip(0))


@pytest.mark.parametrize(
    ("build", "offline", "failed"),
    [
        (_Peeks, False, "later_steps_change_nothing_before"),
        (_Remembers, False, "window_may_be_cut_anywhere"),
        (_Mixes, False, "lanes_are_apart"),
        (_Heedless, True, "reset_separates"),
        (_Heedless, True, "padding_is_ignored"),
        (_Heedless, False, "part_is_usable"),
        (lambda place: nn.Linear(place.width, 4), False, "part_is_usable"),
    ],
)
def test_kit_rejects(build, offline, failed):
    spec = HeadSpec(name="bad", factory="no:where", offline=offline)
    (check,) = [c for c in HEAD_CHECKS if c.__name__ == failed]
    with pytest.raises(CheckFailed):
        check(build, spec)


def test_attention_is_the_softmax_over_the_steps_since_the_reset():
    """The equations of its module, written out for one lane."""
    torch.manual_seed(0)
    place = HeadPlace(width=3, input_width=3, n_outputs=2, cell=_no_cell)
    head = builder(HEADS["attention"], past=2, width=4)(place)
    with torch.no_grad():
        head.distance.copy_(torch.tensor([0.3, -0.2, 0.1]))
    h = torch.randn(4, 1, 3)
    state, got = head.initial_state(1), []
    parts = head.project(h)
    for t in range(4):
        out, state = head.step(tuple(p[t] for p in parts), state, lambda site, z: z)
        got.append(out[0])
    wq, wk, wv = head.weight.chunk(3)
    for t in range(4):
        seen = range(max(0, t - 2), t + 1)
        scores = torch.stack(
            [(wq @ h[t, 0]) @ (wk @ h[s, 0]) / 2 + head.distance[2 - (t - s)] for s in seen]
        )
        share = scores.softmax(0)
        found = sum(a * (wv @ h[s, 0]) for a, s in zip(share, seen, strict=True))
        assert torch.allclose(got[t], torch.cat((h[t, 0], found)), atol=1e-6)
    assert isinstance(head, Attention)
    assert isinstance(state, AttentionState)


def _no_cell(width):
    raise AssertionError("no other cell is needed")


def test_conv_is_a_convolution_that_sees_no_future():
    torch.manual_seed(0)
    conv = builder(ENCODERS["conv"], kernel=3, channels=4)(2)
    x, got = torch.randn(7, 1, 2), []
    state = conv.initial_state(1)
    for t in range(7):
        y, state = conv.step(tuple(p[t] for p in conv.project(x)), state, None)
        got.append(y[0])
    # torch's kernel runs from the oldest step to the newest: [C, I, k]
    past = conv.weight_past.reshape(4, 2, 2).transpose(1, 2)
    kernel = torch.cat((past, conv.weight_input.unsqueeze(2)), 2)
    padded = nn.functional.pad(x[:, 0].T, (2, 0))
    wanted = torch.tanh(nn.functional.conv1d(padded[None], kernel, conv.bias))[0].T
    assert torch.allclose(torch.stack(got), wanted, atol=1e-6)


@pytest.mark.parametrize(
    "parts",
    [
        {"head": "mlp"},
        {"head": "bidirectional"},
        {"encoder": "conv", "head": ("attention", {"past": 7})},
    ],
)
def test_resumed_training_is_the_whole(make_trainer, parts):
    whole = make_trainer("whole", training=EAGER, **parts)
    whole.train_to(9)
    first = make_trainer("parts", training=EAGER, **parts)
    first.train_to(4)
    first.save()
    second = make_trainer("parts", training=EAGER, **parts)
    second.restore()
    second.train_to(9)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name]), name


@pytest.mark.parametrize("policy", ["learned", "decay", "stored", "noise", "burn_in"])
def test_state_policies_take_their_state(make_trainer, policy):
    sampler = "reshuffle" if policy == "stored" else "stream"
    trainer = make_trainer(
        training=EAGER,
        policy=policy,
        sampler=sampler,
        encoder="conv",
        head=("attention", {"past": 3}),
    )
    trainer.train_to(6)
    assert all(bool(torch.isfinite(w).all()) for w in trainer.network.parameters())


@pytest.mark.parametrize(
    "parts",
    [{"head": "mlp"}, {"head": "encoder_decoder"}, {"encoder": "conv", "head": "attention"}],
)
def test_single_steps_give_what_a_recording_gives(make_trainer, toy_task, parts):
    network = make_trainer(training=EAGER, **parts).network
    (sequence,) = toy_task.valid
    (whole,) = probabilities(network, [sequence], "carry", 10)
    stepper = NetworkStepper(network, 3)
    steps = []
    for x, start in zip(sequence.features, sequence.starts, strict=True):
        if start:
            stepper.restart()
        steps.append(stepper.step(x))
    np.testing.assert_allclose(np.stack(steps), whole, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "parts",
    [
        {"head": "bidirectional"},
        {"head": "encoder_decoder"},
        {"encoder": "conv", "head": ("attention", {"past": 200})},
    ],
)
def test_generated_code_runs_them_and_single_steps_have_its_bits(make_trainer, toy_task, parts):
    network = make_trainer(**parts).network
    assert all(layer.runs == "as generated C" for layer in network.layers)
    (sequence,) = toy_task.valid
    (whole,) = probabilities(network, [sequence], "carry", 10)
    assert all(layer.runs == "as generated C" for layer in network.layers)
    if network.looks_ahead:
        return
    stepper, steps = NetworkStepper(network, 3), []
    for x, start in zip(sequence.features, sequence.starts, strict=True):
        if start:
            stepper.restart()
        steps.append(stepper.step(x))
    assert stepper.reason == ""
    assert np.array_equal(np.stack(steps), whole)


def test_head_of_another_distribution_is_checked_before_it_trains(make_config, monkeypatch):
    module = types.ModuleType("memcell_odd_head")
    monkeypatch.setattr(module, "mixes", lambda place, config: _Mixes(place), raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    loaded = [
        Loaded(spec=e.spec, distribution=e.distribution, version=e.version)
        for e in default_registry().entries()
    ]
    spec = HeadSpec(name="mixes", factory="memcell_odd_head:mixes")
    registry = Registry([*loaded, Loaded(spec=spec, distribution="memcell-odd", version="0.3")])
    config = make_config()
    chosen = {**config.choices, "head": Choice(name="mixes", config=NoOptions())}
    (line,) = concerns(dataclasses.replace(config, choices=chosen), registry)
    assert "head 'mixes' of memcell-odd 0.3: expected each lane to be treated by itself" in line
    assert concerns(config, registry) == []


def test_bidirectional_reads_windows_of_the_trainings_length(make_trainer, toy_task):
    network = make_trainer(training=EAGER, head="bidirectional").network
    (sequence,) = toy_task.valid
    (whole,) = probabilities(network, [sequence], "carry", 10)
    other = sequence.features.copy()
    other[15:] += 1.0  # within the second window
    stream = InferenceStream(network, "carry", 10)
    changed = np.concatenate([stream.push(other[:33], sequence.starts[:33]), stream.push(
        other[33:], sequence.starts[33:]), stream.end()])  # fmt: skip
    assert np.array_equal(changed[:10], whole[:10])
    assert not np.isclose(changed[10:15], whole[10:15]).any()
    whole_stream = InferenceStream(network, "carry", 10)
    assert len(whole_stream.push(sequence.features[:25])) == 20  # what is over


def test_bidirectional_is_refused_where_steps_come_singly(make_trainer):
    network = make_trainer(training=EAGER, head="bidirectional").network
    with pytest.raises(
        UsageError, match=r"Bidirectional cannot be run step by step.*--head linear"
    ):
        NetworkStepper(network, 3)
    with pytest.raises(UsageError, match="cannot be exported to ONNX"):
        NetworkStep(network, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "parts",
    [
        {"encoder": "conv", "head": ("attention", {"past": 3})},
        {"head": "mlp"},
        {"head": "encoder_decoder"},
    ],
)
def test_exported_file_gives_the_numbers_of_torch(make_trainer, parts):
    from memcell.inference.onnx.check import check
    from memcell.inference.onnx.scan import scan_model

    step = NetworkStep(make_trainer(training=EAGER, **parts).network.eval(), 3)
    check(scan_model(step).SerializeToString(), step)
    layers = 1 + sum(isinstance(layer.cell, Cell) for layer in step.network.recurrent.each[1:])
    assert len({name.split("_")[1] for name in step.names}) == layers


def test_default_network_has_the_weights_that_it_always_had(make_trainer):
    network = make_trainer(training=EAGER).network
    assert isinstance(network.head, Unchanged)
    names = {name.partition(".")[0] for name in network.state_dict()}
    assert names == {"recurrent", "readout"}


def test_regression_start_is_the_regression_whatever_the_head(make_trainer, toy_task):
    plain = make_trainer("a", training=EAGER, network={"skip": "fixed"})
    headed = make_trainer(
        "b", training=EAGER, network={"skip": "fixed"}, encoder="conv", head="attention"
    )
    pair = [probabilities(t.network, toy_task.valid, "carry", 10)[0] for t in (plain, headed)]
    np.testing.assert_allclose(*pair, atol=1e-6)


def test_state_is_part_of_the_carried_memory(make_trainer):
    trainer = make_trainer(training=EAGER, encoder="conv", head=("attention", {"past": 3}))
    trainer.train_to(2)
    shapes = [tuple(t.shape[1:]) for t in leaves(trainer.network.initial_state(1))]
    assert shapes == [(12,), (6,), (6,), (3, 32), (3, 32), (3,)]
    kept = trainer.parts.policy.memory_dict()
    assert len(kept) >= len(shapes)


def test_part_of_another_kind_is_named(make_trainer, monkeypatch):
    monkeypatch.setattr("memcell_plugins.heads.mlp.MLP", lambda place, config: "no module")
    with pytest.raises(
        PluginError, match=r"head 'mlp' of .* built a str; expected a Cell or a module"
    ):
        make_trainer(training=EAGER, head="mlp")
