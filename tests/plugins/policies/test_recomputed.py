"""Under parameters that do not change, every way to remember gives what running on gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import memcell.training.memory
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import leaves, map_state, rebuild
from memcell.sequences import TimeSeries
from memcell.testing.policies.harness import PolicyHarness, recordings
from memcell_plugins import memcell_state_policies

SPECS = {spec.name: spec for spec in memcell_state_policies()}
few = settings(max_examples=8, deadline=None)


@st.composite
def sequences(draw):
    """Two to five recordings with gaps anywhere."""
    found = []
    for i in range(draw(st.integers(2, 5))):
        n = draw(st.integers(1, 30))
        gaps = draw(st.sets(st.integers(1, n - 1), max_size=3)) if n > 1 else set()
        rng = np.random.default_rng([i, n])
        found.append(
            TimeSeries(
                name=f"s{i}",
                subject=f"p{i}",
                features=rng.normal(size=(n, 2)).astype(np.float32),
                targets=np.zeros(n, dtype=np.int64),
                breaks=tuple(sorted(gaps)),
            )
        )
    return found


def begun(policy, data, order):
    """Return how every batch of two epochs began."""
    with torch.no_grad():
        return list(PolicyHarness(policy, data, order).live())


def alike(mine, theirs, epoch=None):
    """Whether all lanes that do not restart at once began the same; how many there were."""
    seen = 0
    n = len(mine) // 2
    for k, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        if epoch is not None and k // n != epoch:
            continue
        lanes = (a.batch.sequence >= 0) & ~a.batch.starts[0]
        assert torch.equal(a.begin.age[lanes], b.begin.age[lanes])
        for p, q in zip(leaves(a.begin.state), leaves(b.begin.state), strict=True):
            torch.testing.assert_close(p[lanes], q[lanes], rtol=1e-4, atol=1e-5)
        seen += int(lanes.sum())
    return seen


@pytest.mark.parametrize("order", ["stream", "overlapping"])
@few
@given(data=sequences())
def test_oracle_is_carry_where_nothing_is_learned(build, order, data):
    alike(
        begun(build(SPECS["oracle"]), data, order),
        begun(build(SPECS["carry"], reset_each_epoch=True), data, order),
    )


@pytest.mark.parametrize("order", ["stream", "shuffled", "cut"])
@few
@given(data=sequences(), longer=st.integers(0, 9))
def test_a_burn_in_that_reaches_every_restart_is_oracle(build, order, data, longer):
    steps = max(s.n_steps for s in data) + longer
    alike(
        begun(build(SPECS["burn_in"], steps=steps), data, order),
        begun(build(SPECS["oracle"]), data, order),
    )


@pytest.mark.parametrize("order", ["stream", "overlapping"])
@few
@given(data=sequences())
def test_stored_is_carry_on_streams(build, order, data):
    policy = build(SPECS["stored"])
    alike(begun(policy, data, order), begun(build(SPECS["carry"]), data, order))
    assert policy.counts()["stored_misses"] == 0


@pytest.mark.parametrize("order", ["stream", "overlapping"])
@few
@given(data=sequences(), steps=st.integers(1, 11))
def test_a_stored_state_burnt_in_is_carry_once_all_is_stored(build, order, data, steps):
    policy = build(SPECS["stored_burn_in"], steps=steps)
    mine, carry = begun(policy, data, order), begun(build(SPECS["carry"]), data, order)
    alike(mine, carry, epoch=1)
    assert policy.counts()["stored_misses"] == 0


@pytest.mark.parametrize("order", ["stream", "overlapping", "cut"])
@few
@given(data=sequences(), windows=st.integers(1, 4), across=st.booleans())
def test_refresh_is_carry_where_nothing_is_learned(build, order, data, windows, across):
    alike(
        begun(build(SPECS["refresh"], windows=windows, reset_each_epoch=across), data, order),
        begun(build(SPECS["carry"], reset_each_epoch=across), data, order),
    )


def test_the_comparisons_above_see_lanes_that_go_on(build):
    """On fixed recordings, so that the properties are known not to be empty."""
    carry = begun(build(SPECS["carry"]), recordings(), "stream")
    assert alike(carry, carry) > 20
    with pytest.raises(AssertionError):
        alike(begun(build(SPECS["reset"]), recordings(), "stream"), carry)
    with pytest.raises(AssertionError):
        alike(begun(build(SPECS["burn_in"], steps=3), recordings(), "stream"), carry)


@pytest.mark.parametrize("chunk", [1, 3, 256])
def test_a_replay_of_all_lanes_is_that_of_each_alone_step_by_step(build, monkeypatch, chunk):
    monkeypatch.setattr(memcell.training.memory, "CHUNK", chunk)
    data = recordings()
    memory = PolicyHarness(build(SPECS["reset"]), data).memory
    lanes = [(0, 0, 22), (1, 3, 14), (3, 2, 19), (2, 5, 5), (-1, 0, 9), (0, 4, 6), (3, 10, 12)]
    sequence, start, stop = (torch.tensor(column) for column in zip(*lanes, strict=True))
    n = len(lanes)
    first = map_state(lambda t: torch.randn_like(t), memory.initial_state(n))
    known = CarriedState(first, torch.arange(n))
    kept = map_state(torch.clone, first)
    after = memory.replay(sequence, start, stop, known)
    assert memory.network.training, "left as it was"
    memory.network.eval()
    for lane, (which, begin, end) in enumerate(lanes):
        alone = rebuild(kept, (part[lane : lane + 1] for part in leaves(kept)))
        now = CarriedState(alone, known.age[lane : lane + 1])
        for step in range(begin, end) if which >= 0 else ():
            x = torch.from_numpy(data[which].features[step : step + 1]).unsqueeze(1)
            resets = torch.tensor([[bool(data[which].starts[step])]])
            valid = torch.ones(1, 1, dtype=torch.bool)
            ran = memory.network(x, now, memory.initial_state(1), resets, valid, return_steps=(1,))
            now = ran.states[1]
        assert int(after.age[lane]) == int(now.age)
        for p, q in zip(leaves(after.state), leaves(now.state), strict=True):
            torch.testing.assert_close(p[lane], q[0], rtol=1e-4, atol=1e-5)
            assert not p.requires_grad
    for p, q in zip(leaves(first), leaves(kept), strict=True):
        assert torch.equal(p, q), "what was handed in stays as it was"
