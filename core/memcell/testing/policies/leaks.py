"""What must not reach a lane's memory: another recording, what lies before a gap, the future."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from memcell.plugins.specs import StatePolicySpec
from memcell.recurrent.state import leaves
from memcell.sequences import Batch
from memcell.testing.failure import require
from memcell.testing.numbers import noise
from memcell.testing.policies.harness import (
    BuildPolicy,
    HarnessBatch,
    PolicyHarness,
    disturbed,
    lived,
    made,
    orders,
    recordings,
)

#: The same numbers in another lane's company may be rounded otherwise (float32).
_CLOSE = 1e-6


def memory_stays_in_its_sequence(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """Other features in one recording, or before a gap, change no output elsewhere, or behind the gap.

    Not asked of a policy that borrows states of other windows, and says so.
    """
    if spec.borrows:
        return
    sequences = recordings()
    for order in orders(spec):
        before = lived(build, sequences, order)
        for which, source in enumerate(sequences):
            # what is before a gap is other than it was, or all of it where there is no gap
            for cut in source.breaks or (source.n_steps,):
                after = lived(build, disturbed(sequences, which, 0, cut), order)
                gap = _change(before, after, partial(_outside, which=which))
                require(
                    gap <= _CLOSE,
                    expected=f"no output to depend on {source.name} but its own ({order} order)",
                    did=f"others changed by {gap:.3g}",
                    change="Carry a state only into the lanes of batch.continues, and take another's "
                    "never.",
                )
                gap = _change(
                    before, after, partial(_within, which=which, start=cut, stop=source.n_steps)
                )
                require(
                    gap <= _CLOSE,
                    expected=f"nothing after the gap at step {cut} of {source.name} to depend on what "
                    f"was before it ({order} order)",
                    did=f"outputs changed by {gap:.3g}",
                    change="Let resets hold batch.starts, and replay from the last start only.",
                )


def state_knows_only_the_past(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """Other features in the later part of a recording change no output in the earlier part.

    Not asked of a policy that borrows states of other windows, and says so.
    """
    if spec.borrows:
        return
    sequences = recordings()
    for order in orders(spec):
        before = lived(build, sequences, order)
        for which, source in enumerate(sequences):
            cut = source.n_steps // 2
            after = lived(build, disturbed(sequences, which, cut, source.n_steps), order)
            gap = _change(before, after, partial(_within, which=which, start=0, stop=cut))
            require(
                gap <= _CLOSE,
                expected=f"outputs before step {cut} of {source.name} not to depend on later steps "
                f"({order} order)",
                did=f"they changed by {gap:.3g}",
                change="Begin a window from states of steps before batch.offset only.",
            )


def begin_has_no_gradient_to_the_past(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """What a batch begins with has a gradient to the trained start at most, never to other weights."""
    for order in orders(spec):
        harness = PolicyHarness(made(build), recordings(), order)
        weights = {
            name: p
            for name, p in harness.network.named_parameters()
            if not name.startswith("start.")
        }
        for update in harness.live():
            parts = [part for part in leaves(update.begin.state) if part.requires_grad]
            if not parts:
                continue
            loss = sum((p * noise(*p.shape, dtype=p.dtype)).sum() for p in parts)
            assert isinstance(loss, Tensor)
            gradients = torch.autograd.grad(
                loss, list(weights.values()), retain_graph=True, allow_unused=True
            )
            reached = [n for n, g in zip(weights, gradients, strict=True) if g is not None]
            require(
                not reached,
                expected="no gradient from a batch's beginning into what made it",
                did=f"it reaches {', '.join(reached[:3])} ({order} order)",
                change="Keep StatePolicy.detached(states), and use memory.replay, which has no gradient.",
            )


def _change(
    before: list[HarnessBatch], after: list[HarnessBatch], chosen: Callable[[Batch], Tensor]
) -> float:
    """Return the largest change of hidden outputs at the chosen steps ``[T, B]`` of the batches."""
    largest = 0.0
    for a, b in zip(before, after, strict=True):
        where = chosen(a.batch) & a.batch.valid
        if bool(where.any()):
            gap = (a.ran.hidden[where] - b.ran.hidden[where]).detach().abs().max()
            largest = max(largest, float(gap.nan_to_num(nan=float("inf"))))
    return largest


def _outside(batch: Batch, which: int) -> Tensor:
    return (batch.sequence != which).expand_as(batch.valid)


def _within(batch: Batch, which: int, start: int, stop: int) -> Tensor:
    step = batch.offset + torch.arange(batch.time_steps).unsqueeze(1)
    return (batch.sequence == which) & (step >= start) & (step < stop)
