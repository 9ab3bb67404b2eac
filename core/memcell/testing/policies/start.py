"""The start of a restarted lane: part of the model, and always part of the graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memcell.plugins.specs import StatePolicySpec
from memcell.recurrent.start import Start
from memcell.recurrent.state import leaves
from memcell.testing.failure import require
from memcell.testing.policies.harness import (
    HIDDEN,
    BuildPolicy,
    PolicyHarness,
    made,
    network_of,
    orders,
    recordings,
)


def start_is_part_of_the_model(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """`make_start` returns a `Start` of the form of a state; the policy holds no parameter itself."""
    policy = made(build)
    network = network_of(policy)
    start = network.start
    require(
        isinstance(start, Start),
        expected="make_start to return a memcell.recurrent.Start",
        did=f"it returned a {type(start).__name__}",
        change="Derive from Start; its forward makes the state of restarted lanes.",
    )
    held = [name for name, value in vars(policy).items() if _holds_parameters(value)]
    require(
        not held,
        expected="trainable starts inside the model",
        did=f"the policy itself holds parameters in {', '.join(held)}",
        change="Make them in the Start that make_start returns, and reach them by memory.initial_state.",
    )
    for dtype in (torch.float32, torch.float64):
        state = start.to(dtype)(5, torch.device("cpu"), dtype)
        shapes = [(list(part.shape), part.dtype) for part in leaves(state)]
        expected = [([5, HIDDEN], dtype), ([5, 2, HIDDEN], dtype)] * 2
        require(
            shapes == expected,
            expected=f"the start to make a state of five lanes, {expected}",
            did=f"it made {shapes}",
            change="Follow the shapes of the template, with B in place of 1, and the type asked for.",
        )


def start_is_always_blended_in(build: BuildPolicy, spec: StatePolicySpec) -> None:
    """A trained start is in the graph of every batch, also where no lane is reset."""
    for order in orders(spec):
        harness = PolicyHarness(made(build), recordings(), order)
        parameters = dict(harness.network.start.named_parameters())
        if not parameters:
            return
        for k, update in enumerate(harness.live()):
            parts = [p for p in leaves(update.begin.state) if p.requires_grad]
            total = sum((p.sum() for p in parts), torch.zeros(()))
            got: tuple[Tensor | None, ...] = (None,) * len(parameters)
            if parts:
                got = torch.autograd.grad(
                    total, list(parameters.values()), retain_graph=True, allow_unused=True
                )
            missing = [name for name, g in zip(parameters, got, strict=True) if g is None]
            require(
                not missing,
                expected="every parameter of the start in the graph of every batch's beginning, so that "
                "data-parallel processes agree",
                did=f"batch {k} leaves out {', '.join(missing)} ({order} order)",
                change="Choose per lane with memcell.recurrent.where, never with an if over the batch.",
            )


def _holds_parameters(value: object) -> bool:
    if isinstance(value, nn.Module):
        return any(True for _ in value.parameters())
    if isinstance(value, dict):
        return any(map(_holds_parameters, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_parameters, value))
    return isinstance(value, nn.Parameter)
