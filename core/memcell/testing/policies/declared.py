"""Whether a policy is what its spec declares: random or not, in need of streams or not."""

from __future__ import annotations

import torch

from memcell.plugins.specs import StatePolicySpec
from memcell.testing.failure import require
from memcell.testing.numbers import distance, seeded, state_distance
from memcell.testing.policies.harness import (
    BuildPolicy,
    HarnessBatch,
    PolicyHarness,
    lived,
    made,
    orders,
    recordings,
)


def chance_is_as_declared(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """Restarts depend on the run's generator only where ``random_restarts`` says so, on no other ever."""
    for order in orders(spec):
        with seeded(1):
            one = lived(build, recordings(), order, seed=1)
        with seeded(2):
            same = lived(build, recordings(), order, seed=1)
        require(
            _differing(one, same, states=True) is None,
            expected="the same run's generator to give the same memory",
            did=f"batch {_differing(one, same, states=True)} began otherwise ({order} order)",
            change="Draw from memory.generator, never from torch's or numpy's global generators.",
        )
        if spec.random_restarts:
            continue
        other = lived(build, recordings(), order, seed=2)
        require(
            _differing(one, other, states=False) is None,
            expected="the same resets and ages for any random numbers (random_restarts=False)",
            did=f"batch {_differing(one, other, states=False)} differs ({order} order)",
            change="Declare random_restarts=True.",
        )


def streams_are_needed_as_declared(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """Without ``needs_streams``, ``needs_fixed_grid`` and ``borrows``, earlier batches change nothing."""
    if spec.needs_streams or spec.needs_fixed_grid or spec.borrows:
        return
    for order in orders(spec):
        harness = PolicyHarness(made(build), recordings(), order)
        for update in harness.live():
            alone = PolicyHarness(made(build), recordings(), order)
            alone.memory.update, alone.memory.epoch = (
                harness.memory.update - 1,
                harness.memory.epoch,
            )
            alone.memory.generator.set_state(update.random)
            alone.policy.begin_epoch(alone.memory)
            alone.memory.generator.set_state(update.random)
            begin = alone.policy.begin(update.batch, alone.memory)
            gap = max(
                state_distance(begin.state, update.begin.state),
                distance(begin.age, update.begin.age),
            )
            require(
                gap == 0,
                expected="a batch to begin the same whatever came before it (needs_streams=False, "
                "needs_fixed_grid=False, borrows=False)",
                did=f"update {harness.memory.update} began otherwise than in a new policy, by {gap:.3g}",
                change="Declare needs_streams=True where states go from batch to batch, or "
                "needs_fixed_grid=True where they are stored by window, or borrows=True where they are "
                "taken from any window.",
            )


def _differing(a: list[HarnessBatch], b: list[HarnessBatch], states: bool) -> int | None:
    """Return the first batch with other resets or ages (or states), None where all agree."""
    for k, (p, q) in enumerate(zip(a, b, strict=True)):
        agree = torch.equal(p.resets, q.resets) and torch.equal(p.begin.age, q.begin.age)
        if states:
            agree = agree and state_distance(p.begin.state, q.begin.state) == 0
        if not agree:
            return k
    return None
