"""A run resumed from ``memory_dict`` goes on as if it had never stopped."""

from __future__ import annotations

from torch import Tensor

from memcell.plugins.specs import StatePolicySpec
from memcell.testing.failure import must_work, require
from memcell.testing.numbers import distance, state_distance
from memcell.testing.policies.harness import (
    EPOCHS,
    BuildPolicy,
    PolicyHarness,
    lived,
    made,
    orders,
    recordings,
)


def memory_dict_resumes(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """At every batch: a new policy that loads ``memory_dict`` begins all later batches to the bit."""
    change = "Give out every tensor that later batches depend on in memory_dict, and take it back."
    for order in orders(spec):
        uninterrupted = lived(build, recordings(), order)
        harness = PolicyHarness(made(build), recordings(), order)
        n = harness.n_batches
        for at, _ in enumerate(harness.live(), start=1):
            if at == n * EPOCHS:
                break
            saved = harness.policy.memory_dict()
            odd = [
                k for k, v in saved.items() if not isinstance(k, str) or not isinstance(v, Tensor)
            ]
            require(
                not odd,
                expected="memory_dict to hold tensors by name",
                did=f"{odd[:3]} is something else",
                change="Keep numbers as tensors of one element.",
            )
            resumed = PolicyHarness(made(build), recordings(), order)
            resumed.memory.generator.set_state(harness.memory.generator.get_state())
            resumed.memory.update, resumed.memory.epoch = at, (at - 1) // n
            with must_work("load_memory_dict to take what memory_dict gave", change):
                copies = {k: v.detach().clone() for k, v in saved.items()}
                resumed.policy.load_memory_dict(copies, resumed.network.start.template)
            continued = resumed.live(at // n, at % n)
            # three batches ahead see what was kept; a store by window is seen an epoch later
            for update, expected in zip(continued, uninterrupted[at : at + 3], strict=False):
                gap = max(
                    state_distance(update.begin.state, expected.begin.state),
                    distance(update.begin.age, expected.begin.age),
                    distance(update.resets, expected.resets),
                )
                require(
                    gap == 0,
                    expected=f"a run resumed after batch {at} to go on to the bit ({order} order)",
                    did=f"it differs by {gap:.3g}",
                    change=change,
                )
