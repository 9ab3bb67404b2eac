"""Samplers and state policies in a loop of one's own: the trainer's batches, memory and weights."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from torch import nn

import memcell
from memcell.errors import ConfigError, IncompatibleError, UsageError
from memcell.nn import Policy, Recurrent, Windows
from memcell.plugins import default_registry
from memcell.recurrent.state import leaves
from memcell.sequences import collate

POLICIES = [e.spec.name for e in default_registry().entries("policy") if e.built_in]
STREAMS = "stream"


def layer_like(network):
    """Return a layer and a readout with the weights of a trained run's network."""
    rnn = Recurrent("lstm", 3, 6, len(network.recurrent.layers))
    rnn.stack.load_state_dict(network.recurrent.state_dict())
    return rnn, copy.deepcopy(network.readout)


def options_of(policy):
    return {"fitted_noise": {"least": 5, "pool": 9}}.get(policy, {})


@pytest.mark.parametrize("policy", POLICIES)
def test_own_loop_does_what_the_trainer_does(make_trainer, toy_task, policy):
    """Two epochs with the policy's memory, weights and random numbers: the same weights at the end."""
    choice = (policy, options_of(policy))
    training = {"epochs": 2, "clip": 0.0, "schedule": "constant", "warmup": 0, "seed": 5}
    training |= {"backend": "eager"}
    trainer = make_trainer(policy=choice, optimizer="sgd", training=training)
    rnn, readout = layer_like(trainer.network)
    windows = Windows(toy_task.train, 10, 4, seed=5)
    own = Policy(policy, rnn, windows, options=options_of(policy))
    own.start.load_state_dict(trainer.network.start.state_dict())
    optimizer = copy.copy(trainer.parts.optimizer)
    defaults = {k: v for k, v in optimizer.defaults.items() if k in ("lr", "momentum", "nesterov")}
    optimizer = torch.optim.SGD(
        [*rnn.parameters(), *readout.parameters(), *own.parameters()], **defaults
    )
    for _ in range(2):
        for batch in windows:
            y, states = rnn(batch.x, **own.begin(batch))
            losses = nn.functional.cross_entropy(
                readout(y).flatten(0, 1), batch.y.flatten().clamp_min(0), reduction="none"
            )
            optimizer.zero_grad()
            (losses.view_as(batch.weight) * batch.weight).sum().div(batch.weight.sum()).backward()
            optimizer.step()
            own.end(batch, states)
    for _ in range(2):  # not `train`, which goes back to the best epoch
        trainer._epoch(None)
        trainer._end_of_epoch()
    wanted = [*trainer.network.recurrent.parameters(), *trainer.network.readout.parameters()]
    got = [*rnn.parameters(), *readout.parameters()]
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)
    before = list(layer_like(make_trainer("again", optimizer="sgd").network)[0].parameters())
    assert not all(torch.allclose(a, b) for a, b in zip(got, before, strict=False))


@pytest.mark.parametrize("sampler", ["stream", "reshuffle", "blocks", "curriculum", "shuffle_once"])
def test_batches_are_the_trainers(make_trainer, toy_task, sampler):
    trainer = make_trainer(policy="reset", sampler=sampler, training={"seed": 7})
    windows = Windows(toy_task.train, 10, 4, sampler=sampler, seed=7)
    ends = None
    for epoch in range(2):
        table, order = trainer.order(epoch)
        assert len(windows) == len(order)
        for rows, batch in zip(order, windows, strict=True):
            wanted = collate(toy_task.train, table, rows, ends)
            ends = table.ends(rows)
            for name in ("x", "y", "valid", "weight", "starts", "sequence", "offset", "continues"):
                assert torch.equal(getattr(batch, name), getattr(wanted, name)), name


def memory_of(windows, policy, rnn, batches):
    """Run some batches; the state that each began with."""
    began = []
    for batch in batches:
        arguments = policy.begin(batch)
        began.append([t.detach().clone() for t in leaves(arguments["state"])])
        _, states = rnn(batch.x, **arguments)
        policy.end(batch, states)
    return began


@pytest.mark.parametrize("policy", ["carry", "carry_p", "refresh", "stored", "pool"])
def test_loop_goes_on_where_it_stopped(toy_task, policy):
    if policy not in POLICIES:
        policy = "fitted_noise"
    torch.manual_seed(0)
    rnn = Recurrent("gru", 3, 4)

    def made():
        windows = Windows(toy_task.train, 10, 4, seed=2)
        return windows, Policy(policy, rnn, windows, options=options_of(policy))

    windows, own = made()
    whole = [
        memory_of(windows, own, rnn, windows),
        memory_of(windows, own, rnn, windows),
    ]
    windows, own = made()
    stopped, parts = io.BytesIO(), []
    for batch in windows:
        parts += memory_of(windows, own, rnn, [batch])
        if len(parts) == 3:
            torch.save({"windows": windows.state_dict(), "policy": own.state_dict()}, stopped)
            break
    windows, own = made()
    stopped.seek(0)
    state = torch.load(stopped, weights_only=True)
    windows.load_state_dict(state["windows"])
    own.load_state_dict(state["policy"])
    parts += memory_of(windows, own, rnn, windows)
    again = [parts, memory_of(windows, own, rnn, windows)]
    torch.testing.assert_close(again, whole, rtol=0, atol=0)


def test_learned_start_is_trained():
    windows = Windows([np.random.default_rng(0).normal(size=(30, 3))], 10, 1)
    rnn = Recurrent("lstm", 3, 4)
    policy = Policy("learned", rnn, windows)
    assert {id(p) for p in policy.parameters()}.isdisjoint(id(p) for p in rnn.parameters())
    (batch, *_) = windows
    y, _ = rnn(batch.x, **policy.begin(batch))
    y.sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in policy.parameters())


def test_replay_runs_the_encoder_in_the_mode_of_inference():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.9), nn.Linear(5, 5).eval())
    windows = Windows([torch.randn(40, 3)], 10, 1)
    rnn = Recurrent("gru", 5, 4)
    policy = Policy("burn_in", rnn, windows, encoder=encoder, options={"steps": 10})
    with torch.no_grad():
        for batch in windows:
            state = policy.begin(batch)["state"]
            policy.end(batch, rnn(encoder(batch.x), **policy.begin(batch))[1])
            before = windows.sequences[0].features[int(batch.offset) - 10 : int(batch.offset)]
            if len(before):
                encoder.eval()
                _, wanted = rnn.eval()(encoder(torch.from_numpy(before)[:, None]))
                torch.testing.assert_close(state.layers, wanted.layers)
                encoder.train()[2].eval()
                rnn.train()
            assert [m.training for m in encoder] == [True, True, False]


def test_targets_of_any_form_come_with_their_steps():
    x = np.arange(24, dtype=np.float32).reshape(12, 2)
    several = [(x, np.stack([x[:, 0], -x[:, 1]], 1)), (x[:5], np.full((5, 2), np.nan))]
    windows = Windows(several, 5, 2, sampler_options={"shuffle_sequences": False})
    for batch in windows:
        assert batch.y.shape == (5, 2, 2)
        known = batch.weight > 0
        torch.testing.assert_close(batch.y[known][:, 0], batch.x[known][:, 0], rtol=0, atol=0)
        assert not batch.y[~known].any()
    assert known[:, 0].tolist() == [True, True, False, False, False]
    (batch,) = Windows([(x[:4], [0.5, -1.0, np.nan, 2.5])], 5, 1)
    assert batch.y[:, 0].tolist() == [0.5, -1.0, 0.0, 2.5, 0.0]
    assert batch.weight[:, 0].tolist() == [1, 1, 0, 1, 0]
    (batch,) = Windows([(x[:4], torch.tensor([[0, 1], [1, 1], [-1, -1], [0, 0]]))], 5, 1)
    assert batch.y[:, 0].tolist() == [[0, 1], [1, 1], [-1, -1], [0, 0], [-1, -1]]
    assert batch.weight[:, 0].tolist() == [1, 1, 0, 1, 0]
    for kind in (np.uint8, bool):
        (batch,) = Windows([(x[:4], np.array([0, 1, 1, 0], kind))], 5, 1)
        assert batch.y[:, 0].tolist() == [0, 1, 1, 0, -1]
    (batch,) = Windows([x[:4]], 5, 1)
    assert not batch.weight.any()


def test_values_are_refused_by_a_sampler_of_classes():
    windows = Windows([(np.zeros((6, 2)), np.zeros(6))], 3, 1, sampler="balanced")
    with pytest.raises(ConfigError, match="goes by the classes of steps"):
        next(iter(windows))


def test_sampler_learns_from_losses():
    sequences = [(np.zeros((10, 1)), np.zeros(10, int)) for _ in range(8)]
    windows = Windows(sequences, 10, 4, sampler="curriculum")
    before = windows.state_dict()["sampler"]
    for batch in windows:
        windows.observe(batch, torch.rand(10, 4) * batch.weight)
    assert windows.state_dict()["sampler"] != before
    with pytest.raises(ValueError, match=r"losses are of shape \[4\]; expected \[10, 4\]"):
        windows.observe(batch, torch.rand(4))
    grab = Windows(sequences, 10, 4, sampler="grab")
    (batch, *_) = grab
    with pytest.raises(ValueError, match=r"'grab' learns from gradients"):
        grab.observe(batch, torch.rand(10, 4))
    grab.observe(batch, torch.rand(10, 4), torch.rand(4, 3))


X = np.zeros((6, 2))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Windows([], 5, 1), r"no sequence was given"),
        (lambda: Windows([X], 0, 1), r"time_steps=0; expected a whole number from 1"),
        (lambda: Windows([X], 5, 1, sampler="steam"), r"steam.*stream"),
        (lambda: Windows([X[0]], 5, 1), r"sequence 0 has shape \[2\]; expected \[n_steps, F\]"),
        (
            lambda: Windows([X, np.zeros((6, 3))], 5, 1),
            r"sequence 1 has 3 features .* sequence 0 2",
        ),
        (
            lambda: Windows([(X, [0, 1])], 5, 1),
            r"sequence 0 has 6 steps and targets of shape \[2\]",
        ),
        (
            lambda: Windows([(X, np.zeros((6, 2, 2)))], 5, 1),
            r"targets of shape \[6, 2, 2\]; expected",
        ),
        (lambda: Windows([(X, [0, 1, 2, 3, 4, -2])], 5, 1), r"sequence 0 has the target -2"),
        (lambda: Windows([X * np.nan], 5, 1), r"feature 0 at step 0 is not a finite number"),
        (
            lambda: Windows([(X, [0] * 6), (X, [0.5] * 6)], 5, 1),
            r"sequence 1 has targets float32 \[n_steps\], sequence 0 int64 \[n_steps\]",
        ),
        (
            lambda: Policy("carry", Recurrent("gru", 2, 3, batch_first=True), Windows([X], 5, 1)),
            r"batch_first=False",
        ),
        (
            lambda: Policy("carry", nn.LSTM(2, 3), Windows([X], 5, 1)),
            r"rnn is a LSTM; .*from_torch",
        ),
        (lambda: Policy("cary", Recurrent("gru", 2, 3), Windows([X], 5, 1)), r"cary.*carry"),
        (
            lambda: Policy(
                "carry", Recurrent("gru", 2, 3), Windows([X], 5, 1, sampler="reshuffle")
            ),
            r"'carry' needs row i .*'reshuffle' does not: use sampler 'stream'",
        ),
        (
            lambda: Policy("carry_p", Recurrent("gru", 2, 3), Windows([X], 5, 1), options={"q": 1}),
            r"\bq\b.*\bp\b",
        ),
    ],
)
def test_what_cannot_be_made_is_said(make, words):
    with pytest.raises(
        (ValueError, UsageError, ConfigError, IncompatibleError, memcell.DataError), match=words
    ):
        make()


def test_states_of_another_call_are_refused():
    windows = Windows([X], 5, 1)
    rnn = Recurrent("gru", 2, 3)
    policy = Policy("carry", rnn, windows)
    (batch, *_) = windows
    _, state = rnn(batch.x)
    with pytest.raises(
        ValueError, match=r"states is a RecurrentState; expected what rnn\(x, \*\*pol"
    ):
        policy.end(batch, state)
