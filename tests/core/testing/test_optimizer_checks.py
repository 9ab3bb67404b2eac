"""Every check of an optimizer rejects a wrong one, and accepts the right ones."""

from __future__ import annotations

import pytest
import torch

from memcell.testing import OPTIMIZER_CHECKS, CheckFailed
from memcell.testing import optimizers as checks


def right(parameters, learning_rate):
    return torch.optim.Adam(parameters, lr=learning_rate)


def ignores_rate(parameters, learning_rate):
    return torch.optim.SGD(parameters, lr=0.1)


class Moves(torch.optim.Optimizer):
    def __init__(self, parameters, learning_rate):
        super().__init__(parameters, {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["lr"] * self.change(p))

    def change(self, p):
        return p.grad


class Stands(Moves):
    def change(self, p):
        return torch.zeros_like(p)


class DividesByZero(Moves):
    def change(self, p):
        return p.grad / (p.grad - p.grad)


class CountsOnSelf(Moves):
    count = 0

    def change(self, p):
        self.count += 1
        return p.grad / self.count


MUTANTS = {
    checks.steps_stay_finite: [Stands, DividesByZero, lambda parameters, rate: "adam"],
    checks.learning_rate_is_taken: [ignores_rate],
    checks.state_resumes: [CountsOnSelf],
}
CASES = [(check, mutant) for check, mutants in MUTANTS.items() for mutant in mutants]


def test_every_check_has_a_mutant():
    assert set(MUTANTS) == set(OPTIMIZER_CHECKS)


@pytest.mark.parametrize(("check", "mutant"), CASES)
def test_mutant_is_rejected(check, mutant):
    with pytest.raises(CheckFailed):
        check(mutant)


@pytest.mark.parametrize("check", OPTIMIZER_CHECKS)
@pytest.mark.parametrize("build", [right, Moves])
def test_right_optimizer_is_accepted(check, build):
    check(build)
