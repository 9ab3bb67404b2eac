"""Every check of a policy rejects at least one wrong one, and accepts the right ones."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from memcell import StatePolicySpec
from memcell.recurrent import CarriedState, Start, StatePolicy, where
from memcell.recurrent.state import leaves, map_state, rebuild
from memcell.testing import POLICY_CHECKS, CheckFailed
from memcell.testing import policies as checks

RESET = StatePolicySpec(name="p", factory="m:a")
CARRY = dataclasses.replace(RESET, needs_streams=True)
CHANCE = dataclasses.replace(CARRY, random_restarts=True)
GRID = dataclasses.replace(RESET, needs_fixed_grid=True)
BORROWS = dataclasses.replace(RESET, borrows=True)


class Carry(StatePolicy):
    """Goes on where the lane goes on; the mutants change one thing each."""

    def __init__(self):
        self.kept = None

    def goes_on(self, batch, memory):
        return batch.continues

    def begin(self, batch, memory):
        initial = self.initial_carried(batch, memory)
        if self.kept is None:
            return initial
        on = self.goes_on(batch, memory)
        return CarriedState(
            where(on, self.kept.state, initial.state), torch.where(on, self.kept.age, initial.age)
        )

    def end(self, batch, states, memory):
        self.kept = self.detached(states[batch.advance])

    def memory_dict(self):
        if self.kept is None:
            return {}
        return {"age": self.kept.age, **{f"s{i}": t for i, t in enumerate(leaves(self.kept.state))}}

    def load_memory_dict(self, tensors, template):
        if tensors:
            parts = (tensors[f"s{i}"] for i in range(len(tensors) - 1))
            self.kept = CarriedState(rebuild(template, parts), tensors["age"])


class LearnedStart(Start):
    def __init__(self, template):
        super().__init__(template)
        self.parts = nn.ParameterList(nn.Parameter(torch.zeros_like(t)) for t in leaves(template))

    def forward(self, batch_size, device, dtype):
        lanes = (p.to(device, dtype).expand(batch_size, *p.shape[1:]) for p in self.parts)
        return rebuild(self.template, lanes)


class LearnedCarry(Carry):
    def make_start(self, template):
        return LearnedStart(template)


class Forgetful(Carry):
    """Forgets at random."""

    def goes_on(self, batch, memory):
        chance = torch.rand(batch.batch_size, generator=memory.generator)
        return batch.continues & (chance > 0.3)


class BurnIn(StatePolicy):
    """Replays the steps before the window."""

    def begin(self, batch, memory):
        start = (batch.offset - 5).clamp_min(0)
        return memory.replay(
            batch.sequence, start, batch.offset, self.initial_carried(batch, memory)
        )


class Borrowed(StatePolicy):
    """Begins with what the lane beside it ended in."""

    def __init__(self):
        self.kept = None

    def begin(self, batch, memory):
        initial = self.initial_carried(batch, memory)
        return CarriedState(initial.state if self.kept is None else self.kept, initial.age)

    def end(self, batch, states, memory):
        self.kept = map_state(lambda t: t.roll(1, 0), self.detached(states[batch.advance]).state)

    def memory_dict(self):
        return {} if self.kept is None else {f"{i}": t for i, t in enumerate(leaves(self.kept))}

    def load_memory_dict(self, tensors, template):
        if tensors:
            self.kept = rebuild(template, iter(tensors.values()))


class BorrowedWithAge(Borrowed):
    def begin(self, batch, memory):
        begun = super().begin(batch, memory)
        return CarriedState(begun.state, (~batch.starts[0]).long())


class Stored(StatePolicy):
    """Keeps the last state seen before each step at which a window may begin."""

    def __init__(self):
        self.store = {}

    def begin(self, batch, memory):
        initial = self.initial_carried(batch, memory)
        state, age = map_state(torch.clone, initial.state), initial.age.clone()
        for i in range(batch.batch_size):
            key = f"{int(batch.sequence[i])}.{int(batch.offset[i])}"
            if key in self.store and batch.sequence[i] >= 0:
                *parts, at = self.store[key]
                for whole, part in zip(leaves(state), parts, strict=True):
                    whole[i] = part
                age[i] = at
        return CarriedState(state, age)

    def end(self, batch, states, memory):
        state, age = self.detached(states[batch.advance])
        for i in range(batch.batch_size):
            stop = int(batch.offset[i]) + batch.advance
            self.store[f"{int(batch.sequence[i])}.{stop}"] = [
                *(p[i] for p in leaves(state)),
                age[i],
            ]

    def memory_dict(self):
        return {f"{k}.{i}": t for k, parts in self.store.items() for i, t in enumerate(parts)}

    def load_memory_dict(self, tensors, template):
        self.store = {}
        for name, tensor in tensors.items():
            self.store.setdefault(name.rpartition(".")[0], []).append(tensor)


class IgnoresStarts(StatePolicy):
    def resets(self, batch, memory):
        return torch.zeros_like(batch.starts)


class FloatRestarts(StatePolicy):
    def resets(self, batch, memory):
        return batch.starts.float()


class ShortAges(StatePolicy):
    def begin(self, batch, memory):
        state, age = self.initial_carried(batch, memory)
        return CarriedState(state, age.to(torch.int32))


class BareTuples(StatePolicy):
    def begin(self, batch, memory):
        state, age = self.initial_carried(batch, memory)
        return CarriedState(tuple(tuple(layer) for layer in state), age)


class OneLaneFresh(StatePolicy):
    def initial_state(self, batch, memory):
        return memory.initial_state(1)


class CarriesAgeOnly(Carry):
    """The age goes on where the state does not."""

    def begin(self, batch, memory):
        begun = super().begin(batch, memory)
        return begun if self.kept is None else CarriedState(begun.state, self.kept.age)


class TakesTheWindowsEnd(Carry):
    """Right until windows overlap."""

    def return_steps(self, batch):
        return (batch.time_steps,)

    def end(self, batch, states, memory):
        self.kept = self.detached(states[batch.time_steps])


class WantsTooMuch(StatePolicy):
    def return_steps(self, batch):
        return (batch.time_steps + 1,)


class CarriesAlways(Carry):
    def goes_on(self, batch, memory):
        return torch.ones_like(batch.continues)


class SwapsLanes(Carry):
    def end(self, batch, states, memory):
        super().end(batch, states, memory)
        self.kept = CarriedState(
            map_state(lambda t: t.roll(1, 0), self.kept.state), self.kept.age.roll(1, 0)
        )


class Foresees(StatePolicy):
    """Replays the window itself."""

    def begin(self, batch, memory):
        initial = self.initial_carried(batch, memory)
        stop = batch.offset + batch.valid.sum(0)
        after = memory.replay(batch.sequence, batch.offset, stop, initial)
        return CarriedState(after.state, initial.age)


class ReachesWeights(Carry):
    def begin(self, batch, memory):
        state, age = super().begin(batch, memory)
        pull = memory.network.encoder.weight.mean()
        return CarriedState(map_state(lambda t: t + 0.1 * pull, state), age)


class GlobalChance(Carry):
    def goes_on(self, batch, memory):
        return batch.continues & (torch.rand(batch.batch_size) > 0.3)


class ForgetsAge(Carry):
    def load_memory_dict(self, tensors, template):
        super().load_memory_dict(tensors, template)
        if self.kept is not None:
            self.kept = CarriedState(self.kept.state, torch.zeros_like(self.kept.age))


class SavesNothing(Carry):
    def memory_dict(self):
        return {}


class SavesNumbers(Carry):
    def memory_dict(self):
        return {"batches": 3}


class HoldsParameter(StatePolicy):
    def __init__(self):
        self.start = nn.Parameter(torch.zeros(1))


class WideStart(StatePolicy):
    def make_start(self, template):
        class Two(LearnedStart):
            def forward(self, batch_size, device, dtype):
                return super().forward(2 * batch_size, device, dtype)

        return Two(template)


class ChoosesByIf(LearnedCarry):
    def begin(self, batch, memory):
        if self.kept is not None and bool(batch.continues.all()):
            return self.kept
        return super().begin(batch, memory)


MUTANTS = {
    checks.resets_include_starts: [(IgnoresStarts, RESET), (FloatRestarts, RESET)],
    checks.begin_has_the_form_of_a_state: [
        (ShortAges, RESET),
        (BareTuples, RESET),
        (OneLaneFresh, RESET),
    ],
    checks.age_is_possible: [
        (CarriesAgeOnly, CARRY),
        (TakesTheWindowsEnd, CARRY),
        (BorrowedWithAge, BORROWS),
    ],
    checks.returned_steps_exist: [(WantsTooMuch, RESET)],
    checks.memory_stays_in_its_sequence: [
        (CarriesAlways, CARRY),
        (SwapsLanes, CARRY),
        (Borrowed, CARRY),
    ],
    checks.state_knows_only_the_past: [(Foresees, RESET)],
    checks.begin_has_no_gradient_to_the_past: [(ReachesWeights, CARRY)],
    checks.chance_is_as_declared: [(Forgetful, CARRY), (GlobalChance, CHANCE)],
    checks.streams_are_needed_as_declared: [
        (Carry, RESET),
        (Stored, RESET),
        (Borrowed, RESET),
    ],
    checks.memory_dict_resumes: [
        (SavesNothing, CARRY),
        (ForgetsAge, CARRY),
        (SavesNumbers, CARRY),
    ],
    checks.start_is_part_of_the_model: [(HoldsParameter, RESET), (WideStart, RESET)],
    checks.start_is_always_blended_in: [(ChoosesByIf, CARRY)],
}
CASES = [(check, *mutant) for check, mutants in MUTANTS.items() for mutant in mutants]
RIGHT = [
    (StatePolicy, RESET),
    (Carry, CARRY),
    (LearnedCarry, CARRY),
    (Forgetful, CHANCE),
    # as burn_in and stored, which go through every check among the built-in policies
    pytest.param(BurnIn, RESET, marks=pytest.mark.slow),
    pytest.param(Stored, GRID, marks=pytest.mark.slow),
    (Borrowed, BORROWS),
]


def name_of(value):
    return getattr(value, "__name__", "")


def test_every_check_has_a_mutant():
    assert set(MUTANTS) == set(POLICY_CHECKS)


@pytest.mark.parametrize(("check", "mutant", "spec"), CASES, ids=name_of)
def test_mutant_is_rejected(check, mutant, spec):
    with pytest.raises(CheckFailed, match=r"^expected .*; .*\. .*\.$"):
        check(mutant, spec)


@pytest.mark.parametrize("check", POLICY_CHECKS, ids=name_of)
@pytest.mark.parametrize(("policy", "spec"), RIGHT, ids=name_of)
def test_right_policy_is_accepted(check, policy, spec):
    check(policy, spec)


def test_something_else_than_a_policy():
    with pytest.raises(CheckFailed, match="returned a dict"):
        checks.resets_include_starts(dict, RESET)
