"""Start states of weights that stand still, while the network's own weights move at every update."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memcell.nn import Policy, Recurrent, Windows
from memcell.recurrent.state import leaves
from memcell.testing.policies.harness import EPOCHS, PolicyHarness, recordings
from memcell_plugins import memcell_state_policies

SPECS = {spec.name: spec for spec in memcell_state_policies()}


def weights_at(harness, update):
    """Set the weights that a network has at an update: others at each, and the same for every policy."""
    torch.manual_seed(update)
    with torch.no_grad():
        for parameter in harness.network.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))


@torch.no_grad()
def moving(policy, epoch=0, k=0, order="stream"):
    """Live through the batches from one on, with other weights at every update; return how each began."""
    harness = PolicyHarness(policy, recordings(), order)
    n = harness.n_batches
    found = []
    for harness.memory.epoch in range(epoch, EPOCHS):
        if k == 0:
            policy.begin_epoch(harness.memory)
        for i in range(k, n):
            harness.memory.update = harness.memory.epoch * n + i
            weights_at(harness, harness.memory.update)
            moment = harness.run(harness.batch(i, harness.memory.epoch))
            found.append((moment, policy.memory_dict(), policy.counts()))
        k = 0
    return found


@torch.no_grad()
def made_by(update, like):
    """What the weights of one update make of the past of each window, by ``oracle``."""
    from memcell_plugins.policies.oracle import Oracle

    harness = PolicyHarness(Oracle(), recordings())
    weights_at(harness, update)
    return [Oracle().begin(moment.batch, harness.memory) for moment, _, _ in like]


def same(a, b, batch, rtol=0.0, atol=0.0):
    lanes = (batch.sequence >= 0) & ~batch.starts[0]
    assert torch.equal(a.age[lanes], b.age[lanes])
    for p, q in zip(leaves(a.state), leaves(b.state), strict=True):
        torch.testing.assert_close(p[lanes], q[lanes], rtol=rtol, atol=atol)
    return int(lanes.sum())


def begins(found, epoch):
    n = len(found) // EPOCHS
    return [moment.begin for moment, _, _ in found[epoch * n : (epoch + 1) * n]]


@pytest.mark.parametrize("every", [0, 2])
def test_states_are_those_of_the_epoch_that_renewed_to_the_bit(build, every):
    found = moving(build(SPECS["fixed_lens"], by="states", every=every))
    carry = moving(build(SPECS["carry"]))
    n = len(found) // EPOCHS
    carrying = 0
    for k in range(n):
        carrying += same(found[k][0].begin, carry[k][0].begin, found[k][0].batch)
        same(found[n + k][0].begin, found[k][0].begin, found[k][0].batch)
    assert carrying > 10
    k = next(k for k in range(n) if (carry[k][0].begin.age > 0).any())
    with pytest.raises(AssertionError):  # where carry moves
        same(carry[n + k][0].begin, carry[k][0].begin, carry[k][0].batch)
    assert found[-1][2] == {"lens_kept": carrying, "lens_missed": 0}


def test_states_renewed_in_every_epoch_are_carry(build):
    found = moving(build(SPECS["fixed_lens"], by="states", every=1))
    for (mine, _, _), (theirs, _, _) in zip(found, moving(build(SPECS["carry"])), strict=True):
        same(mine.begin, theirs.begin, mine.batch)


@pytest.mark.parametrize("order", ["stream", "cut"])
@pytest.mark.parametrize("every", [0, 1, 2])
def test_a_copy_is_the_network_as_the_renewing_epoch_began(build, every, order):
    found = moving(build(SPECS["fixed_lens"], by="copy", every=every), order=order)
    n = len(found) // EPOCHS
    for epoch in range(EPOCHS):
        renewed = epoch if every == 1 else 0
        epochs = found[epoch * n : (epoch + 1) * n]
        for (moment, _, _), made in zip(epochs, made_by(renewed * n, epochs), strict=True):
            same(moment.begin, made, moment.batch, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"by": "copy"}, {"by": "states"}, {"by": "copy", "every": 1}])
def test_a_resumed_run_keeps_the_lens_though_its_weights_have_moved(build, options):
    whole = moving(build(SPECS["fixed_lens"], **options))
    n = len(whole) // EPOCHS
    for at in (1, n - 1, n, n + 2):
        policy = build(SPECS["fixed_lens"], **options)
        template = PolicyHarness(policy, recordings()).network.start.template
        saved = {name: t.clone() for name, t in whole[at - 1][1].items()}
        policy.load_memory_dict(saved, template)
        resumed = moving(policy, at // n, at % n)
        for (mine, _, _), (theirs, _, _) in zip(resumed, whole[at:], strict=True):
            same(mine.begin, theirs.begin, mine.batch)
        assert resumed[-1][2] == whole[-1][2]


@pytest.mark.parametrize("by", ["copy", "states"])
def test_what_it_keeps_is_a_state_a_window(build, by):
    found = moving(build(SPECS["fixed_lens"], by=by, every=1))
    places = {
        (int(s), int(o))
        for moment, _, _ in found
        for s, o, new in zip(
            moment.batch.sequence, moment.batch.offset, moment.batch.starts[0], strict=True
        )
        if s >= 0 and not new
    }
    assert len(found[-1][1]["place"]) == len(places)


def test_it_starts_windows_of_a_loop_of_ones_own(build):
    """Against the layer itself, run from the start with the weights that the loop began with."""
    rng = np.random.default_rng(0)
    windows = Windows([rng.normal(size=(30, 3)).astype(np.float32)], time_steps=10, batch_size=1)
    rnn = Recurrent("gru", 3, 4)
    policy = Policy("fixed_lens", rnn, windows, options={"every": 0})
    _, true = rnn(torch.from_numpy(windows.sequences[0].features)[:20].unsqueeze(1))
    for _ in range(2):
        for batch in windows:
            given = policy.begin(batch)
            _, states = rnn(batch.x, **given)
            policy.end(batch, states)
            with torch.no_grad():
                for parameter in rnn.parameters():
                    parameter.mul_(0.7)
    got, wanted = leaves(given["state"].layers), leaves(true.layers)
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b)
    assert policy.counts() == {"lens_kept": 2, "lens_missed": 0}
