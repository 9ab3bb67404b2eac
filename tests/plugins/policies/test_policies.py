"""What each policy starts a batch from, on a state of two layers."""

import dataclasses
from typing import NamedTuple

import pytest
import torch

from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import leaves, map_state
from memcell.sequences import Batch
from memcell_plugins import memcell_state_policies
from memcell_plugins.policies.learned import LearnedStart

SPECS = {spec.name: spec for spec in memcell_state_policies()}
T, B = 3, 4


class Two(NamedTuple):
    h: torch.Tensor
    c: torch.Tensor


class One(NamedTuple):
    h: torch.Tensor


def state(lanes, value=None):
    """A state over two layers of different cells; random, or of one value."""
    shapes = Two(h=(2,), c=(3,)), One(h=(2,))

    def make(shape):
        return torch.randn(lanes, *shape) if value is None else torch.full((lanes, *shape), value)

    return tuple(type(layer)(*(make(s) for s in layer)) for layer in shapes)


class FakeMemory:
    """Fresh states are all .25, so that they are told from zeros."""

    def __init__(self, seed=0):
        self.generator = torch.Generator().manual_seed(seed)
        self.update = 0
        self.epoch = 0

    def initial_state(self, batch_size):
        return state(batch_size, 0.25)

    def weights(self):
        return {"w": torch.tensor(0.5)}

    def replay(self, sequence, start, stop, carried, weights=None):
        """Adds 1 to the state for each step, so that steps can be counted."""
        steps = (stop - start).clamp_min(0)
        moved = map_state(lambda t: t + steps.unsqueeze(1), carried.state)
        return CarriedState(moved, carried.age + steps)


def batch(continues, starts=None):
    n = len(continues)
    return Batch(
        x=torch.zeros(T, n, 1),
        y=torch.zeros(T, n, dtype=torch.int64),
        valid=torch.ones(T, n, dtype=torch.bool),
        weight=torch.ones(T, n),
        starts=torch.zeros(T, n, dtype=torch.bool) if starts is None else starts,
        window=torch.arange(n),
        sequence=torch.zeros(n, dtype=torch.int64),
        offset=torch.zeros(n, dtype=torch.int64),
        continues=torch.tensor(continues),
    )


ON = [True] * B
OFF = [False] * B


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(leaves(a), leaves(b), strict=True))


def ended(policy, memory, age=T, grad=False):
    """Let a batch end in a random state; returns it."""
    last = state(B)
    if grad:
        last = map_state(lambda t: t.requires_grad_() * 1, last)
    now = batch(OFF)
    (wanted,) = policy.return_steps(now)
    assert wanted == T
    policy.end(now, {wanted: CarriedState(last, torch.full((B,), age))}, memory)
    return last


@pytest.mark.parametrize("name", sorted(set(SPECS) - {"noise"}))
def test_first_batch_starts_afresh_at_age_0(build, name):
    memory = FakeMemory()
    policy = build(SPECS[name])
    policy.begin_epoch(memory)
    carried = policy.begin(batch(OFF), memory)
    assert same(carried.state, memory.initial_state(B))
    assert carried.age.tolist() == [0] * B
    assert carried.age.dtype == torch.int64


@pytest.mark.parametrize("name", SPECS)
def test_restarts_are_never_less_than_the_starts(build, name):
    starts = torch.rand(T, B) < 0.5
    now, memory = batch(ON, starts), FakeMemory()
    resets = build(SPECS[name]).resets(now, memory)
    assert resets.shape == (T, B)
    assert (resets | ~starts).all()


@pytest.mark.parametrize("name", ["reset", "learned"])
def test_reset_and_learned_remember_nothing(build, name):
    memory, policy = FakeMemory(), build(SPECS[name])
    ended(policy, memory)
    assert same(policy.begin(batch(ON), memory).state, memory.initial_state(B))
    assert policy.memory_dict() == {}


def test_carry_goes_on_where_the_lane_does_and_nowhere_else(build):
    memory, policy = FakeMemory(), build(SPECS["carry"])
    last = ended(policy, memory, age=7)
    carried = policy.begin(batch([True, False, True, False]), memory)
    assert carried.age.tolist() == [7, 0, 7, 0]
    for mine, kept in zip(leaves(carried.state), leaves(last), strict=True):
        assert torch.equal(mine[[0, 2]], kept[[0, 2]])
        assert (mine[[1, 3]] == 0.25).all()


def test_carried_states_are_cut_from_their_graph(build):
    memory, policy = FakeMemory(), build(SPECS["carry"])
    ended(policy, memory, grad=True)
    carried = policy.begin(batch(ON), memory)
    assert not any(part.requires_grad for part in leaves(carried.state))


@pytest.mark.parametrize("name", ["carry", "carry_p", "decay"])
def test_epochs_reset_unless_told_otherwise(build, name):
    options = {"carry": {}, "carry_p": {"p": 0.0}, "decay": {"rate": 1.0}}[name]
    for reset_each_epoch in (True, False):
        policy = build(SPECS[name], reset_each_epoch=reset_each_epoch, **options)
        memory = FakeMemory()
        last = ended(policy, memory)
        policy.begin_epoch(memory)
        carried = policy.begin(batch(ON), memory)
        assert same(carried.state, memory.initial_state(B) if reset_each_epoch else last)
        # and across epochs too, only a lane that continues goes on
        assert same(policy.begin(batch(OFF), memory).state, memory.initial_state(B))


def runs(policy, seed=3, batches=12):
    """Drive a policy through batches whose final states do not depend on it."""
    torch.manual_seed(seed)
    memory, carried = FakeMemory(seed), []
    policy.begin_epoch(memory)
    for k in range(batches):
        now = batch((torch.rand(B) < 0.8).tolist() if k else OFF)
        first = policy.begin(now, memory)
        carried.append(first)
        policy.end(now, {T: CarriedState(state(B), first.age + T)}, memory)
    return carried


def alike(a, b):
    return all(
        same(x.state, y.state) and torch.equal(x.age, y.age) for x, y in zip(a, b, strict=True)
    )


def test_carry_p_between_carry_and_reset(build):
    carry, reset = runs(build(SPECS["carry"])), runs(build(SPECS["reset"]))
    assert alike(runs(build(SPECS["carry_p"], p=0.0)), carry)
    assert alike(runs(build(SPECS["carry_p"], p=1.0)), reset)
    half = runs(build(SPECS["carry_p"], p=0.5))
    assert not alike(half, carry)
    assert not alike(half, reset)


def test_carry_p_forgets_with_probability_p_by_the_runs_generator(build):
    policy, memory = build(SPECS["carry_p"], p=0.3), FakeMemory()
    ended(policy, memory)
    kept = torch.cat([policy.goes_on(batch(ON), memory) for _ in range(500)]).float().mean()
    assert abs(kept - 0.7) < 0.05
    memory.generator.manual_seed(5)
    torch.manual_seed(1)
    first = [policy.goes_on(batch(ON), memory).tolist() for _ in range(9)]
    memory.generator.manual_seed(5)
    torch.manual_seed(2)  # the global generator does not matter
    assert first == [policy.goes_on(batch(ON), memory).tolist() for _ in range(9)]


def test_noise_is_normal_around_the_start_and_drawn_by_the_runs_generator(build):
    policy = build(SPECS["noise"], sigma=0.5)
    memory = FakeMemory(seed=4)
    carried = [policy.begin(batch(OFF), memory) for _ in range(400)]
    values = torch.cat([part.flatten() for b in carried for part in leaves(b.state)])
    assert abs(values.mean() - 0.25) < 4 * 0.5 / len(values) ** 0.5
    assert abs(values.std() - 0.5) < 0.02
    assert all(b.age.tolist() == [0] * B for b in carried)
    again, other = FakeMemory(seed=4), FakeMemory(seed=5)
    assert same(policy.begin(batch(OFF), again).state, carried[0].state)
    assert not same(policy.begin(batch(OFF), other).state, carried[0].state)
    assert not same(policy.initial_state(batch(OFF), memory), memory.initial_state(B))
    still = build(SPECS["noise"], sigma=0.0)
    assert same(still.begin(batch(OFF), memory).state, memory.initial_state(B))


def test_random_pass_begins_with_the_newest_final_states(build):
    policy, memory = build(SPECS["random_pass"], pool=6), FakeMemory()
    seen = [ended(policy, memory) for _ in range(3)]
    rows = torch.cat([torch.cat(list(leaves(s)), dim=1) for s in seen])
    drawn = set()
    for _ in range(60):
        carried = policy.begin(batch([True, False, True, False]), memory)
        assert carried.age.tolist() == [0] * B
        for row in torch.cat(list(leaves(carried.state)), dim=1):
            (match,) = torch.nonzero((rows == row).all(1)).flatten().tolist()
            drawn.add(match)
    assert drawn == set(range(6, 12)), "the newest six of twelve, all of them"


def test_fitted_noise_has_the_mean_and_the_covariance_of_final_states(build):
    n, shrinkage = 400, 0.25
    policy = build(SPECS["fitted_noise"], pool=n, shrinkage=shrinkage)
    memory, rows = FakeMemory(), []
    mix = torch.randn(7, 7)
    for _ in range(n // B):
        values = torch.randn(B, 7) @ mix + 2.0
        parts = iter(values.split([2, 3, 2], dim=1))
        last = tuple(type(layer)(*(next(parts) for _ in layer)) for layer in state(1))
        policy.end(batch(OFF), {T: CarriedState(last, torch.full((B,), T))}, memory)
        rows.append(values)
    wanted = torch.cat(rows).T.cov(correction=0)
    wanted = (1 - shrinkage) * wanted + shrinkage * wanted.diag().diag()
    drawn = torch.cat(
        [torch.cat(list(leaves(policy.begin(batch(ON), memory).state)), dim=1) for _ in range(2000)]
    )
    scale = wanted.diag().sqrt()
    assert ((drawn.mean(0) - torch.cat(rows).mean(0)) / scale).abs().max() < 0.06
    assert ((drawn.T.cov() - wanted) / scale.outer(scale)).abs().max() < 0.06


def test_fitted_noise_begins_afresh_until_enough_states_were_seen(build):
    policy, memory = build(SPECS["fitted_noise"], least=2 * B), FakeMemory()
    ended(policy, memory)
    assert same(policy.begin(batch(ON), memory).state, memory.initial_state(B))
    ended(policy, memory)
    assert not same(policy.begin(batch(ON), memory).state, memory.initial_state(B))


def at(steps, sequence=(0, 1, 2, -1)):
    """A batch whose windows begin at a step; the last lane is empty."""
    now = batch(OFF)
    return dataclasses.replace(
        now,
        offset=torch.full((B,), steps),
        sequence=torch.tensor(sequence),
        starts=torch.full((T, B), False)
        if steps
        else now.starts.index_fill(0, torch.tensor(0), True),
    )


def test_stored_finds_by_sequence_and_step_and_says_how_old_its_parameters_are(build):
    policy, memory = build(SPECS["stored"]), FakeMemory()
    policy.begin_epoch(memory)
    policy.begin(at(0), memory)
    assert policy.counts() == {"stored_hits": 0, "stored_misses": 0, "stored_lag": 0}
    last = state(B)
    policy.end(at(0), {T: CarriedState(last, torch.full((B,), T))}, memory)
    memory.update = 7
    carried = policy.begin(at(T, sequence=(2, 5, 0, -1)), memory)
    assert carried.age.tolist() == [T, 0, T, 0]
    for mine, kept in zip(leaves(carried.state), leaves(last), strict=True):
        assert torch.equal(mine[[0, 2]], kept[[2, 0]])
        assert (mine[[1, 3]] == 0.25).all()
    assert policy.counts() == {"stored_hits": 2, "stored_misses": 1, "stored_lag": 7}
    assert policy.begin(at(T + 1), memory).age.tolist() == [0] * B
    policy.begin_epoch(memory)
    assert policy.counts()["stored_misses"] == 0


def test_stored_overwrites_in_place_and_takes_no_more_room_than_there_are_windows(build):
    policy, memory = build(SPECS["stored"]), FakeMemory()
    for k in range(5):
        for steps in range(0, 40, T):
            policy.end(
                at(steps), {T: CarriedState(state(B, float(k)), torch.zeros(B).long())}, memory
            )
    kept = policy.memory_dict()
    assert kept["place"].shape == (3 * 14, 2)
    assert all(len(v) == 3 * 14 for name, v in kept.items() if name.startswith("stored."))
    assert (policy.begin(at(T), memory).state[0].h[:3] == 4.0).all()


def test_a_window_cut_short_by_its_sequences_end_is_not_stored(build):
    policy, memory = build(SPECS["stored"]), FakeMemory()
    now = at(0)
    now.valid[1:, 0] = False
    policy.end(now, {T: CarriedState(state(B), torch.full((B,), T))}, memory)
    assert policy.memory_dict()["place"].tolist() == [[1, T], [2, T]]


def test_burn_in_runs_the_steps_before_the_window_and_no_more(build):
    policy, memory = build(SPECS["burn_in"], steps=5), FakeMemory()
    assert policy.begin(at(9), memory).age.tolist() == [5] * B
    assert policy.begin(at(3), memory).age.tolist() == [3] * B
    assert policy.begin(at(0), memory).age.tolist() == [0] * B


def test_stored_burn_in_asks_for_the_state_where_a_burn_in_begins(build):
    asked = [build(SPECS["stored_burn_in"], steps=n).return_steps(at(0)) for n in range(1, 8)]
    assert asked == [(2,), (1,), (3,), (2,), (1,), (3,), (2,)]


def test_refresh_goes_back_as_many_windows_as_led_here(build):
    policy, memory = build(SPECS["refresh"], windows=2), FakeMemory()
    lanes = [[True] * B, [True, False, True, True], [True] * B, [True] * B]
    for k, continues in enumerate(lanes):
        now = dataclasses.replace(at(k * T), continues=torch.tensor(continues))
        carried = policy.begin(now, memory)
        # the pretended network adds 1 a step: the state counts what was run again
        back = {0: [0] * 4, 1: [3, 0, 3, 3], 2: [6, 3, 6, 6], 3: [6 + 3, 6, 6 + 3, 6 + 3]}[k]
        assert carried.age.tolist() == back
        policy.end(now, {0: carried}, memory)


def test_decay_shrinks_the_state_and_not_the_age(build):
    policy, memory = build(SPECS["decay"], rate=0.5), FakeMemory()
    last = ended(policy, memory, age=9)
    carried = policy.begin(batch(ON), memory)
    assert same(carried.state, map_state(lambda t: 0.5 * t, last))
    assert carried.age.tolist() == [9] * B
    assert same(policy.begin(batch(ON), memory).state, carried.state), "begin asked twice"
    assert alike(runs(build(SPECS["decay"], rate=1.0)), runs(build(SPECS["carry"])))


@pytest.mark.parametrize("name", ["carry", "carry_p", "decay"])
def test_memory_comes_back_from_its_dict(build, name):
    memory = FakeMemory()
    policy, resumed = build(SPECS[name]), build(SPECS[name])
    assert policy.memory_dict() == {}
    last = ended(policy, memory, age=5)
    tensors = policy.memory_dict()
    assert all(isinstance(value, torch.Tensor) for value in tensors.values())
    resumed.load_memory_dict(tensors, state(1))
    memory.generator.manual_seed(1)
    expected = policy.begin(batch(ON), memory)
    memory.generator.manual_seed(1)
    carried = resumed.begin(batch(ON), memory)
    assert alike([carried], [expected])
    assert [type(layer) for layer in carried.state] == [type(layer) for layer in last]
    resumed.load_memory_dict({}, state(1))
    assert resumed.memory_dict() == {}


def test_learned_start_is_trained_and_begins_as_zeros(build):
    start = build(SPECS["learned"]).make_start(state(1))
    assert isinstance(start, LearnedStart)
    made = start(B, torch.device("cpu"), torch.float32)
    assert [tuple(part.shape) for part in leaves(made)] == [(B, 2), (B, 3), (B, 2)]
    assert [type(layer) for layer in made] == [Two, One]
    assert all((part == 0).all() for part in leaves(made))
    sum(part.sum() for part in leaves(made)).backward()
    assert all((p.grad == B).all() for p in start.parameters())
    assert len(list(start.parameters())) == 3


@pytest.mark.parametrize("name", sorted(set(SPECS) - {"learned"}))
def test_other_starts_have_nothing_to_train(build, name):
    assert not list(build(SPECS[name]).make_start(state(1)).parameters())
