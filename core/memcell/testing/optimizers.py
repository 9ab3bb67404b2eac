"""Checks of an optimizer. Each takes ``build(parameters, learning_rate) -> Optimizer``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from memcell.testing.failure import must_work, require
from memcell.testing.numbers import noise

BuildOptimizer = Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer]

RATE, STEPS = 0.05, 5


def steps_stay_finite(build: BuildOptimizer) -> None:
    """A few steps on a small least-squares problem move the parameters and stay finite."""
    weights, optimizer = _problem(build)
    require(
        isinstance(optimizer, torch.optim.Optimizer),
        expected="a torch.optim.Optimizer",
        did=f"the factory returned a {type(optimizer).__name__}",
        change="Return an optimizer over the parameters that are given.",
    )
    before = weights.detach().clone()
    for _ in range(STEPS):
        _step(weights, optimizer)
    require(
        bool(weights.isfinite().all()) and not torch.equal(weights, before),
        expected="parameters that move and stay finite",
        did=f"after {STEPS} steps they are {weights.flatten()[:3].tolist()}",
        change="Write the new values into the parameters, and guard divisions with an epsilon.",
    )


def learning_rate_is_taken(build: BuildOptimizer) -> None:
    """Every parameter group has an ``lr``, which the engine's schedule sets before each step."""
    _, optimizer = _problem(build)
    rates = [group.get("lr") for group in optimizer.param_groups]
    require(
        all(rate == RATE for rate in rates),
        expected=f"each parameter group's 'lr' to be the learning rate that is given, {RATE}",
        did=f"they are {rates}",
        change="Hand learning_rate on as lr, and read group['lr'] in step.",
    )


def state_resumes(build: BuildOptimizer) -> None:
    """An optimizer that loads another's ``state_dict`` goes on to the bit."""
    weights, optimizer = _problem(build)
    for _ in range(STEPS):
        _step(weights, optimizer)
    copied, resumed = _problem(build)
    with torch.no_grad():
        copied.copy_(weights)
    change = "Keep everything that a step needs in self.state and the parameter groups."
    with must_work("a new optimizer to load the state_dict of another", change):
        # torch hands the tensors on as they are; a checkpoint would not share them
        resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for _ in range(STEPS):
        _step(weights, optimizer)
        _step(copied, resumed)
    require(
        torch.equal(weights, copied),
        expected="an optimizer with another's state_dict to go on as that one",
        did=f"the parameters differ by {float((weights - copied).detach().abs().max()):.3g}",
        change=change,
    )


def _problem(build: BuildOptimizer) -> tuple[nn.Parameter, torch.optim.Optimizer]:
    weights = nn.Parameter(noise(4, 3, dtype=torch.float32))
    return weights, build([weights], RATE)


def _step(weights: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad(set_to_none=True)
    x, y = noise(8, 3, seed=1, dtype=torch.float32), noise(8, 4, seed=2, dtype=torch.float32)
    torch.autograd.backward(((x @ weights.T - y) ** 2).mean())
    optimizer.step()


OPTIMIZER_CHECKS: tuple[Callable[[BuildOptimizer], None], ...] = (
    steps_stay_finite,
    learning_rate_is_taken,
    state_resumes,
)
