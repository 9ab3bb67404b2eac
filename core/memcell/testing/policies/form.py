"""The form of what a policy returns: resets, states, ages, steps."""

from __future__ import annotations

import torch
from torch import Tensor

from memcell.plugins.specs import StatePolicySpec
from memcell.recurrent.state import State, leaves
from memcell.testing.failure import require
from memcell.testing.policies.harness import (
    LANES,
    BuildPolicy,
    PolicyHarness,
    lived,
    made,
    orders,
    recordings,
)


def resets_include_starts(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """`resets` is ``[T, B]`` bool, and True wherever ``batch.starts`` is."""
    for order in orders(spec):
        harness = PolicyHarness(made(build), recordings(), order)
        for k in range(harness.n_batches):
            batch = harness.batch(k)
            got = harness.policy.resets(batch, harness.memory)
            form = isinstance(got, Tensor) and got.dtype == torch.bool
            require(
                form and got.shape == batch.starts.shape,
                expected=f"resets to be [T, B] bool, {list(batch.starts.shape)}",
                did=f"it is {_form(got)}",
                change="Return batch.starts, or batch.starts | more.",
            )
            missing = int((batch.starts & ~got).sum())
            require(
                missing == 0,
                expected="a reset at every start of a recording and after every gap",
                did=f"{missing} of batch.starts were left out in batch {k}",
                change="Return batch.starts | more: what lies before a gap is no memory of what follows.",
            )
            harness.run(batch)


def begin_has_the_form_of_a_state(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """`begin` and `initial_state` give states like the model's start, and ages ``[B]`` int64 of 0 or more."""
    for order in orders(spec, overlapping=True):
        harness = PolicyHarness(made(build), recordings(), order)
        like = harness.memory.initial_state(LANES)
        harness.policy.begin_epoch(harness.memory)
        for k in range(harness.n_batches):
            batch = harness.batch(k)
            initial_state = harness.policy.initial_state(batch, harness.memory)
            begin = harness.policy.begin(batch, harness.memory)
            for name, state in (("begin", begin.state), ("initial_state", initial_state)):
                require(
                    _same_form(state, like),
                    expected=f"{name} to give a state of the form {_form(like)}",
                    did=f"it gave {_form(state)} in batch {k}",
                    change="Make states with memory.initial_state, and change them with "
                    "memcell.recurrent.where and map_state, which keep their types.",
                )
            age = begin.age
            require(
                age.shape == (LANES,) and age.dtype == torch.int64 and bool((age >= 0).all()),
                expected=f"begin to give ages [{LANES}] int64, 0 or more",
                did=f"it gave {_form(age)} {age.tolist()} in batch {k}",
                change="Give the steps since the lane's state was last reset; 0 for an initial one.",
            )
            harness.run(batch)


def age_is_possible(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """A state is no older than its recording: its age is at most the steps since the last start.

    One that is borrowed from other windows is a random start, of age 0.
    """
    for order in orders(spec, overlapping=True):
        sequences = recordings()
        for update in lived(build, sequences, order):
            batch = update.batch
            for lane in range(LANES):
                if batch.sequence[lane] < 0 or batch.starts[0, lane]:
                    continue
                offset = int(batch.offset[lane])
                source = sequences[int(batch.sequence[lane])]
                oldest = offset - max(b for b in (0, *source.breaks) if b <= offset)
                age = int(update.begin.age[lane])
                require(
                    age <= oldest,
                    expected=f"an age of at most {oldest} at step {offset} of {source.name}, whose last "
                    f"start was {oldest} steps before",
                    did=f"begin gave {age}",
                    change="Carry the age with the state it belongs to, and reset both together.",
                )
                require(
                    age == 0 or not spec.borrows,
                    expected="a state made of other windows' states to have the age 0 (borrows=True)",
                    did=f"begin gave {age} at step {offset} of {source.name}",
                    change="Give the age of StatePolicy.initial_carried: such a state is a random start.",
                )


def returned_steps_exist(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """`return_steps` names numbers of steps from 0 to T, and `end` is given exactly these."""
    for order in orders(spec, overlapping=True):
        harness = PolicyHarness(made(build), recordings(), order)
        for k in range(harness.n_batches):
            batch = harness.batch(k)
            steps = harness.policy.return_steps(batch)
            wrong = [w for w in steps if not isinstance(w, int) or not 0 <= w <= batch.time_steps]
            require(
                not wrong,
                expected=f"return_steps to give whole numbers from 0 to T = {batch.time_steps}",
                did=f"it gave {tuple(steps)} in batch {k}",
                change="Count steps done: batch.advance is the state at which the lane goes on.",
            )


def _same_form(a: State, b: State) -> bool:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        both = isinstance(a, Tensor) and isinstance(b, Tensor)
        return both and a.shape == b.shape and a.dtype == b.dtype
    return type(a) is type(b) and len(a) == len(b) and all(map(_same_form, a, b))


def _form(value: State) -> str:
    if isinstance(value, Tensor):
        return f"{list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, tuple):
        return f"{type(value).__name__}({', '.join(_form(part) for part in value)})"
    try:
        return f"{type(value).__name__} of {len(list(leaves(value)))} tensors"
    except TypeError:
        return type(value).__name__
